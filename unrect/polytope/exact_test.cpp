// Exact decisions: against each other, at their edges, under scaling, and out of effort.
#include "unrect/polytope/exact.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "unrect/base/rng.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/facets.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {
namespace {

std::vector<Index> first(Index n) {
  std::vector<Index> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

// Small whole numbers, many of them equal or zero: cells that touch, coincide and degenerate.
Halfspaces drawn_cell() {
  const auto n = static_cast<Index>(*rc::gen::inRange(1, 5));
  const auto m = static_cast<Index>(*rc::gen::inRange(1, 10));
  const auto entries =
      *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(m * (n + 1)), rc::gen::inRange(-2, 3));
  Halfspaces cell(Matrix(Matrix::Zero(m, n)), Vector(Vector::Zero(m)));
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) cell.normals(i, j) = entries[static_cast<std::size_t>(i * (n + 1) + j)];
    cell.offsets[i] = entries[static_cast<std::size_t>(i * (n + 1) + n)];
  }
  return cell;
}

// .1, .2, −.3 and their like: sums that are 0 in whole numbers and not in doubles.
Halfspaces cancelling(Halfspaces cell) {
  for (Index i = 0; i < cell.size(); ++i) {
    cell.normals.row(i) *= 0.1 * std::ldexp(1.0, static_cast<int>(i % 5) - 2);
    cell.offsets[i] *= 0.1 * std::ldexp(1.0, static_cast<int>(i % 5) - 2);
  }
  return cell;
}

RC_GTEST_PROP(Farkas, GivesOneOfTwoCertificatesWhateverTheStart, ()) {
  const Halfspaces cell = drawn_cell();
  const Vector target = -cell.offsets.head(std::min(cell.dimension(), cell.size()));
  if (!(target.size() == cell.dimension())) return;
  const FarkasAlternative cold = farkas_alternative(cell.normals, target);
  const FarkasAlternative warm = farkas_alternative(cell.normals, target, first(cell.size()));
  RC_ASSERT(cold.decided && warm.decided);
  RC_ASSERT(cold.in_cone == warm.in_cone);
  for (const FarkasAlternative& answer : {cold, warm}) {
    if (answer.in_cone) {
      RC_ASSERT((answer.multipliers.array() >= 0).all());
      RC_ASSERT((cell.normals.transpose() * answer.multipliers - target).cwiseAbs().maxCoeff() < 1e-9);
    } else {
      RC_ASSERT(target.dot(answer.direction) > 0);
      RC_ASSERT(((cell.normals * answer.direction).array() <= 1e-9).all());
    }
  }
}

RC_GTEST_PROP(ChebyshevBall, StatusDoesNotChangeWithTheScaleOfRows, ()) {
  Halfspaces cell = drawn_cell();
  const Ball ball = chebyshev_ball(cell);
  for (Index i = 0; i < cell.size(); ++i) {
    const int exponent = 900 * (static_cast<int>(i % 3) - 1);
    cell.normals.row(i) *= std::ldexp(1.0, exponent);
    cell.offsets[i] *= std::ldexp(1.0, exponent);
  }
  const Ball scaled = chebyshev_ball(cell);
  RC_ASSERT(to_string(scaled.status) == to_string(ball.status));
  RC_ASSERT(std::abs(scaled.radius - ball.radius) <= 1e-12 * ball.radius);
  if (ball.status == BallStatus::kEmpty) RC_ASSERT(verify_farkas(cell, scaled.farkas));
}

