#include "unrect/polytope/dense_lp.hpp"

#include <fmt/format.h>
#include <gmpxx.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/internal/lp_for_tests.hpp"

#if defined(__clang__)
#define UNRECT_HAS_SANITIZER (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNRECT_HAS_SANITIZER 1
#else
#define UNRECT_HAS_SANITIZER 0
#endif
#endif

namespace {
thread_local long allocations = 0;
}

// Counts every malloc (operator new and Eigen end there too). A sanitizer has its own malloc, and a hook for it.
#if UNRECT_HAS_SANITIZER
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));
namespace {
const int kHooks = __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t) { ++allocations; },
                                                             [](const volatile void*) {});
}  // namespace
#else
extern "C" void* __libc_malloc(std::size_t size);  // glibc's own name for it. NOLINT(bugprone-reserved-identifier)
extern "C" void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
#endif

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(DenseLp, WithoutRowsStopsAtTheCorner) {
  DenseLp lp(Box(Vector{{-1, -2, -3}}, Vector{{4, 5, 6}}));
  const LpResult& result = lp.minimize(Vector{{1, -1, 0}});
  EXPECT_EQ(result.status, LpStatus::kOptimal);
  EXPECT_EQ(result.objective, -6);
  EXPECT_EQ(lp.maximize(Vector{{1, -1, 0}}).objective, 6);
}

TEST(DenseLp, DualsAndSafeBoundOfATextbookProblem) {
  // max 3x + 5y, x ≤ 4, 2y ≤ 12, 3x + 2y ≤ 18 (Dantzig): 36 at (2, 6), duals 0, 3/2, 1.
  DenseLp lp(Halfspaces(Matrix{{1, 0}, {0, 2}, {3, 2}}, Vector{{4, 12, 18}}), Box(Vector::Zero(2), Vector{{50, 50}}));
  const LpResult& result = lp.maximize(Vector{{3, 5}});
  EXPECT_EQ(result.status, LpStatus::kOptimal);
  EXPECT_NEAR(result.objective, 36, 1e-12);
  EXPECT_TRUE(result.x.isApprox(Vector{{2, 6}}, 1e-12));
  EXPECT_TRUE(result.row_duals.isApprox(Vector{{0, 1.5, 1}}, 1e-12));
  EXPECT_GE(result.safe_bound, 36);
  EXPECT_NEAR(result.safe_bound, 36, 1e-9);
}

TEST(DenseLp, InfeasibleRowsGiveAFarkasRay) {
  const Halfspaces rows(Matrix{{1, 1}, {-1, 0}, {0, -1}}, Vector{{-1, 0, 0}});
  DenseLp lp(rows, box_of(2, 10));
  expect_farkas(rows, lp.box(), lp.minimize(Vector{{1, 2}}));
  EXPECT_EQ(lp.minimize(Vector{{1, 2}}).safe_bound, kInfinity);
  EXPECT_EQ(lp.maximize(Vector{{1, 2}}).safe_bound, -kInfinity);
  const Halfspaces zero(Matrix{{0, 0}}, Vector{{-1}});
  expect_farkas(zero, box_of(2, 1), DenseLp(zero, box_of(2, 1)).minimize(Vector{{0, 0}}));
  const Halfspaces outside(Matrix{{1, 1}}, Vector{{-3}});  // the box does the rest
  expect_farkas(outside, box_of(2, 1), DenseLp(outside, box_of(2, 1)).minimize(Vector{{0, 1}}));
}

TEST(DenseLp, BealesExampleDoesNotCycle) {
  const Halfspaces rows(Matrix{{0.25, -8, -1, 9}, {0.5, -12, -0.5, 3}, {0, 0, 1, 0}}, Vector{{0, 0, 1}});
  DenseLp lp(rows, Box(Vector::Zero(4), Vector::Constant(4, 100)));
  const LpResult& result = lp.minimize(Vector{{-0.75, 20, -0.5, 6}});
  EXPECT_EQ(result.status, LpStatus::kOptimal);
  EXPECT_NEAR(result.objective, -1.25, 1e-12);
}

