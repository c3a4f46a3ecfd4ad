#include "unrect/polytope/chebyshev.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/exact.hpp"

namespace unrect {
namespace {

// Reduced costs are differences of multipliers that sum to about 1.
constexpr double kZeroCost = 1e-11;
constexpr double kGrowth = 1e3;

// max r subject to a_i·x + ‖a_i‖ r ≤ b_i and the box.
class BallLp {
 public:
  BallLp(const Halfspaces& rows, Vector norms) : rows_(rows), norms_(std::move(norms)) {
    normals_.resize(rows.size(), rows.dimension() + 1);
    normals_ << rows.normals, norms_;
  }

  const LpResult& solve(const Box& box) {
    const Index n = rows_.dimension();
    const double extent = std::max(box.lower.cwiseAbs().maxCoeff(), box.upper.cwiseAbs().maxCoeff());
    double deepest = 0;  // how far a point of the box can be beyond a row
    for (Index i = 0; i < rows_.size(); ++i) {
      if (norms_[i] > 0) deepest = std::max(deepest, -rows_.offsets[i] / norms_[i]);
    }
    Vector lower(n + 1);
    Vector upper(n + 1);
    lower << box.lower, -2 * (deepest + extent * std::sqrt(static_cast<double>(n)));
    upper << box.upper, 0.5 * (box.upper - box.lower).maxCoeff();
    lp_.emplace_back(Halfspaces(normals_, rows_.offsets), Box(std::move(lower), std::move(upper)));
    if (lp_.size() > 1) lp_.erase(lp_.begin());
    return lp_.front().maximize(Vector::Unit(n + 1, n));
  }

  // Whether the optimum would be the same in any larger box.
  bool free_of_box(const LpResult& result) const { return result.reduced_costs.cwiseAbs().maxCoeff() <= kZeroCost; }

  std::vector<Index> basic_rows() const {
    std::vector<Index> rows;
    for (const Index constraint : lp_.front().basis()) {
      if (constraint >= 0) rows.push_back(constraint);
    }
    return rows;
  }

  // The ball around x: its radius, and whether it is positive whatever the rounding.
  double radius_at(const VectorRef& x, bool* certain) const {
    const Vector slack = rows_.slacks(x);
    double radius = std::numeric_limits<double>::infinity();
    *certain = true;
    for (Index i = 0; i < rows_.size(); ++i) {
      if (norms_[i] == 0) continue;
      const double size = std::abs(rows_.offsets[i]) + rows_.normals.row(i).cwiseAbs().dot(x.cwiseAbs());
      const double error = static_cast<double>(rows_.dimension() + 4) * std::numeric_limits<double>::epsilon() * size;
      *certain = *certain && slack[i] > error;
      radius = std::min(radius, slack[i] / norms_[i]);
    }
    return radius;
  }

  const Matrix& normals() const { return normals_; }