RC_GTEST_PROP(Facets, AreTheRowsWithoutWhichTheCellIsLarger, ()) {
  const Halfspaces cell = cancelling(drawn_cell());
  const Ball ball = chebyshev_ball(cell);
  if (!(ball.radius > 0)) return;
  if (!((cell.slacks(ball.center).array() > 0 || (cell.normals.array() == 0).rowwise().all()).all())) return;
  std::vector<bool> is_facet(static_cast<std::size_t>(cell.size()), false);
  for (const Facet& facet : facets(cell, ball.center)) {
    for (const Index row : facet.rows) is_facet[static_cast<std::size_t>(row)] = true;
  }
  // In rationals: row i cuts the others iff {the others, a_i·x > b_i} has a point, by the lemma on (a_j, −b_j), (0,
  // −1).
  for (Index i = 0; i < cell.size(); ++i) {
    if (cell.normals.row(i).isZero(0)) continue;
    Matrix generators = Matrix::Zero(cell.size() + 1, cell.dimension() + 1);
    generators.topRows(cell.size()) << cell.normals, -cell.offsets;
    generators(cell.size(), cell.dimension()) = -1;
    const Vector target = generators.row(i).transpose();
    // Coinciding rows stand or fall together.
    for (Index j = 0; j < cell.size(); ++j) {
      const double dot = generators.row(j).dot(target);
      if (dot > 0 && std::abs(dot * dot - generators.row(j).squaredNorm() * target.squaredNorm()) <
                         1e-12 * generators.row(j).squaredNorm() * target.squaredNorm())
        generators.row(j).setZero();
    }
    RC_ASSERT(is_facet[static_cast<std::size_t>(i)] == !farkas_alternative(generators, target).in_cone);
  }
}

TEST(Farkas, SaysWhereTheEffortIsNotEnough) {
  Rng rng(3);
  const Matrix g = rng.normal_matrix(40, 12);
  const Vector target = g.transpose() * rng.uniform_vector(40, 0, 1);
  EXPECT_TRUE(farkas_alternative(g, target).in_cone);
  const FarkasAlternative none = farkas_alternative(g, target, {}, 1);
  EXPECT_FALSE(none.decided);
  EXPECT_FALSE(none.in_cone);
}

// One linear system instead of a search: a basis of 60 rows in a space of 60.
TEST(Farkas, AKnownBasisIsOneSystem) {
  Rng rng(4);
  const Index d = 60;
  const Matrix g = rng.normal_matrix(d, d);
  const Vector weights = rng.uniform_vector(d, 0.5, 1);
  // The target is exact in few bits, so that it need not be the weights' own combination.
  const Vector target = g.transpose() * weights;
  const std::int64_t effort = std::int64_t{1} << 26;  // far less than the search needs
  const FarkasAlternative answer = farkas_alternative(g, target, first(d), effort);
  ASSERT_TRUE(answer.decided && answer.in_cone);
  EXPECT_LT((answer.multipliers - weights).cwiseAbs().maxCoeff(), 1e-10);
  EXPECT_FALSE(farkas_alternative(g, target, {}, effort).decided);
}

// Weights that are 0 or tiny below it at the edge of the cone.
TEST(Farkas, IsExactAtTheEdgeOfTheCone) {
  const Matrix g{{1, 0}, {1, 1}};
  const double tiny = 0x1p-1000;
  EXPECT_TRUE(farkas_alternative(g, Vector{{1, 0}}, first(2)).in_cone);
  EXPECT_TRUE(farkas_alternative(g, Vector{{1, tiny}}, first(2)).in_cone);
  EXPECT_FALSE(farkas_alternative(g, Vector{{1, -tiny}}, first(2)).in_cone);
}

TEST(ChebyshevBall, OfRowsThatOverflowOrUnderflowWhenSquared) {
  for (const double scale : {1e-300, 1e-200, 1.0, 1e200, 1e300, 0x1p-1070}) {
    const Halfspaces interval(Matrix{{scale}, {-scale}}, Vector{{4 * scale, 2 * scale}});  // −2 ≤ x ≤ 4
    const Ball ball = chebyshev_ball(interval);
    EXPECT_EQ(ball.status, BallStatus::kBall);
    EXPECT_NEAR(ball.radius, 3, 1e-9) << scale;
    EXPECT_NEAR(ball.center[0], 1, 1e-9);
    EXPECT_EQ(facets(interval, ball.center).size(), 2u);
    const Halfspaces empty(Matrix{{scale}, {-scale}}, Vector{{-scale, -scale}});
    const Ball none = chebyshev_ball(empty);
    EXPECT_EQ(none.status, BallStatus::kEmpty);
    EXPECT_TRUE(verify_farkas(empty, none.farkas));
    if (scale < 1e-305) continue;  // the slack itself is below the smallest number
    EXPECT_TRUE(Halfspaces(Matrix{{scale, 2 * scale}}, Vector{{0}}).contains(Vector{{-1, 0.5 + 1e-10}}, 1e-9));
    EXPECT_FALSE(Halfspaces(Matrix{{scale, 2 * scale}}, Vector{{0}}).contains(Vector{{-1, 0.5 + 1e-8}}, 1e-9));
  }
}

