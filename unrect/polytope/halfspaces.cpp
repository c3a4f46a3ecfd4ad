#include "unrect/polytope/halfspaces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// Norms in between have lost nothing of their squares.
constexpr double kSafeLow = 1e-130;
constexpr double kSafeHigh = 1e140;

}  // namespace

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
  return (slack.array() >= -tolerance * row_norms(normals).array()).all();
}

Vector row_norms(const MatrixRef& rows) {
  Vector norms(rows.rows());
  for (Index i = 0; i < rows.rows(); ++i) {
    norms[i] = rows.row(i).norm();
    if (norms[i] > kSafeLow && norms[i] < kSafeHigh) continue;
    const double largest = rows.cols() > 0 ? rows.row(i).cwiseAbs().maxCoeff() : 0;
    if (largest == 0 || !std::isfinite(largest)) continue;
    const int exponent = std::ilogb(largest);
    norms[i] = std::ldexp(rows.row(i).unaryExpr([&](double x) { return std::ldexp(x, -exponent); }).norm(), exponent);
  }
  return norms;
}

Halfspaces scaled_rows(Halfspaces set) {
  for (Index i = 0; i < set.size(); ++i) {
    const double largest = set.dimension() > 0 ? set.normals.row(i).cwiseAbs().maxCoeff() : 0;
    if (largest == 0) continue;
    const int exponent = -std::ilogb(largest);
    if (exponent == 0) continue;
    if (std::abs(exponent) <= 1000) {
      set.normals.row(i) *= std::ldexp(1.0, exponent);
    } else {
      for (Index j = 0; j < set.dimension(); ++j) set.normals(i, j) = std::ldexp(set.normals(i, j), exponent);
    }
    set.offsets[i] = std::clamp(std::ldexp(set.offsets[i], exponent), -std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::max());
  }
  return set;
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
