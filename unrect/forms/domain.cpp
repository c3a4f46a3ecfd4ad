#include "unrect/forms/domain.hpp"

#include <fmt/format.h>
#include <Eigen/Dense>

#include <algorithm>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/affine_hull.hpp"

namespace unrect {

Domain::Domain(const Box& inputs, const Halfspaces& rows) {
  UNRECT_REQUIRE(rows.size() == 0 || rows.dimension() == inputs.dimension(), ErrorCode::kInvalidArgument,
                 "domain: constraints on {} inputs; the box has {}", rows.dimension(), inputs.dimension());
  std::vector<Index> free;
  for (Index j = 0; j < inputs.dimension(); ++j) {
    if (inputs.lower[j] < inputs.upper[j]) free.push_back(j);
  }
  if (rows.size() > 0 || free.empty()) {
    AffineHull hull(inputs);
    hull.add(rows);
    hull.write(*this);
    return;
  }
  const auto k = static_cast<Index>(free.size());
  origin = inputs.lower;
  origin(free).setZero();
  axes = Matrix::Zero(inputs.dimension(), k);
  for (Index d = 0; d < k; ++d) axes(free[static_cast<std::size_t>(d)], d) = 1;
  box = Box(inputs.lower(free), inputs.upper(free));
}

Domain::Domain(Vector slice_origin, Matrix slice_axes, Box parameters)
    : origin(std::move(slice_origin)), axes(std::move(slice_axes)), box(std::move(parameters)) {
  UNRECT_REQUIRE(axes.rows() == origin.size() && axes.cols() == box.dimension() && box.dimension() > 0,
                 ErrorCode::kInvalidArgument, "slice: axes are {} × {}; expected {} × {} (inputs × parameters)",
                 axes.rows(), axes.cols(), origin.size(), box.dimension());
  UNRECT_REQUIRE(origin.allFinite() && axes.allFinite(), ErrorCode::kInvalidArgument, "slice: a number is not finite");
  UNRECT_REQUIRE((box.lower.array() < box.upper.array()).all(), ErrorCode::kInvalidArgument,
                 "slice: a parameter's interval has no width");
  UNRECT_REQUIRE(Eigen::ColPivHouseholderQR<Eigen::MatrixXd>(axes).rank() == axes.cols(), ErrorCode::kInvalidArgument,
                 "slice: the {} axes are linearly dependent", axes.cols());
}

void Domain::constrain(const Halfspaces& inputs) {
  UNRECT_REQUIRE(inputs.dimension() == input_size(), ErrorCode::kInvalidArgument,
                 "domain: constraints on {} inputs; the domain has {}", inputs.dimension(), input_size());
  AffineHull hull(*this);
  hull.add(inputs);
  hull.write(*this);
}

Domain plane_through(const VectorRef& a, const VectorRef& b, const VectorRef& c, double margin) {
  UNRECT_REQUIRE(a.size() == b.size() && a.size() == c.size(), ErrorCode::kInvalidArgument,
                 "plane: three points of {}, {} and {} values; expected the same", a.size(), b.size(), c.size());
  Matrix axes(a.size(), 2);
  const double length = (b - a).norm();
  axes.col(0) = (b - a) / length;
  const double along = axes.col(0).dot(c - a);
  const Vector rest = c - a - along * axes.col(0);
  const double height = rest.norm();
  UNRECT_REQUIRE(length > 0 && height > 1e-9 * (c - a).norm(), ErrorCode::kInvalidArgument,
                 "plane: the three points lie on a line");
  axes.col(1) = rest / height;
  const double room = margin * std::max({length, along, height});
  return {a, std::move(axes),
          Box(Eigen::Vector2d(std::min(0.0, along) - room, -room),
              Eigen::Vector2d(std::max(length, along) + room, height + room))};
}

}  // namespace unrect