TEST(DenseLp, KleeMintyCube) {
  for (Index n = 2; n <= 6; ++n) {
    Matrix normals = Matrix::Identity(n, n);
    Vector offsets(n);
    Vector cost(n);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < i; ++j) normals(i, j) = 2 * std::pow(10.0, i - j);
      offsets[i] = std::pow(100.0, i);
      cost[i] = std::pow(10.0, n - 1 - i);
    }
    DenseLp lp(Halfspaces(normals, offsets), Box(Vector::Zero(n), Vector::Constant(n, 2 * std::pow(100.0, n - 1))));
    const LpResult& result = lp.maximize(cost);
    EXPECT_EQ(result.status, LpStatus::kOptimal);
    EXPECT_NEAR(result.objective / std::pow(100.0, n - 1), 1, 1e-12);
  }
}

class DenseLpRows : public testing::TestWithParam<Index> {};

TEST_P(DenseLpRows, ComeAndGo) {
  Rng rng(5);
  const Index n = GetParam();
  DenseLp lp(box_of(n, 3));
  const Vector cost = rng.normal_vector(n);
  Halfspaces rows(Matrix(0, n), Vector(0));
  for (int k = 0; k < 40; ++k) {
    const Halfspaces row(rng.normal_matrix(1, n), rng.uniform_vector(1, 0.2, 2));
    EXPECT_EQ(lp.append_row(row.normals.row(0).transpose(), row.offsets[0]), k);
    rows = intersect(rows, row);
    const double warm = lp.minimize(cost, DenseLp::Start::kLastBasis).objective;
    EXPECT_NEAR(warm, DenseLp(rows, box_of(n, 3)).minimize(cost).objective, 1e-9);
  }
  for (Index i = 0; i < 40; ++i) {
    Halfspaces less = rows;
    less.normals.row(i).setZero();
    less.offsets[i] = 1;
    const double without = DenseLp(less, box_of(n, 3)).minimize(cost).objective;
    lp.enable_row(i, false);
    EXPECT_NEAR(lp.minimize(cost, DenseLp::Start::kLastBasis).objective, without, 1e-9);
    EXPECT_EQ(lp.minimize(cost).row_duals[i], 0);
    lp.enable_row(i, true);
    Halfspaces moved = rows;
    moved.offsets[i] += 0.25;
    lp.set_offset(i, moved.offsets[i]);
    EXPECT_NEAR(lp.minimize(cost, DenseLp::Start::kLastBasis).objective,
                DenseLp(moved, box_of(n, 3)).minimize(cost).objective, 1e-9);
    lp.set_offset(i, rows.offsets[i]);
    Box wider = box_of(n, 3);
    wider.upper[i % n] = 4;
    lp.set_box(wider);
    EXPECT_NEAR(lp.minimize(cost, DenseLp::Start::kLastBasis).objective, DenseLp(rows, wider).minimize(cost).objective,
                1e-9);
    lp.set_box(box_of(n, 3));
  }
  for (int k = 0; k < 40; ++k) lp.pop_row();
  EXPECT_EQ(lp.minimize(cost).objective, DenseLp(box_of(n, 3)).minimize(cost).objective);
}

INSTANTIATE_TEST_SUITE_P(Dimensions, DenseLpRows, testing::Values(6, 12, 20));

