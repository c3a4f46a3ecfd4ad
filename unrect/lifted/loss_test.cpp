#include "unrect/lifted/loss.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

double value(const Loss& kind, const Matrix& outputs, const Matrix& targets) {
  Matrix gradient(outputs.rows(), outputs.cols());
  return loss<double>(kind, outputs, targets, gradient);
}

TEST(Loss, GradientsAreDifferenceQuotients) {
  const Matrix outputs = Rng(1).normal_matrix(3, 4), targets = Rng(2).normal_matrix(3, 4).cwiseAbs();
  for (const Loss kind :
       {Loss{}, Loss{Loss::Kind::kHuber, 0.5}, Loss{Loss::Kind::kCrossEntropy}, Loss{Loss::Kind::kLogSquared, 0.1}}) {
    Matrix gradient(3, 4);
    loss<double>(kind, outputs, targets, gradient);
    const Matrix direction = Rng(3).normal_matrix(3, 4);
    const double h = 1e-6;
    const double slope =
        (value(kind, outputs + h * direction, targets) - value(kind, outputs - h * direction, targets)) / (2 * h);
    EXPECT_NEAR(gradient.cwiseProduct(direction).sum(), slope, 1e-7 * (1 + std::abs(slope)));
  }
}

TEST(Loss, LogarithmicOneIsSquaredForSmallErrorsAndCountsDecibelsForLarge) {
  const Matrix targets = Matrix::Zero(1, 10);
  const double delta = 1e-4;
  const Loss kind{Loss::Kind::kLogSquared, delta};
  const Matrix error = Matrix::Constant(1, 10, 1e-5);
  EXPECT_NEAR(value(kind, error, targets), value({}, error, targets), 1e-6 * value({}, error, targets));
  // Ten times the error is 20 dB anywhere far above delta.
  const double one = value(kind, Matrix::Constant(1, 10, 10), targets);
  const double ten = value(kind, Matrix::Constant(1, 10, 100), targets);
  EXPECT_NEAR(ten - one, 0.5 * 10 * delta * std::log(100), 1e-9);
}

// One row at a time, by hand; a second row adds its own.
TEST(Loss, ValuesByHand) {
  const Matrix zero = Matrix::Zero(1, 2);
  EXPECT_DOUBLE_EQ(value({}, Matrix{{3, -4}}, zero), 12.5);
  const Loss huber{Loss::Kind::kHuber, 0.5};
  EXPECT_DOUBLE_EQ(value(huber, Matrix{{0.4, -0.5}}, zero), 0.08 + 0.125);
  EXPECT_DOUBLE_EQ(value(huber, Matrix{{2, -3}}, zero), 0.5 * (2 - 0.25) + 0.5 * (3 - 0.25));
  EXPECT_DOUBLE_EQ(value({}, Matrix{{3, -4}, {1, 1}}, Matrix{{0, 0}, {0, 1}}), 13);
  // Half of the mass on each class, scores that overflow if nothing is taken off them.
  const Loss entropy{Loss::Kind::kCrossEntropy};
  EXPECT_NEAR(value(entropy, Matrix{{1000, 1000}}, Matrix{{0.5, 0.5}}), std::log(2), 1e-12);
  EXPECT_NEAR(value(entropy, Matrix{{1000, 998}}, Matrix{{0, 3}}), 3 * (2 + std::log1p(std::exp(-2))), 1e-12);
  EXPECT_NEAR(value(entropy, Matrix{{-1000, -2000}}, Matrix{{0, 1}}), 1000, 1e-9);
  EXPECT_NEAR(value({Loss::Kind::kLogSquared, 0.1}, Matrix{{3, -4}}, zero), 0.1 * std::log1p(25 / 0.2), 1e-12);
  EXPECT_DOUBLE_EQ(squared_error(MatrixOf<float>{{3, -4}, {1, 1}}, MatrixOf<float>{{0, 0}, {0, 1}}), 26);
}

}  // namespace
}  // namespace unrect
