// The sparse solver (Clp) by hand and against the dense one: each is the other's oracle.
#include "unrect/signal/internal/sparse_lp.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/internal/lp_for_tests.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

SparseRows sparse(const Halfspaces& rows, const Box& box) {
  SparseRows result;
  for (Index i = 0; i < rows.size(); ++i) {
    for (Index j = 0; j < rows.dimension(); ++j) {
      if (rows.normals(i, j) != 0) result.entries.push_back({i, j, rows.normals(i, j)});
    }
  }
  result.row_lower = Vector::Constant(rows.size(), -kInfinity);
  result.row_upper = rows.offsets;
  result.lower = box.lower;
  result.upper = box.upper;
  return result;
}

TEST(SparseLp, FreeVariablesRangesAndUnboundedness) {
  // x + y = 1, x − y in [−1, 3], both free.
  SparseRows rows;
  rows.entries = {{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, -1}};
  rows.row_lower = Vector{{1, -1}};
  rows.row_upper = Vector{{1, 3}};
  rows.lower = Vector::Constant(2, -kInfinity);
  rows.upper = Vector::Constant(2, kInfinity);
  SparseLp lp(rows);
  EXPECT_NEAR(lp.maximize(Vector{{1, 0}}).objective, 2, 1e-9);
  EXPECT_NEAR(lp.minimize(Vector{{1, 0}}).objective, 0, 1e-9);
  lp.set_row_bounds(1, -kInfinity, 3);
  EXPECT_EQ(lp.minimize(Vector{{1, 0}}).status, LpStatus::kUnbounded);
  lp.set_bounds(0, -5, 5);
  const LpResult bounded = lp.minimize(Vector{{1, 0}});
  EXPECT_NEAR(bounded.objective, -5, 1e-9);
  lp.set_bounds(1, -5, 5);
  const LpResult boxed = lp.minimize(Vector{{1, 0}});
  EXPECT_NEAR(boxed.objective, -4, 1e-9);
  EXPECT_LE(boxed.safe_bound, -4);
  EXPECT_NEAR(boxed.safe_bound, -4, 1e-9);
  lp.set_row_bounds(0, 11, 11);
  EXPECT_EQ(lp.minimize(Vector{{1, 0}}).status, LpStatus::kInfeasible);
  rows.entries.push_back({2, 0, 1});
  EXPECT_THROW(SparseLp{rows}, Error);
}

TEST(SparseLp, AgreesWithTheDenseSolverOnRandomProblems) {
  const Rng root(11);
  int infeasible = 0;
  for (int c = 0; c < 1500; ++c) {
    Rng rng = root.split(static_cast<std::uint64_t>(c));
    const Index n = 1 + rng.below(c % 10 == 0 ? 40 : 12);
    const Index m = rng.below(c % 10 == 0 ? 300 : 60);
    const bool integer = c % 3 == 0;
    Halfspaces rows(rng.normal_matrix(m, n), rng.uniform_vector(m, c % 2 == 0 ? 0.0 : -1.5, 4));
    Vector cost = rng.normal_vector(n);
    if (integer) {  // ties everywhere: equal ratios, zero costs, many rows through a vertex
      rows.normals = rows.normals.array().round();
      rows.offsets = rows.offsets.array().round();
      cost = cost.array().round();
    }
    const Box box(Vector::Constant(n, integer ? -2 : -5), Vector::Constant(n, integer ? 2 : 5));
    DenseLp lp(rows, box);
    const LpResult ours = lp.minimize(cost);
    const LpResult theirs = SparseLp(sparse(rows, box)).minimize(cost);
    SCOPED_TRACE(fmt::format("case {}: n = {}, m = {}", c, n, m));
    ASSERT_EQ(ours.status, theirs.status) << to_string(ours.status) << " " << to_string(theirs.status);
    if (ours.status == LpStatus::kInfeasible) {
      ++infeasible;
      expect_farkas(rows, box, ours);
      EXPECT_EQ(ours.safe_bound, kInfinity);
      EXPECT_EQ(theirs.safe_bound, kInfinity);
      continue;
    }
    const double size = 1 + std::abs(ours.objective);
    EXPECT_NEAR(ours.objective, theirs.objective, 1e-7 * size);
    EXPECT_LE(ours.safe_bound, theirs.objective + 1e-9 * size);
    EXPECT_GE(ours.safe_bound, ours.objective - 1e-8 * size);
    EXPECT_LE(theirs.safe_bound, ours.objective + 1e-9 * size);
    EXPECT_GE(theirs.safe_bound, theirs.objective - 1e-6 * size);
    EXPECT_TRUE(rows.contains(ours.x, 1e-8));
    EXPECT_TRUE(box.contains(ours.x, 1e-8));
    // Another objective from this vertex, and the same one from there: warm or cold, one optimum.
    lp.maximize(rng.normal_vector(n), DenseLp::Start::kLastBasis);
    EXPECT_NEAR(lp.minimize(cost, DenseLp::Start::kLastBasis).objective, ours.objective, 1e-7 * size);
    EXPECT_EQ(lp.minimize(cost).objective, ours.objective) << "a cold start must not remember";
  }
  EXPECT_GT(infeasible, 100);
}

}  // namespace
}  // namespace unrect
