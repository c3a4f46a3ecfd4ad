#include "unrect/train/internal/lbfgs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace unrect {
namespace {

constexpr Index kMemory = 15;  // pairs
constexpr int kMostTrials = 25;
constexpr double kArmijo = 1e-4, kWolfe = 0.9;
constexpr double kFirstStep = 0.01;  // of the weights' norm: where there is no curvature to go by

double dot(const FloatVector& a, const Eigen::Ref<const FloatVector>& b) {
  return a.cast<double>().dot(b.cast<double>());
}

}  // namespace

Lbfgs::Lbfgs(Index size)
    : size_(size), history_(FloatVector::Zero(2 * kMemory * size)), gradient_(FloatVector::Zero(size)) {}

Eigen::Map<FloatVector> Lbfgs::step_at(Index slot) { return {history_.data() + 2 * slot * size_, size_}; }
Eigen::Map<FloatVector> Lbfgs::change_at(Index slot) { return {history_.data() + (2 * slot + 1) * size_, size_}; }

FloatVector Lbfgs::direction() {
  FloatVector d = -gradient_;
  const auto pairs = static_cast<Index>(numbers_[kPairs]), newest = static_cast<Index>(numbers_[kNewest]);
  const auto slot = [&](Index age) { return (newest - age + kMemory) % kMemory; };
  std::array<double, kMemory> inverse{}, alpha{};
  for (Index age = 0; age < pairs; ++age) {
    const auto i = static_cast<std::size_t>(age);
    inverse[i] = 1 / dot(change_at(slot(age)), step_at(slot(age)));
    alpha[i] = inverse[i] * dot(d, step_at(slot(age)));
    d -= static_cast<float>(alpha[i]) * change_at(slot(age));
  }
  if (pairs > 0) {
    const FloatVector y = change_at(slot(0));
    d *= static_cast<float>(1 / (inverse[0] * dot(y, y)));
  }
  for (Index age = pairs - 1; age >= 0; --age) {
    const auto i = static_cast<std::size_t>(age);
    const double beta = inverse[i] * dot(d, change_at(slot(age)));
    d += static_cast<float>(alpha[i] - beta) * step_at(slot(age));
  }
  return d;
}

void Lbfgs::remember(const FloatVector& step, const FloatVector& change) {
  // In exact arithmetic the Wolfe conditions make this positive; a step that only went down may not.
  if (dot(step, change) <= 1e-10 * step.norm() * change.norm()) return;
  const Index slot = (static_cast<Index>(numbers_[kNewest]) + 1) % kMemory;
  step_at(slot) = step;
  change_at(slot) = change;
  numbers_[kNewest] = static_cast<double>(slot);
  numbers_[kPairs] = std::min<double>(numbers_[kPairs] + 1, kMemory);
}

// Bisects for f(t) ≤ f(0) + c₁ t f'(0) and f'(t) ≥ c₂ f'(0), and steps there; to the lowest t that is known to satisfy
// the first where the second cannot be had. False where neither can.
bool Lbfgs::search(const Objective& objective, const FloatVector& direction, double length, FloatVector& weights) {
  const double slope = dot(gradient_, direction);
  if (!(slope < 0) || !std::isfinite(slope)) return false;
  double low = 0, high = std::numeric_limits<double>::infinity();
  FloatVector trial, gradient(size_), best, best_gradient;
  double best_value = 0;
  for (int i = 0; i < kMostTrials; ++i) {
    trial = weights + static_cast<float>(length) * direction;
    const double value = objective(trial, gradient);
    if (!(value <= numbers_[kValue] + kArmijo * length * slope)) {
      high = length;
    } else {
      low = length;
      best.swap(trial);
      best_gradient.swap(gradient);
      best_value = value;
      if (dot(best_gradient, direction) >= kWolfe * slope) break;
      gradient.resize(size_);
    }
    length = std::isfinite(high) ? (low + high) / 2 : 2 * low;
  }
  if (low == 0) return false;
  remember(best - weights, best_gradient - gradient_);
  weights = best;
  gradient_ = best_gradient;
  numbers_[kValue] = best_value;
  numbers_[kLength] = low;
  return true;
}

void Lbfgs::step(const Objective& objective, FloatVector& weights) {
  if (converged()) return;
  if (numbers_[kIterations]++ == 0) numbers_[kStart] = numbers_[kValue] = objective(weights, gradient_);
  if (numbers_[kPairs] > 0 && search(objective, direction(), 1, weights)) return;
  numbers_[kPairs] = 0;
  const double norm = static_cast<double>(gradient_.norm());
  const double reach = kFirstStep * std::max(1.0, static_cast<double>(weights.norm()));
  if (norm > 0 && search(objective, -gradient_, reach / norm, weights)) return;
  numbers_[kConverged] = 1;
}

}  // namespace unrect
