// Sparse codes by the ℓ1 norm: min ½‖A x − y‖² + λ‖x‖₁.
#pragma once

#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

struct LassoOptions {
  double lambda = 0;
  bool accelerated = true;
  int continuation = 0;
  int max_iterations = 5000;
  double tolerance = 1e-6;
  double step = 0;
  Vector weights = Vector();

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.lambda, {"lambda", "λ > 0, to be given", at_least(0)});
    field(o.accelerated,
          {"accelerated", "FISTA (Beck, Teboulle 2009) with restarts (O'Donoghue, Candès 2015), or else ISTA"});
    field(o.continuation, {"continuation", "warm starts with λ falling geometrically from ‖Aᵀy‖_∞", at_least(0)});
    field(o.max_iterations, {"max_iterations", "of each stage", at_least(1)});
    field(o.tolerance, {"tolerance", "stop once the duality gap ≤ tolerance · ½‖y‖²", at_least(0)});
    field(o.step, {"step", "at most 1 / ‖A‖²; 0: that, estimated", at_least(0)});
    field(o.weights, {"weights", "λ Σ w_j |x_j|: none, or n of them", above(0)});
  }
};

/// x ← soft(z + t Aᵀ(y − A z), tλ), z with momentum. The gap is that of the dual point (y − Ax) shrunk until ‖Aᵀ·‖_∞ ≤
/// λ, every tenth iteration. O(products with A and Aᵀ).
/// @throws Error kInvalidArgument for sizes and options out of range.
SparseResult lasso(const LinearOperator& a, const VectorRef& y, const LassoOptions& options);
/// One signal a row, all at once; each restarts on its own, all go on until the worst has converged.
std::vector<SparseResult> lasso_rows(const LinearOperator& a, const MatrixRef& signals, const LassoOptions& options);

}  // namespace unrect
