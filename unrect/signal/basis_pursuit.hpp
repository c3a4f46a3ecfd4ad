// min ‖x‖₁ subject to A x = y, or to ‖A x − y‖ ≤ ε.
#pragma once

#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

/// As the linear program min Σ(p + q), A p − A q = y, p, q ≥ 0: a vertex, exact to the LP solver's tolerances. The gap
/// is that of its multipliers, scaled until ‖Aᵀν‖_∞ ≤ 1. kInfeasible if no x satisfies the equations.
/// (Chen, Donoho, Saunders 1998.) @throws Error kInvalidArgument for sizes or entries that are not finite.
SparseResult basis_pursuit_lp(const MatrixRef& a, const VectorRef& y);

struct AdmmOptions {
  double residual = 0;
  double penalty = 0;
  int max_iterations = 10000;
  double tolerance = 1e-8;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.residual, {"residual", "ε", at_least(0)});
    field(o.penalty, {"penalty", "ρ; 0: chosen from ‖A⁺y‖, then balanced", at_least(0)});
    field(o.max_iterations, {"max_iterations", "at which it stops anyway", at_least(1)});
    field(o.tolerance, {"tolerance", "stop once the duality gap ≤ tolerance · ‖x‖₁", at_least(0)});
  }
};

/// By alternating directions, for many y: x ← projection of z − u on {‖A x − y‖ ≤ ε}, z ← soft(x + u, 1/ρ), u ← u + x −
/// z (Boyd et al. 2011, 6.2). x satisfies the constraint to rounding; it is sparse only in the limit. kInfeasible if A
/// lacks full row rank and no x comes so near.
class BasisPursuit {
 public:
  /// O(m²n). @throws Error kInvalidArgument for a matrix that is empty or not finite.
  explicit BasisPursuit(Matrix a);
  /// O(mn) an iteration. @throws Error kInvalidArgument for sizes, a y that is not finite, options.
  SparseResult solve(const VectorRef& y, const AdmmOptions& options = {}) const;

 private:
  Matrix a_;
  Matrix left_, right_;  // A = left diag(values) rightᵀ, columns orthonormal, values > 0
  Vector values_;
};

/// For one y.
SparseResult basis_pursuit_admm(const MatrixRef& a, const VectorRef& y, const AdmmOptions& options = {});

}  // namespace unrect
