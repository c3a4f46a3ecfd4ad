#include "unrect/train/internal/lbfgs.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace unrect {
namespace {

TEST(Lbfgs, MinimisesAnIllConditionedQuadratic) {
  const Index n = 20;
  FloatVector scale(n);
  for (Index i = 0; i < n; ++i) scale[i] = std::pow(10.F, 3.F * static_cast<float>(i) / static_cast<float>(n - 1));
  int evaluations = 0;
  const auto objective = [&](const FloatVector& w, FloatVector& gradient) {
    ++evaluations;
    const FloatVector e = w.array() - 1;
    gradient = scale.cwiseProduct(e);
    return 0.5 * gradient.cast<double>().dot(e.cast<double>());
  };
  Lbfgs lbfgs(n);
  FloatVector w = FloatVector::Zero(n);
  double last = 1e30;
  int steps = 0;
  for (; steps < 80 && !lbfgs.converged(); ++steps) {
    lbfgs.step(objective, w);
    EXPECT_LE(lbfgs.value(), last);
    last = lbfgs.value();
  }
  // Gradient descent of the best rate would still be at (1 − 2/1001)^160 ≈ 0.7 of its way.
  EXPECT_LT(lbfgs.value(), 1e-6 * lbfgs.start_value());
  EXPECT_LT((w.array() - 1).matrix().norm(), 1e-2F);
  EXPECT_LT(evaluations, 2 * steps + 30);
}

TEST(Lbfgs, FollowsRosenbrocksValley) {
  const auto objective = [](const FloatVector& w, FloatVector& gradient) {
    const double x = static_cast<double>(w[0]), y = static_cast<double>(w[1]), off = y - x * x;
    gradient.resize(2);
    gradient << static_cast<float>(-400 * x * off - 2 * (1 - x)), static_cast<float>(200 * off);
    return 100 * off * off + (1 - x) * (1 - x);
  };
  Lbfgs lbfgs(2);
  FloatVector w(2);
  w << -1.2F, 1;
  for (int i = 0; i < 60 && !lbfgs.converged(); ++i) lbfgs.step(objective, w);
  EXPECT_NEAR(w[0], 1, 1e-2);
  EXPECT_NEAR(w[1], 1, 2e-2);
}

TEST(Lbfgs, FindsTheKinkOfANonsmoothFunction) {
  const auto objective = [](const FloatVector& w, FloatVector& gradient) {
    gradient = w.cwiseSign();
    gradient[1] *= 10;
    return static_cast<double>(std::abs(w[0])) + 10 * static_cast<double>(std::abs(w[1]));
  };
  Lbfgs lbfgs(2);
  FloatVector w(2);
  w << 3, 2;
  for (int i = 0; i < 100 && !lbfgs.converged(); ++i) lbfgs.step(objective, w);
  EXPECT_LT(lbfgs.value(), 0.05);
}

TEST(Lbfgs, StaysAtAMinimum) {
  const auto objective = [](const FloatVector& w, FloatVector& gradient) {
    gradient = w;
    return 0.5 * static_cast<double>(w.squaredNorm());
  };
  Lbfgs lbfgs(3);
  FloatVector w = FloatVector::Zero(3);
  lbfgs.step(objective, w);
  EXPECT_TRUE(lbfgs.converged());
  EXPECT_EQ(w, FloatVector(FloatVector::Zero(3)));
}

}  // namespace
}  // namespace unrect