 private:
  const Halfspaces& rows_;
  Vector norms_;
  Matrix normals_;           // (a_i, ‖a_i‖)
  std::vector<DenseLp> lp_;  // the last one, if any
};

// {(u, τ): a_i·u − b_i τ ≤ 0, −τ ≤ 0}: the cone over the cell.
Matrix cone_over(const Halfspaces& rows) {
  const Index n = rows.dimension();
  Matrix cone = Matrix::Zero(rows.size() + 1, n + 1);
  cone.topLeftCorner(rows.size(), n) = rows.normals;
  cone.col(n).head(rows.size()) = -rows.offsets;
  cone(rows.size(), n) = -1;
  return cone;
}

// Empty, flat or solid, in rationals.
Ball settle(const Halfspaces& rows, const VectorRef& norms, const std::vector<Index>& start) {
  const Index n = rows.dimension();
  const Index m = rows.size();
  // Solid iff some (u, τ, t) has a_i·u − b_i τ + ‖a_i‖ t ≤ 0, t ≤ τ and t > 0.
  const Matrix cone = cone_over(rows);
  Matrix inner(m + 1, n + 2);
  inner << cone, (Vector(m + 1) << norms, 1).finished();
  const FarkasAlternative solid = farkas_alternative(inner, Vector::Unit(n + 2, n + 1), start);
  Ball ball;
  if (!solid.in_cone) {
    ball.status = BallStatus::kBall;
    ball.center = solid.direction.head(n) / solid.direction[n];
    ball.radius = solid.direction[n + 1] / solid.direction[n];
    return ball;
  }
  const FarkasAlternative point = farkas_alternative(cone, Vector::Unit(n + 1, n), start);
  ball.status = point.in_cone ? BallStatus::kEmpty : BallStatus::kFlat;
  if (point.in_cone) {
    ball.center = Vector::Zero(n);
    ball.farkas = point.multipliers.head(m);
  } else {
    ball.center = point.direction.head(n) / point.direction[n];
  }
  return ball;
}

// Reads an optimum that does not depend on the box.
Ball conclude(const Halfspaces& rows, const VectorRef& norms, const BallLp& lp, const LpResult& result,
              bool box_is_real) {
  const Index n = rows.dimension();
  Ball ball;
  bool certain = false;
  ball.center = result.x.head(n);
  ball.radius = lp.radius_at(ball.center, &certain);
  ball.status = BallStatus::kBall;
  if (certain) return ball;
  if (result.status == LpStatus::kOptimal && result.objective < 0) {
    ball.status = BallStatus::kEmpty;
    ball.radius = 0;
    ball.farkas = result.row_duals;
    if (box_is_real && result.safe_bound < 0) {
      // What the rows leave over is held by the sides of the box, which are rows too (the last 2n).
      ball.farkas.segment(rows.size() - 2 * n, n) += (-result.reduced_costs.head(n)).cwiseMax(0);
      ball.farkas.tail(n) += result.reduced_costs.head(n).cwiseMax(0);
      return ball;
    }
    if (!box_is_real && verify_farkas(rows, ball.farkas)) return ball;
  }
  Ball exact = settle(rows, norms, lp.basic_rows());
  if (exact.status == BallStatus::kBall && ball.radius > exact.radius) return ball;
  return exact;
}

// Whether there are balls of every size: a direction u with a_i·u < 0 for all rows that are not zero.
bool recession_cone_is_solid(const BallLp& lp, Index n) {
  Vector lower = Vector::Constant(n + 1, -1);
  lower[n] = 0;
  DenseLp cone(Halfspaces(lp.normals(), Vector::Zero(lp.normals().rows())), Box(lower, Vector::Ones(n + 1)));
  const LpResult& result = cone.maximize(Vector::Unit(n + 1, n));
  if (result.objective > 1e-6) return true;
  return !farkas_alternative(lp.normals(), Vector::Unit(n + 1, n)).in_cone;
}

Ball find_ball(const Halfspaces& rows, const Box* box) {
  const Index n = rows.dimension();
  UNRECT_REQUIRE(n > 0, ErrorCode::kInvalidArgument, "chebyshev ball: dimension 0; expected at least 1");
  const Vector norms = rows.normals.rowwise().norm();
  std::vector<double> distances;
  for (Index i = 0; i < rows.size(); ++i) {
    if (norms[i] > 0) {
      distances.push_back(std::abs(rows.offsets[i]) / norms[i]);
    } else if (rows.offsets[i] < 0) {
      return {BallStatus::kEmpty, Vector::Zero(n), 0, Vector::Unit(rows.size(), i)};
    }
  }
  BallLp lp(rows, norms);
  if (box != nullptr) return conclude(rows, norms, lp, lp.solve(*box), true);

  if (distances.empty()) return {BallStatus::kUnbounded, Vector::Zero(n), 1, {}};
  std::sort(distances.begin(), distances.end());
  const double farthest = distances.back() > 0 ? distances.back() : 1;
  const double middle = distances[distances.size() / 2];
  std::optional<bool> unbounded;
  // From a box about as large as the cell may be expected, so that the center is not farther off than it must.
  for (double reach = 4 * (middle > 0 ? middle : farthest);; reach *= kGrowth) {
    const LpResult& result = lp.solve(Box(Vector::Constant(n, -reach), Vector::Constant(n, reach)));
    if (lp.free_of_box(result)) return conclude(rows, norms, lp, result, false);
    if (!unbounded) unbounded = recession_cone_is_solid(lp, n);
    if ((*unbounded && result.objective > 0) || reach > 1e6 * farthest) {
      Ball ball = conclude(rows, norms, lp, result, false);
      if (*unbounded) ball.status = BallStatus::kUnbounded;
      return ball;
    }
  }
}

}  // namespace

std::string_view to_string(BallStatus status) {
  switch (status) {
    case BallStatus::kBall:
      return "ball";
    case BallStatus::kUnbounded:
      return "unbounded";
    case BallStatus::kFlat:
      return "flat";
    case BallStatus::kEmpty:
      return "empty";
  }
  return "?";
}

Ball chebyshev_ball(const Halfspaces& cell) { return find_ball(cell, nullptr); }

Ball chebyshev_ball(const Halfspaces& cell, const Box& box) {
  return find_ball(intersect(cell, Halfspaces(box)), &box);
}

bool verify_farkas(const Halfspaces& rows, const VectorRef& multipliers) {
  UNRECT_REQUIRE(multipliers.size() == rows.size() && (multipliers.array() >= 0).all(), ErrorCode::kInvalidArgument,
                 "verify farkas: {} multipliers for {} rows; expected one ≥ 0 for each", multipliers.size(),
                 rows.size());
  // Any ray on the support will do: yᵀ A = 0 and −yᵀ b = 1 + (something ≥ 0).
  std::vector<Index> support;
  for (Index i = 0; i < rows.size(); ++i) {
    if (multipliers[i] > 0) support.push_back(i);
  }
  std::stable_sort(support.begin(), support.end(), [&](Index i, Index j) { return multipliers[i] > multipliers[j]; });
  Halfspaces few;
  few.normals = rows.normals(support, Eigen::all);
  few.offsets = rows.offsets(support);
  std::vector<Index> start(support.size());
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = static_cast<Index>(i);
  return farkas_alternative(cone_over(few), Vector::Unit(rows.dimension() + 1, rows.dimension()), start).in_cone;
}

}  // namespace unrect
