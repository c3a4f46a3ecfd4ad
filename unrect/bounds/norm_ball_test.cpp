#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/norm_ball.hpp"

namespace unrect {
namespace {

// Below every point that is in box and ball, and attained by one of them.
TEST(NormBall, TheMinimumIsBelowAllAndAttained) {
  Rng rng(1);
  for (int round = 0; round < 2000; ++round) {
    const Index n = 1 + round % 6;
    const NormBall ball{round % 2 == 0 ? Norm::kTwo : Norm::kOne, rng.normal_vector(n), rng.uniform(0.1, 2)};
    Vector slope = rng.normal_vector(n);
    if (round % 5 == 0) slope[0] = 0;
    if (round % 7 == 0) slope = slope.array().sign();  // ties
    const Vector a = ball.center + rng.normal_vector(n), b = ball.center + rng.normal_vector(n);
    const Vector low = a.cwiseMin(b), high = a.cwiseMax(b);
    const BallMinimum minimum = minimum_over(slope, low, high, ball);
    const Vector nearest = ball.center.cwiseMax(low).cwiseMin(high);
    if (length(ball.norm, nearest - ball.center) > ball.radius * (1 + 1e-9)) {
      EXPECT_GT(minimum.value, 1e200);
      continue;
    }
    ASSERT_LE(length(ball.norm, minimum.point - ball.center), ball.radius * (1 + 1e-6)) << round;
    EXPECT_TRUE((minimum.point.array() >= low.array()).all() && (minimum.point.array() <= high.array()).all());
    EXPECT_NEAR(minimum.value, slope.dot(minimum.point), 1e-6 * (1 + slope.norm())) << round;
    for (int k = 0; k < 200; ++k) {
      Vector x = low;
      for (Index j = 0; j < n; ++j) x[j] = rng.uniform(low[j], high[j]);
      // Towards the point of the box that is nearest to the center, until the ball holds it.
      double share = 1;
      while (length(ball.norm, nearest + share * (x - nearest) - ball.center) > ball.radius && share > 1e-9)
        share *= 0.8;
      x = nearest + share * (x - nearest);
      if (length(ball.norm, x - ball.center) > ball.radius) continue;
      EXPECT_LE(minimum.value, slope.dot(x)) << round;
    }
  }
}

TEST(NormBall, ProjectionsAreInside) {
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    const Index n = 1 + round % 6;
    const NormBall ball{round % 2 == 0 ? Norm::kTwo : Norm::kOne, rng.normal_vector(n), rng.uniform(0.1, 2)};
    const Vector x = ball.center + 3 * rng.normal_vector(n), p = projected(x, ball);
    EXPECT_LE(length(ball.norm, p - ball.center), ball.radius * (1 + 1e-12));
    EXPECT_EQ(p == x, length(ball.norm, x - ball.center) <= ball.radius);
    for (Index j = 0; j < n; ++j) EXPECT_LE(std::abs(p[j] - ball.center[j]), std::abs(x[j] - ball.center[j]) + 1e-15);
  }
}

}  // namespace
}  // namespace unrect
