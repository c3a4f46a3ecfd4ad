#include "unrect/learn/loss.hpp"

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

}  // namespace
}  // namespace unrect
