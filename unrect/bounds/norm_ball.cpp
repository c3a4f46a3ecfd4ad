#include "unrect/bounds/internal/norm_ball.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// A lower bound of the minimum over no point at all.
constexpr double kNothing = 1e300;
constexpr int kRounds = 80;

struct Steps {
  Vector slope, least, most;  // least ≤ d ≤ most

  // The d of smallest slope·d + μ d²/2.
  Vector at(double mu) const {
    Vector d(slope.size());
    for (Index j = 0; j < d.size(); ++j) {
      const double free = mu > 0 ? -slope[j] / mu : slope[j] > 0 ? least[j] : slope[j] < 0 ? most[j] : 0;
      d[j] = std::clamp(free, least[j], most[j]);
    }
    return d;
  }
};

// Where d(μ) has length r, which falls with μ: what is clamped taken off, what is free is as long as the rest; halving
// where that leads nowhere.
double multiplier(const Steps& steps, double radius) {
  if (steps.at(0).norm() <= radius) return 0;
  double low = 0, high = std::numeric_limits<double>::infinity(), mu = steps.slope.norm() / radius;
  for (int round = 0; round < kRounds; ++round) {
    const Vector d = steps.at(mu);
    (d.norm() > radius ? low : high) = mu;
    double free = 0, left = radius * radius;
    for (Index j = 0; j < d.size(); ++j) {
      if (d[j] > steps.least[j] && d[j] < steps.most[j]) {
        free += steps.slope[j] * steps.slope[j];
      } else {
        left -= d[j] * d[j];
      }
    }
    double next = std::sqrt(free / left);
    if (!(left > 0) || !(next > low) || !(next < high)) next = std::isfinite(high) ? 0.5 * (low + high) : 2 * mu;
    const bool settled = std::abs(next - mu) <= 1e-13 * mu;
    mu = next;
    if (settled) break;
  }
  return mu;
}

// The largest |slope_j| whose coordinates use up the radius when those before it have gone all their way from the
// nearest point.
double threshold(const Steps& steps, const Vector& nearest, double radius) {
  std::vector<std::pair<double, double>> order;  // |slope|, how far it can go
  for (Index j = 0; j < steps.slope.size(); ++j) {
    const double way = steps.slope[j] > 0 ? nearest[j] - steps.least[j] : steps.most[j] - nearest[j];
    if (way > 0 && steps.slope[j] != 0) order.emplace_back(std::abs(steps.slope[j]), way);
  }
  std::ranges::sort(order, std::greater{});
  radius -= nearest.lpNorm<1>();
  for (const auto& [slope, way] : order) {
    radius -= way;
    if (radius <= 0) return slope;
  }
  return 0;
}

}  // namespace

double length(Norm norm, const VectorRef& d) {
  if (norm == Norm::kInfinity) return d.lpNorm<Eigen::Infinity>();
  return norm == Norm::kOne ? d.lpNorm<1>() : d.stableNorm();
}

BallMinimum minimum_over(const VectorRef& slope, const VectorRef& low, const VectorRef& high, const NormBall& ball) {
  const Vector& c = ball.center;
  const double r = ball.radius, rate = static_cast<double>(slope.size() + 16) * 4 * kEpsilon;
  const Steps steps{slope, low - c, high - c};
  const Vector nearest = steps.least.cwiseMax(0.0).cwiseMin(steps.most);
  const Vector reach = low.cwiseAbs() + high.cwiseAbs() + c.cwiseAbs();  // what low − center has rounded relative to
  if (length(ball.norm, nearest) > r + rate * (r + reach.sum())) return {kNothing, c + nearest};
  BallMinimum minimum;
  Vector d(slope.size());
  double size = 2 * slope.cwiseAbs().dot(reach), dual = 0;  // terms in absolute value: what sums round relative to
  if (ball.norm == Norm::kTwo) {
    const double mu = multiplier(steps, r);
    d = steps.at(mu);
    for (Index j = 0; j < d.size(); ++j) {
      const double curve = 0.5 * mu * d[j] * d[j];
      dual += slope[j] * d[j] + curve;
      size += std::abs(slope[j] * d[j]) + curve + mu * std::abs(d[j]) * reach[j];
    }
    dual -= 0.5 * mu * r * r;
    size += 0.5 * mu * r * r;
  } else {
    const double mu = threshold(steps, nearest, r);
    double left = r;
    for (Index j = 0; j < d.size(); ++j) {
      double best = std::numeric_limits<double>::infinity();
      for (const double end : {nearest[j], steps.least[j], steps.most[j]}) {
        const double here = slope[j] * end + mu * std::abs(end);
        best = std::min(best, here);
        size += std::abs(slope[j] * end) + mu * reach[j];
      }
      dual += best;
      d[j] = std::abs(slope[j]) > mu ? (slope[j] > 0 ? steps.least[j] : steps.most[j]) : nearest[j];
      left -= std::abs(d[j]);
    }
    // What is left of the radius goes to a coordinate at the threshold.
    for (Index j = 0; j < d.size() && left > 0; ++j) {
      if (std::abs(slope[j]) != mu || mu == 0) continue;
      const double to = std::clamp(slope[j] > 0 ? d[j] - left : d[j] + left, steps.least[j], steps.most[j]);
      left -= std::abs(to - d[j]);
      d[j] = to;
    }
    dual -= mu * r;
    size += mu * r;
  }
  minimum.value = slope.dot(c) + dual - rate * size;
  minimum.point = (c + d).cwiseMax(low).cwiseMin(high);
  return minimum;
}

Vector projected(const VectorRef& x, const NormBall& ball) {
  const Vector d = x - ball.center;
  const double now = length(ball.norm, d);
  if (now <= ball.radius) return x;
  if (ball.norm == Norm::kTwo) return ball.center + d * (ball.radius / now);
  Vector sizes = d.cwiseAbs();
  std::ranges::sort(sizes, std::greater{});
  double sum = 0, cut = 0;
  for (Index j = 0; j < sizes.size(); ++j) {
    sum += sizes[j];
    const double level = (sum - ball.radius) / static_cast<double>(j + 1);
    if (level >= sizes[j]) break;
    cut = level;
  }
  return ball.center + Vector(d.array().sign() * (d.cwiseAbs().array() - cut).max(0.0));
}

}  // namespace unrect