// A cone that is a half-plane but for an angle of 10⁻⁹: balls of every size, found only far out.
TEST(ChebyshevBall, AThinConeHoldsBallsOfEverySize) {
  const Halfspaces cone(Matrix{{0, -1}, {-1e-9, 1}}, Vector{{0, 0}});
  EXPECT_EQ(chebyshev_ball(cone).status, BallStatus::kUnbounded);
  const Halfspaces wedge(Matrix{{0, -1}, {1e-9, 1}}, Vector{{0, 1}});
  EXPECT_EQ(chebyshev_ball(wedge).status, BallStatus::kUnbounded);  // y ≥ 0, y ≤ 1 − 10⁻⁹ x: x → −∞
  const Halfspaces strip(Matrix{{0, -1}, {0, 1}}, Vector{{0, 1}});
  EXPECT_EQ(chebyshev_ball(strip).status, BallStatus::kBall);
}

// A proof that stands on the box's sides at rounding's edge: y·h is −1 less one half unit in the last place of a term.
TEST(ChebyshevBall, FlatCellsSayWhichRowsLeaveNoRoom) {
  const Halfspaces cell(Matrix{{1, 0}, {-1, 0}, {0, 1}}, Vector{{0.3, -0.3, 1}});
  const Ball ball = chebyshev_ball(cell);
  ASSERT_EQ(ball.status, BallStatus::kFlat);
  ASSERT_EQ(ball.farkas.size(), 3);
  EXPECT_GT(ball.farkas[0], 0);
  EXPECT_GT(ball.farkas[1], 0);
  EXPECT_EQ(ball.farkas[2], 0);
}

TEST(Facets, AreDecidedAboutTheExactRowsWhereTheyAreKnown) {
  // The unit square and x + y ≤ 2, which touches its corner; as a rounding of x + y ≤ 2 − 2⁻⁶⁰ it is a facet.
  Halfspaces cell(Matrix{{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 1}}, Vector{{1, 1, 0, 0, 2}});
  const Vector inside{{0.5, 0.5}};
  EXPECT_EQ(facets(cell, inside).size(), 4u);
  FacetOptions options;
  options.exact_row = [&](Index i) {
    Vector row(3);
    row << cell.normals.row(i).transpose(), -cell.offsets[i];
    WholeMultiple whole = whole_multiple(row);
    for (mpz_class& x : whole.row) x <<= 60;
    if (i == 4) whole.row[2] += 1;
    return whole.row;
  };
  EXPECT_EQ(facets(cell, inside, options).size(), 5u);
  std::vector<Index> undecided;
  options.effort = 1;
  options.undecided = &undecided;
  EXPECT_EQ(facets(cell, inside, options).size(), 4u);
  EXPECT_EQ(undecided, (std::vector<Index>{4}));
}

// 1/10 is nearer to the double above it; 1/3 to the one below.
TEST(NearestDouble, IsNotTheOneThatCuts) {
  EXPECT_EQ(nearest_double(mpq_class(1, 10)), 0.1);
  EXPECT_EQ(nearest_double(mpq_class(-1, 10)), -0.1);
  EXPECT_EQ(nearest_double(mpq_class(1, 3)), 1.0 / 3);
  EXPECT_EQ(nearest_double(mpq_class(0.3)), 0.3);
  const mpq_class least(std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(nearest_double(least * mpq_class(2, 3)), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(nearest_double(least * mpq_class(1, 3)), 0);
  const mpq_class most(std::numeric_limits<double>::max());
  EXPECT_EQ(nearest_double(most + mpq_class(1, 2)), std::numeric_limits<double>::max());
}

TEST(Facets, StopWhenTold) {
  Rng rng(5);
  const Halfspaces cell(rng.normal_matrix(200, 6), rng.uniform_vector(200, 0.5, 3));
  Context context;
  context.progress = [](const Progress&) { return false; };
  FacetOptions options;
  options.context = &context;
  EXPECT_THROW(facets(cell, Vector::Zero(6), options), std::exception);
}

}  // namespace
}  // namespace unrect
