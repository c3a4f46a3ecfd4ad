// What every linear program's solver reports.
#pragma once

#include <string_view>

#include "unrect/base/types.hpp"

namespace unrect {

enum class LpStatus {
  kOptimal,
  kInfeasible,      // row_duals is a Farkas ray
  kUnbounded,       // sparse solver only: the dense one always has a finite box
  kCutoff,          // the optimum is beyond the caller's cutoff; safe_bound says so
  kIterationLimit,  // x, objective are the last iterate's; safe_bound still holds
};
std::string_view to_string(LpStatus status);

/// Result of min or max c·x subject to G x ≤ h, lo ≤ x ≤ hi (m rows, n variables).
struct LpResult {
  LpStatus status = LpStatus::kIterationLimit;
  double objective = 0;  // c·x
  /// Bound on the optimum that holds despite rounding (below it for min, above it for max): row_duals y ≥ 0 are taken
  /// as they are and what remains of c + Gᵀ y is charged to the box: −y·h + Σ_j min(r_j lo_j, r_j hi_j) − rounding.
  /// For an infeasible problem ±∞ on the infeasible side if the ray proves it, else on the other.
  double safe_bound = 0;
  Vector x;              // n
  Vector row_duals;      // m, ≥ 0; Farkas: y·(G x − h) > 0 for every x of the box
  Vector reduced_costs;  // n: c + Gᵀ y for min, −c + Gᵀ y for max (infeasible: Gᵀ y); > 0 where lo holds x back
  int pivots = 0;
};

}  // namespace unrect
