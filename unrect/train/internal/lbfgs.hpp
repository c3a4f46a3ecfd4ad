// Minimising over all samples at once: L-BFGS.
#pragma once

#include <functional>
#include <span>

#include "unrect/train/internal/step_rule.hpp"

namespace unrect {

/// Limited-memory BFGS (Liu and Nocedal 1989): the direction −Hg by the two-loop recursion over the last pairs
/// (s, y) = (ΔW, Δg); the step length t by bisection for the weak Wolfe conditions (Lewis and Overton 2013), which
/// hold up at the kinks of a ReLU network and make sᵀy > 0. Weights and gradients in float, inner products in double.
class Lbfgs {
 public:
  /// f and, into `gradient`, ∇f at `weights`.
  using Objective = std::function<double(const FloatVector& weights, FloatVector& gradient)>;

  explicit Lbfgs(Index size);

  /// One iteration: one evaluation mostly, two or more where t = 1 fails; one more at the very first.
  void step(const Objective& objective, FloatVector& weights);

  double value() const { return numbers_[kValue]; }        // f at the weights
  double start_value() const { return numbers_[kStart]; }  // f where it began
  double length() const { return numbers_[kLength]; }      // t of the last step
  /// No step down was found, along −Hg or along −g: nothing will change any more.
  bool converged() const { return numbers_[kConverged] != 0; }

  // The state, for checkpoints; the same on every rank.
  RuleState state() { return {}; }
  FloatVector& history() { return history_; }
  FloatVector& gradient() { return gradient_; }
  std::span<double> numbers() { return numbers_; }

 private:
  enum Number { kValue, kStart, kLength, kConverged, kIterations, kPairs, kNewest, kCount };

  Eigen::Map<FloatVector> step_at(Index slot);
  Eigen::Map<FloatVector> change_at(Index slot);
  FloatVector direction();
  bool search(const Objective& objective, const FloatVector& direction, double length, FloatVector& weights);
  void remember(const FloatVector& step, const FloatVector& change);

  Index size_;
  FloatVector history_;  // a ring of pairs s, y
  FloatVector gradient_;
  double numbers_[kCount] = {};
};

}  // namespace unrect
