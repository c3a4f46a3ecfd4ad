// What every solver for sparse signals reports.
#pragma once

#include <limits>
#include <string_view>

#include "unrect/base/types.hpp"

namespace unrect {

enum class SolverStatus {
  kConverged,       // the solver's own test is met
  kIterationLimit,  // x is the last iterate's
  kInfeasible,      // no x satisfies the equations
};
std::string_view to_string(SolverStatus status);

/// A code x with A x ≈ y.
struct SparseResult {
  SolverStatus status = SolverStatus::kIterationLimit;
  Vector x;             // n
  double residual = 0;  // ‖A x − y‖₂
  /// Objective − value of a point that is feasible for the dual, ≥ 0 up to rounding: x is this close to optimal. ∞ for
  /// methods without one.
  double duality_gap = std::numeric_limits<double>::infinity();
  int iterations = 0;
};

/// sign(x) max(|x| − t, 0), the proximal map of t|·|, entry by entry; t ≥ 0: one number or an array of x's shape.
template <class Values, class Thresholds>
Values soft_threshold(const Values& x, const Thresholds& t) {
  return (x.array() - t).max(0.0) + (x.array() + t).min(0.0);
}

}  // namespace unrect
