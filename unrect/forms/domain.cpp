#include "unrect/forms/domain.hpp"

#include <fmt/format.h>
#include <Eigen/Dense>

#include <algorithm>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {

Domain::Domain(const Box& inputs) : origin(Vector::Zero(inputs.dimension())) {
  std::vector<Index> free;
  for (Index j = 0; j < inputs.dimension(); ++j) {
    if (inputs.lower[j] < inputs.upper[j]) {
      free.push_back(j);
    } else {
      origin[j] = inputs.lower[j];
    }
  }
  UNRECT_REQUIRE(!free.empty(), ErrorCode::kInvalidArgument,
                 "domain: all {} inputs have zero width; expected an interval for one of them at least",
                 inputs.dimension());
  const auto k = static_cast<Index>(free.size());
  axes = Matrix::Zero(inputs.dimension(), k);
  Vector lower(k);
  Vector upper(k);
  for (Index d = 0; d < k; ++d) {
    axes(free[static_cast<std::size_t>(d)], d) = 1;
    lower[d] = inputs.lower[free[static_cast<std::size_t>(d)]];
    upper[d] = inputs.upper[free[static_cast<std::size_t>(d)]];
  }
  box = Box(std::move(lower), std::move(upper));
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
  const Halfspaces rows(inputs.normals * axes, inputs.offsets - inputs.normals * origin);
  constraints = constraints.size() == 0 ? rows : intersect(constraints, rows);
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
