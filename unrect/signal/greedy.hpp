// Sparse codes by choosing atoms: min ‖A x − y‖₂ with at most k entries of x.
#pragma once

#include <memory>
#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

struct OmpOptions {
  Index sparsity = 0;
  double tolerance = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.sparsity, {"sparsity", "most atoms of a code, 1 … min(m, n), to be given", at_least(0)});
    field(o.tolerance, {"tolerance", "enough once ‖A x − y‖₂ is no larger; seen down to about 1e−7 ‖y‖", at_least(0)});
  }
};

/// Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993): the atom that is most correlated with the
/// residual (of its length) joins, then all coefficients are fitted anew. Columns of A are atoms of any length ≠ 0.
///
/// With A_I = QR the rows u_i = Aᵀq_i are the Gram matrix's Cholesky factor, so that a step is one product with the
/// rows before and correlations are never taken with the residual itself (Rubinstein, Zibulevsky, Elad 2008):
/// O(mn + kmn) for Aᵀy and Gram columns, which later signals share, O(k²n) for the rest.
class Omp {
 public:
  /// @throws Error kInvalidArgument for an empty matrix, entries that are not finite, or a zero column.
  explicit Omp(Matrix atoms);

  /// kConverged once the tolerance or the sparsity is reached, kIterationLimit if no further atom is independent.
  /// @throws Error kInvalidArgument for sizes and options out of range.
  SparseResult solve(const VectorRef& y, const OmpOptions& options) const;
  /// One signal a row, N × m, to one code a row, N × n.
  Matrix solve_rows(const MatrixRef& signals, const OmpOptions& options) const;

 private:
  struct Gram;
  const Vector& gram_column(Index atom) const;
  SparseResult solve(const VectorRef& y, const VectorRef& correlation, const OmpOptions& options) const;

  Matrix atoms_;                // m × n
  Vector inverse_norm_;         // n
  std::shared_ptr<Gram> gram_;  // AᵀA's columns, each made once when it is first asked for, by whichever thread
};

/// Compressive sampling matching pursuit (Needell, Tropp 2009): 2k new candidates, least squares on the 3k, the best k
/// stay. Converged once the residual is below tolerance · ‖y‖ or no longer falls. O(m k²) an iteration.
/// @throws Error kInvalidArgument unless 1 ≤ 3k ≤ m and y has m entries; so does iht.
SparseResult cosamp(const MatrixRef& a, const VectorRef& y, Index sparsity, int max_iterations = 100,
                    double tolerance = 1e-9);

struct IhtOptions {
  Index sparsity = 0;
  double step = 0;
  int max_iterations = 1000;
  double tolerance = 1e-9;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.sparsity, {"sparsity", "k, the entries of a code that are not 0, 1 … n, to be given", at_least(0)});
    field(o.step, {"step", "a constant one; 0: normalised, from the support's own curvature", at_least(0)});
    field(o.max_iterations, {"max_iterations", "at which it stops anyway", at_least(0)});
    field(o.tolerance, {"tolerance", "relative change of x at which it stops", at_least(0)});
  }
};

/// Iterative hard thresholding x ← H_k(x + μ Aᵀ(y − A x)) (Blumensath, Davies 2009), and with step 0 its normalised
/// form (2010), whose steps μ always lower the residual. A constant step must be below 2/‖A‖².
SparseResult iht(const LinearOperator& a, const VectorRef& y, const IhtOptions& options);

}  // namespace unrect
