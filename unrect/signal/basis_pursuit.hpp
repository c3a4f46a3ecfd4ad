// min ‖x‖₁ subject to A x = y.
#pragma once

#include "unrect/signal/sparse.hpp"

namespace unrect {

/// As the linear program min Σ(p + q), A p − A q = y, p, q ≥ 0: a vertex, exact to the LP solver's tolerances. The gap
/// is that of its multipliers, scaled until ‖Aᵀν‖_∞ ≤ 1. kInfeasible if no x satisfies the equations.
/// (Chen, Donoho, Saunders 1998.) @throws Error kInvalidArgument for sizes or entries that are not finite.
SparseResult basis_pursuit_lp(const MatrixRef& a, const VectorRef& y);

struct AdmmOptions {
  double penalty = 0;          // ρ > 0, or 0: chosen from ‖A⁺y‖, then balanced
  int max_iterations = 10000;  // ≥ 1
  double tolerance = 1e-8;     // stop once the duality gap ≤ tolerance · ‖x‖₁
};

/// By alternating directions: x ← projection of z − u on {A x = y}, z ← soft(x + u, 1/ρ), u ← u + x − z (Boyd et al.
/// 2011, 6.2). x satisfies the equations to rounding; it is sparse only in the limit. O(m²n) once, O(mn) an iteration.
/// kInfeasible if A lacks full row rank and the equations disagree.
SparseResult basis_pursuit_admm(const MatrixRef& a, const VectorRef& y, const AdmmOptions& options = {});

}  // namespace unrect