TEST(DenseLp, CutoffStopsEarlyWithAProof) {
  Rng rng(9);
  int stopped = 0;
  for (int c = 0; c < 200; ++c) {
    DenseLp lp(Halfspaces(rng.normal_matrix(60, 5), rng.uniform_vector(60, 0.3, 1)), box_of(5, 10));
    const Vector cost = rng.normal_vector(5);
    const double optimum = lp.maximize(cost).objective;
    const LpResult far = lp.maximize(cost, DenseLp::Start::kCorner, optimum + 0.1);
    stopped += far.status == LpStatus::kCutoff;
    EXPECT_LT(far.safe_bound, optimum + 0.1);
    EXPECT_GE(far.safe_bound, optimum);
    const LpResult near = lp.maximize(cost, DenseLp::Start::kCorner, optimum - 0.1);
    EXPECT_EQ(near.status, LpStatus::kOptimal);
    EXPECT_EQ(near.objective, optimum);
  }
  EXPECT_GT(stopped, 20);
}

TEST(DenseLp, SolvesWithoutAllocating) {
  for (const Index n : {5, 12}) {
    Rng rng(3);
    DenseLp lp(Halfspaces(rng.normal_matrix(80, n), rng.uniform_vector(80, 0.3, 1)), box_of(n, 10));
    const Matrix costs = rng.normal_matrix(50, n);
    const auto solve_all = [&] {
      for (Index k = 0; k < costs.rows(); ++k) {
        lp.minimize(costs.row(k).transpose());
        lp.maximize(costs.row(k).transpose(), DenseLp::Start::kLastBasis);
        lp.set_offset(k, 0.5);
        lp.enable_row(k, false);
        lp.minimize(costs.row(k).transpose(), DenseLp::Start::kLastBasis);
        lp.enable_row(k, true);
      }
    };
    solve_all();
    const long before = allocations;
    solve_all();
    EXPECT_EQ(allocations, before);
    EXPECT_GT(before, 0) << "the counter itself is broken";
  }
}

TEST(DenseLp, RefusesWhatDoesNotFit) {
  EXPECT_THROW(DenseLp(Box(Vector(0), Vector(0))), Error);
  EXPECT_THROW(Box(Vector{{1}}, Vector{{0}}), Error);
  EXPECT_THROW(Box(Vector{{0}}, Vector{{kInfinity}}), Error);
  EXPECT_THROW(Halfspaces(Matrix{{1, 0}}, Vector{{1, 2}}), Error);
  DenseLp lp(box_of(2, 1));
  EXPECT_THROW(lp.minimize(Vector{{1, 2, 3}}), Error);
  EXPECT_THROW(lp.minimize(Vector{{1, kInfinity}}), Error);
  EXPECT_THROW(lp.set_rows(Matrix{{1, 2, 3}}, Vector{{1}}), Error);
  EXPECT_THROW(lp.append_row(Vector{{1}}, 1), Error);
  EXPECT_THROW(lp.enable_row(0, false), Error);
  EXPECT_THROW(lp.pop_row(), Error);
}

// Without rows the optimum is Σ min(c_j lo_j, c_j hi_j): rational here, and half of the sums in double are above it.
TEST(DenseLp, SafeBoundCoversItsOwnRounding) {
  Rng rng(31);
  int above = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const Index n = 1 + trial % 12;
    const Vector low = rng.normal_vector(n), cost = rng.normal_vector(n);
    const Box box(low, low + rng.uniform_vector(n, 0, 1));
    mpq_class optimum = 0;
    double sum = 0;
    for (Index j = 0; j < n; ++j) {
      const double corner = cost[j] > 0 ? box.lower[j] : box.upper[j];
      optimum += mpq_class(cost[j]) * mpq_class(corner);
      sum += cost[j] * corner;
    }
    above += mpq_class(sum) > optimum;
    const double bound = DenseLp(box).minimize(cost).safe_bound;
    EXPECT_LE(mpq_class(bound), optimum);
    EXPECT_NEAR(bound, sum, 1e-12);
    EXPECT_GE(mpq_class(DenseLp(box).maximize(-cost).safe_bound), -optimum);
  }
  EXPECT_GT(above, 50);
}

