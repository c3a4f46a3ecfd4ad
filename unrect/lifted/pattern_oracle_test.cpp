#include "unrect/lifted/pattern_oracle.hpp"

#include <gtest/gtest.h>

#include <Eigen/QR>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/lifted.hpp"

namespace unrect {
namespace {

// Cover 1965: N points in general position in R^n have 2 Σ_{k ≤ n} C(N − 1, k) affine dichotomies.
TEST(Dichotomies, AreAsManyAsCoverCounts) {
  EXPECT_EQ(dichotomies(Rng(1).normal_matrix(6, 1)).size(), 2U * (1 + 5));
  EXPECT_EQ(dichotomies(Rng(1).normal_matrix(6, 2)).size(), 2U * (1 + 5 + 10));
  EXPECT_EQ(dichotomies(Rng(1).normal_matrix(5, 3)).size(), 2U * (1 + 4 + 6 + 4));
}

TEST(Dichotomies, HoldEveryHyperplane) {
  const Matrix inputs = Rng(2).normal_matrix(7, 2);
  const std::vector<Dichotomy> all = dichotomies(inputs);
  for (unsigned seed = 0; seed < 200; ++seed) {
    const Vector w = Rng(seed).normal_vector(3);
    const Vector d = ((inputs * w.head(2)).array() + w[2] > 0).cast<double>();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Dichotomy& one) { return one.d == d; });
    ASSERT_NE(found, all.end());
    // w is a non-negative combination of the cone's generators.
    const Vector share = nonnegative_least_squares(found->generators, w);
    EXPECT_LT((found->generators * share - w).norm(), 1e-9);
  }
}

TEST(NonnegativeLeastSquares, SatisfiesKkt) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Matrix b = Rng(seed).normal_matrix(6, 9);
    const Vector y = Rng(seed + 100).normal_vector(6);
    const Vector x = nonnegative_least_squares(b, y);
    const Vector slope = b.transpose() * (b * x - y);
    EXPECT_GE(x.minCoeff(), 0);
    EXPECT_GE(slope.minCoeff(), -1e-8);
    EXPECT_LT(slope.cwiseProduct(x).cwiseAbs().maxCoeff(), 1e-8);
  }
}

TEST(ShallowOptimum, IsAttainedAndIsZeroForATeacher) {
  const Matrix inputs = Rng(3).normal_matrix(9, 2);
  Matrix targets = Rng(4).normal_matrix(9, 1);
  ShallowOptimum best = shallow_optimum(inputs, targets, 2);
  EXPECT_NEAR(kkt_residuals(best.chain, {}, {lift(best.chain, {}, inputs, targets)}).true_loss, best.loss, 1e-9);
  EXPECT_GT(best.loss, 1e-3);
  const Chain teacher{{Rng(5).normal_matrix(2, 3), Rng(6).normal_matrix(1, 3)}, false};
  targets = split_output(teacher, lift(teacher, {}, inputs, targets));
  best = shallow_optimum(inputs, targets, 2);
  EXPECT_LT(best.loss, 1e-12);
}

// An independent search: one unit in one dimension, its kink on a fine grid, output and bias by least squares.
TEST(ShallowOptimum, IsBelowAndNearAGridSearch) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const Matrix inputs = Rng(seed).normal_matrix(6, 1);
    const Matrix targets = Rng(seed + 50).normal_matrix(6, 1);
    double grid = 1e9;
    for (int i = -4000; i <= 4000; ++i)
      for (const double side : {1.0, -1.0}) {
        Matrix b = Matrix::Ones(6, 2);
        b.col(0) = (side * (inputs.array() - i / 1000.0)).max(0);
        const Vector fit = b.colPivHouseholderQr().solve(targets.col(0));
        grid = std::min(grid, (b * fit - targets.col(0)).squaredNorm() / 2);
      }
    const double exact = shallow_optimum(inputs, targets, 1).loss;
    EXPECT_LE(exact, grid + 1e-9);
    EXPECT_NEAR(exact, grid, 2e-3);
  }
}

TEST(ShallowOptimum, RefusesPointsOnAHyperplane) {
  EXPECT_THROW(dichotomies(Matrix::Ones(4, 1)), Error);
  EXPECT_THROW(shallow_optimum(Rng(1).normal_matrix(4, 1), Matrix::Ones(4, 2), 1), Error);
}

}  // namespace
}  // namespace unrect
