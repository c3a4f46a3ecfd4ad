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
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {
namespace {

// A reduced cost below this is taken for 0: reduced costs are differences of multipliers that sum to about 1.
constexpr double kZeroCost = 1e-11;
constexpr double kGrowth = 1e3;
// Boxes that stand in for none end at this multiple of the farthest row's distance, and no distance counts as farther
// than kFarthest: squares of it stay finite.
constexpr double kLast = 1e6;
constexpr double kFarthest = 1e100;

// max r subject to a_i·x + ‖a_i‖ r ≤ b_i and the box; over scaled rows.
class BallLp {
 public:
  explicit BallLp(const Halfspaces& rows) : rows_(rows), norms_(row_norms(rows.normals)) {
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

  const Halfspaces& rows() const { return rows_; }
  const Matrix& normals() const { return normals_; }
  const Vector& norms() const { return norms_; }

 private:
  const Halfspaces& rows_;  // scaled
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

// Settles what rounding leaves open, in the rows as they were given.
class Judge {
 public:
  Judge(const Halfspaces& rows, std::int64_t effort) : rows_(rows), effort_(effort) {}

  // Empty, flat or solid.
  Ball settle(const BallLp& lp) const {
    const Index n = rows_.dimension();
    const std::vector<Index> start = lp.basic_rows();
    // Solid iff some (u, τ, t) has a_i·u − b_i τ + w_i t ≤ 0 for rows that are not zero, t ≤ τ and t > 0.
    std::vector<WholeRow> inner = whole_rows();
    for (Index i = 0; i <= rows_.size(); ++i) {
      WholeRow& row = inner[static_cast<std::size_t>(i)];
      row.push_back(i < rows_.size() ? weight(row, lp.norms()[i]) : mpz_class(1));
    }
    WholeRow target(static_cast<std::size_t>(n) + 2);
    target.back() = 1;
    const FarkasAlternative solid = farkas_alternative(inner, target, start, effort_);
    Ball ball;
    ball.center = Vector::Zero(n);
    if (!solid.decided) {
      ball.status = BallStatus::kFlat;
      ball.settled = false;
      return ball;
    }
    if (!solid.in_cone) {
      ball.status = BallStatus::kBall;
      ball.center = solid.direction.head(n) / solid.direction[n];
      ball.radius = solid.direction[n + 1] / solid.direction[n];
      return ball;
    }
    for (WholeRow& row : inner) row.pop_back();
    target.pop_back();
    target.back() = 1;
    const FarkasAlternative point = farkas_alternative(inner, target, start, effort_);
    ball.settled = point.decided;
    ball.status = point.decided && point.in_cone ? BallStatus::kEmpty : BallStatus::kFlat;
    ball.farkas = in_given_rows(point.decided && point.in_cone ? point.multipliers : solid.multipliers);
    if (point.decided && !point.in_cone) ball.center = point.direction.head(n) / point.direction[n];
    return ball;
  }

  // Whether no direction u has a_i·u < 0 for all rows that are not zero; nothing where the effort is not enough.
  std::optional<bool> no_solid_recession(const BallLp& lp, const std::vector<Index>& start) const {
    std::vector<WholeRow> rows = whole_rows();
    rows.pop_back();
    for (Index i = 0; i < rows_.size(); ++i) {
      WholeRow& row = rows[static_cast<std::size_t>(i)];
      row.back() = 0;
      row.back() = weight(row, lp.norms()[i]);
    }
    WholeRow target(static_cast<std::size_t>(rows_.dimension()) + 1);
    target.back() = 1;
    const FarkasAlternative answer = farkas_alternative(rows, target, start, effort_);
    return answer.decided ? std::optional(answer.in_cone) : std::nullopt;
  }

 private:
  // (a_i, −b_i), and (0, −1) at the end.
  std::vector<WholeRow> whole_rows() const {
    const Matrix cone = cone_over(rows_);
    std::vector<WholeRow> whole;
    exponents_.clear();
    for (Index i = 0; i < cone.rows(); ++i) {
      WholeMultiple row = whole_multiple(cone.row(i).transpose());
      whole.push_back(std::move(row.row));
      exponents_.push_back(row.exponent);
    }
    return whole;
  }

  // Any number > 0 for a row (a, …) that is not zero; here near the length of its a, so that balls come out round.
  mpz_class weight(const WholeRow& row, double scaled_norm) const {
    if (scaled_norm == 0) return 0;
    mpz_class largest;
    for (Index j = 0; j < rows_.dimension(); ++j)
      largest = std::max(largest, mpz_class(abs(row[static_cast<std::size_t>(j)])));
    // The scaled row's largest entry is in [1, 2).
    const auto bits = static_cast<mp_bitcnt_t>(mpz_sizeinbase(largest.get_mpz_t(), 2) - 1);
    const mpz_class norm(std::ldexp(scaled_norm, 30));
    return std::max(mpz_class((norm << bits) >> 30), mpz_class(1));
  }

  // Multipliers of whole rows, and of one more at the end, as multipliers of the rows; the largest is 1.
  Vector in_given_rows(const Vector& multipliers) const {
    Vector out = multipliers.head(rows_.size());
    long top = std::numeric_limits<long>::min() / 2;  // of none, whose differences are numbers, too
    for (Index i = 0; i < out.size(); ++i) {
      if (out[i] > 0) top = std::max(top, std::ilogb(out[i]) + exponents_[static_cast<std::size_t>(i)]);
    }
    for (Index i = 0; i < out.size(); ++i) {
      out[i] = std::ldexp(out[i], static_cast<int>(std::max(exponents_[static_cast<std::size_t>(i)] - top, -3000L)));
    }
    return out;
  }

  const Halfspaces& rows_;
  std::int64_t effort_;
  mutable std::vector<long> exponents_;  // of the last whole_rows()
};

// Reads an optimum that does not depend on the box.
Ball conclude(const Halfspaces& given, const Judge& judge, const BallLp& lp, const LpResult& result, bool box_is_real) {
  const Halfspaces& rows = lp.rows();
  const Index n = rows.dimension();
  Ball ball;
  bool certain = false;
  ball.center = result.x.head(n);
  ball.radius = lp.radius_at(ball.center, &certain);
  ball.status = BallStatus::kBall;
  if (certain) return ball;
  if (result.status == LpStatus::kOptimal && result.objective < 0) {
    Ball empty{BallStatus::kEmpty, ball.center, 0, result.row_duals, true, {}};
    const bool proven = box_is_real && result.safe_bound < 0;
    if (proven) {
      // What the rows leave over is held by the sides of the box, which are rows too (the last 2n).
      empty.farkas.segment(rows.size() - 2 * n, n) += (-result.reduced_costs.head(n)).cwiseMax(0);
      empty.farkas.tail(n) += result.reduced_costs.head(n).cwiseMax(0);
    }
    for (Index i = 0; i < rows.size(); ++i) {  // of the rows as given
      int given_exponent = 0, exponent = 0;
      std::frexp(given.normals.row(i).cwiseAbs().maxCoeff(), &given_exponent);
      std::frexp(rows.normals.row(i).cwiseAbs().maxCoeff(), &exponent);
      if (empty.farkas[i] > 0) empty.farkas[i] = std::ldexp(empty.farkas[i], exponent - given_exponent);
    }
    if (proven || (!box_is_real && empty.farkas.allFinite() && verify_farkas(given, empty.farkas))) return empty;
  }
  Ball exact = judge.settle(lp);
  if (!exact.settled || (exact.status == BallStatus::kBall && ball.radius > exact.radius)) {
    ball.settled = exact.settled;
    ball.radius = std::max(ball.radius, 0.0);
    if (!exact.settled && ball.radius == 0) return exact;
    return ball;
  }
  return exact;
}

// max t ≤ 1 with a_i·u + ‖a_i‖ t ≤ 0, |u_j| ≤ 1: t > 0 means balls of every size.
class RecessionLp {
 public:
  explicit RecessionLp(const BallLp& lp) : lp_(lp) {
    const Index n = lp.rows().dimension();
    Vector lower = Vector::Constant(n + 1, -1);
    lower[n] = 0;
    cone_.emplace_back(Halfspaces(lp.normals(), Vector::Zero(lp.normals().rows())), Box(lower, Vector::Ones(n + 1)));
    direction_ = cone_.front().maximize(Vector::Unit(n + 1, n)).x.head(n);
  }

  // Whether the direction shows, beyond all rounding, that there are balls of every size.
  bool clearly_solid() const {
    constexpr double kClear = 1e-6;
    return ((lp_.rows().normals * direction_).array() < -kClear * lp_.norms().array() || lp_.norms().array() == 0)
        .all();
  }

  const Vector& direction() const { return direction_; }

  std::vector<Index> basic_rows() const {
    std::vector<Index> rows;
    for (const Index constraint : cone_.front().basis()) {
      if (constraint >= 0) rows.push_back(constraint);
    }
    return rows;
  }

 private:
  const BallLp& lp_;
  std::vector<DenseLp> cone_;  // one
  Vector direction_;
};

Ball find_ball(const Halfspaces& given, const Box* box, std::int64_t effort) {
  const Index n = given.dimension();
  UNRECT_REQUIRE(n > 0, ErrorCode::kInvalidArgument, "chebyshev ball: dimension 0; expected at least 1");
  const Halfspaces rows = scaled_rows(given);
  BallLp lp(rows);
  const Vector& norms = lp.norms();
  std::vector<double> distances;
  for (Index i = 0; i < rows.size(); ++i) {
    if (norms[i] > 0) {
      distances.push_back(std::abs(rows.offsets[i]) / norms[i]);
    } else if (rows.offsets[i] < 0) {
      return {BallStatus::kEmpty, Vector::Zero(n), 0, Vector::Unit(rows.size(), i), true, {}};
    }
  }
  const Judge judge(given, effort);
  if (box != nullptr) return conclude(given, judge, lp, lp.solve(*box), true);

  if (distances.empty()) return {BallStatus::kUnbounded, Vector::Zero(n), 1, {}, true, {}};
  std::sort(distances.begin(), distances.end());
  const double farthest = std::min(distances.back() > 0 ? distances.back() : 1, kFarthest);
  const double middle = std::min(distances[distances.size() / 2], kFarthest);
  std::optional<RecessionLp> recession;
  // The box grows from about the cell's size, as its rows' distances suggest it: of an unbounded cell the center found
  // is then as near as the cell allows.
  for (double reach = 4 * (middle > 0 ? middle : farthest);; reach *= kGrowth) {
    const LpResult& result = lp.solve(Box(Vector::Constant(n, -reach), Vector::Constant(n, reach)));
    if (lp.free_of_box(result)) return conclude(given, judge, lp, result, false);
    if (!recession) recession.emplace(lp);
    const bool solid = recession->clearly_solid();
    // Where only rounding speaks for an end or against it, the box goes on growing: that costs less than a proof.
    const bool last = reach > kLast * farthest;
    if (!(solid && result.objective > 0) && !last) continue;
    Ball ball = conclude(given, judge, lp, result, false);
    if (solid) {
      ball.status = BallStatus::kUnbounded;
      ball.recession = recession->direction();
    } else if (ball.status == BallStatus::kBall) {
      const std::optional<bool> none = judge.no_solid_recession(lp, recession->basic_rows());
      ball.settled = ball.settled && none.has_value();
      if (none && !*none) ball.status = BallStatus::kUnbounded;
    }
    return ball;
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

Ball chebyshev_ball(const Halfspaces& cell, std::int64_t effort) { return find_ball(cell, nullptr, effort); }

Ball chebyshev_ball(const Halfspaces& cell, const Box& box, std::int64_t effort) {
  return find_ball(intersect(cell, Halfspaces(box)), &box, effort);
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
