#include "unrect/polytope/halfspaces.hpp"

#include <fmt/format.h>

#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {

Box::Box(Vector lower_corner, Vector upper_corner) : lower(std::move(lower_corner)), upper(std::move(upper_corner)) {
  UNRECT_REQUIRE(lower.size() == upper.size(), ErrorCode::kInvalidArgument,
                 "box: lower has {} entries, upper has {}; expected as many", lower.size(), upper.size());
  for (Index j = 0; j < lower.size(); ++j) {
    UNRECT_REQUIRE(std::isfinite(lower[j]) && std::isfinite(upper[j]) && lower[j] <= upper[j],
                   ErrorCode::kInvalidArgument, "box: side {} is [{}, {}]; expected finite numbers in order", j,
                   lower[j], upper[j]);
  }
}

bool Box::contains(const VectorRef& x, double tolerance) const {
  return (x.array() >= lower.array() - tolerance).all() && (x.array() <= upper.array() + tolerance).all();
}

Halfspaces::Halfspaces(Matrix rows, Vector bounds) : normals(std::move(rows)), offsets(std::move(bounds)) {
  UNRECT_REQUIRE(normals.rows() == offsets.size(), ErrorCode::kInvalidArgument,
                 "halfspaces: {} normals but {} offsets; expected as many", normals.rows(), offsets.size());
  UNRECT_REQUIRE(normals.allFinite() && offsets.allFinite(), ErrorCode::kInvalidArgument,
                 "halfspaces: an entry is infinite or not a number; expected finite rows");
}

Halfspaces::Halfspaces(const Box& box) : normals(2 * box.dimension(), box.dimension()), offsets(2 * box.dimension()) {
  const Index n = box.dimension();
  normals.topRows(n) = Matrix::Identity(n, n);
  normals.bottomRows(n) = -Matrix::Identity(n, n);
  offsets << box.upper, -box.lower;
}

Vector Halfspaces::slacks(const VectorRef& x) const { return offsets - normals * x; }

bool Halfspaces::contains(const VectorRef& x, double tolerance) const {
  const Vector slack = slacks(x);
  return (slack.array() >= -tolerance * normals.rowwise().norm().array()).all();
}

Halfspaces intersect(const Halfspaces& first, const Halfspaces& second) {
  UNRECT_REQUIRE(first.dimension() == second.dimension(), ErrorCode::kInvalidArgument,
                 "intersect: dimensions {} and {}; expected the same", first.dimension(), second.dimension());
  Matrix normals(first.size() + second.size(), first.dimension());
  normals << first.normals, second.normals;
  Vector offsets(normals.rows());
  offsets << first.offsets, second.offsets;
  return {std::move(normals), std::move(offsets)};
}

}  // namespace unrect
