// A real signal from the sizes of its measurements alone: y = |A x|.
#pragma once

#include "unrect/base/options.hpp"
#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

/// The leading eigenvector of Σ y_i² a_i a_iᵀ over the measurements with y_i² ≤ 9 mean(y²), of length √(mean y²) for
/// rows of mean square length n (truncated spectral method, Chen, Candès 2017). Power iterations, O(mn) each.
/// @throws Error kInvalidArgument for sizes, or y not finite and ≥ 0; so do the others.
Vector spectral_start(const MatrixRef& a, const VectorRef& y, int iterations = 100);

struct PhaseOptions {
  int max_iterations = 2000;
  double tolerance = 1e-10;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.max_iterations, {"max_iterations", "at which it stops anyway", at_least(1)});
    field(o.tolerance, {"tolerance", "converged once ‖|A x| − y‖ ≤ tolerance ‖y‖", at_least(0)});
  }
};

/// Un-rectifies |·|: |A x| = D A x with signs d ∈ {−1, 1}^m. min 0 subject to A x = z, z = d ∘ y by the augmented
/// Lagrangian,
///     x ← A⁺(z − u),   d ← sign(A x + u),  z ← d ∘ y,   u ← u + A x − z,
/// whose multipliers u keep it from stopping where signs alone would. x is found up to its sign. The residual is ‖|A x|
/// − y‖ of the best iterate. O(mn²) once, O(mn) an iteration.
SparseResult phase_retrieval(const MatrixRef& a, const VectorRef& y, const VectorRef& start,
                             const PhaseOptions& options = {});

/// The same with u = 0 (Gerchberg, Saxton 1972; Fienup's error reduction): kIterationLimit once signs repeat without a
/// solution.
SparseResult alternating_projections(const MatrixRef& a, const VectorRef& y, const VectorRef& start,
                                     const PhaseOptions& options = {});

}  // namespace unrect