// Where a solution stops tells which way it came.
TEST(DenseLp, RowsThatAreUnitVectorsButForRoundingTakeOneWay) {
  constexpr Index kDimension = 12, kRows = 60;
  int stopped = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    Halfspaces rows(rng.normal_matrix(kRows, kDimension), Vector::Ones(kRows));
    rows.normals.rowwise().normalize();
    const Vector cost = rng.normal_vector(kDimension);
    const auto way = [&](double length) {
      DenseLp lp({length * rows.normals, rows.offsets}, box_of(kDimension, 1e5));
      const double optimum = lp.maximize(cost).objective;
      stopped += lp.maximize(cost, DenseLp::Start::kCorner, 30 * optimum).status == LpStatus::kCutoff;
      return lp.basis();
    };
    EXPECT_EQ(way(1 - 1e-14), way(1 + 1e-14)) << "seed " << seed;
  }
  EXPECT_EQ(stopped, 40);
}

// Rows that no point of the box satisfies: the sum over them is far larger than anything in the box, and so is its
// rounding. The bound that the multipliers prove, −Σ y_i h_i + Σ min over the box of (c + Gᵀy)_j x_j, in rationals.
TEST(DenseLp, SafeBoundCoversTheRoundingOfRowsBeyondTheBox) {
  int stopped = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const Index n = 2 + static_cast<Index>(seed % 6);
    const Halfspaces rows(rng.normal_matrix(3 * n, n), -rng.uniform_vector(3 * n, 1e6, 2e6));
    const Vector cost = rng.normal_vector(n);
    const Box box = box_of(n, 1);
    DenseLp lp(rows, box);
    const LpResult& result = lp.minimize(cost, DenseLp::Start::kCorner, 1e3);
    if (result.status != LpStatus::kCutoff) continue;
    ++stopped;
    mpq_class proved = 0;
    for (Index i = 0; i < rows.size(); ++i) proved -= mpq_class(result.row_duals[i]) * rows.offsets[i];
    for (Index j = 0; j < n; ++j) {
      mpq_class left = cost[j];
      for (Index i = 0; i < rows.size(); ++i) left += mpq_class(result.row_duals[i]) * rows.normals(i, j);
      proved -= abs(left);
    }
    EXPECT_LE(mpq_class(result.safe_bound), proved) << "seed " << seed;
  }
  EXPECT_GT(stopped, 50);
}

// Programs with a feasible point whose rows are in few directions but for 10⁻⁴ to 10⁻⁷: after some pivots the inverse
// of the basis is often wrong enough to show no pivot where there is one. None is proved infeasible, and a verdict
// without a proof is one of a basis that was inverted anew, which is rare.
TEST(DenseLp, FeasibleProgramsAreHardlyEverCalledInfeasible) {
  constexpr int kPrograms = 3000;
  int unproved = 0;
  for (std::uint64_t seed = 0; seed < kPrograms; ++seed) {
    Rng rng(seed);
    const Index n = 2 + rng.below(7);
    const Index m = n * (2 + rng.below(6));
    const double apart = std::pow(10.0, -rng.uniform(4, 7));
    const Matrix directions = rng.normal_matrix(1 + rng.below(3), n);
    const Vector point = rng.uniform_vector(n, -1, 1);
    const double slack = std::pow(10.0, -rng.uniform(6, 13));
    Matrix normals(m, n);
    for (Index i = 0; i < m; ++i) {
      const double side = rng.below(2) == 0 ? 1 : -1;
      normals.row(i) = side * directions.row(rng.below(directions.rows())) + apart * rng.normal_vector(n).transpose();
    }
    DenseLp lp(Halfspaces(normals, (normals * point).array() + slack), box_of(n, 1e3));
    const LpResult& result = lp.minimize(rng.normal_vector(n));
    if (result.status != LpStatus::kInfeasible) continue;
    EXPECT_EQ(result.safe_bound, -kInfinity) << "seed " << seed;
    ++unproved;
  }
  EXPECT_LT(unproved, kPrograms / 100);
}

}  // namespace
}  // namespace unrect
