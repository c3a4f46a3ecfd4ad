// Sparse codes by the ℓ1 norm: min ½‖A x − y‖² + λ‖x‖₁.
#pragma once

#include <vector>

#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

struct LassoOptions {
  double lambda = 0;          // > 0
  bool accelerated = true;    // FISTA (Beck, Teboulle 2009) with restarts (O'Donoghue, Candès 2015); false: ISTA
  int continuation = 0;       // warm starts with λ falling geometrically from ‖Aᵀy‖_∞, ≥ 0
  int max_iterations = 5000;  // of each stage
  double tolerance = 1e-6;    // stop once duality gap ≤ tolerance · ½‖y‖²
  double step = 0;            // 0: 1 / ‖A‖², estimated; else 0 < step ≤ 1/‖A‖²
  Vector weights = Vector();  // empty, or n weights > 0: λ Σ w_j |x_j|
};

/// x ← soft(z + t Aᵀ(y − A z), tλ), z with momentum. The gap is that of the dual point (y − Ax) shrunk until ‖Aᵀ·‖_∞ ≤
/// λ, every tenth iteration. O(products with A and Aᵀ).
/// @throws Error kInvalidArgument for sizes and options out of range.
SparseResult lasso(const LinearOperator& a, const VectorRef& y, const LassoOptions& options);
/// One signal a row, all at once; each restarts on its own, all go on until the worst has converged.
std::vector<SparseResult> lasso_rows(const LinearOperator& a, const MatrixRef& signals, const LassoOptions& options);

}  // namespace unrect
