// Norms of matrices that are known up to an error: what they are at least and at most, rounding included.
#pragma once

#include "unrect/network/norms.hpp"

namespace unrect {

/// center ± radius, entry by entry.
struct MatrixRange {
  Matrix center, radius;
};

struct NormRange {
  double low = 0, high = 0;
};

/// ‖A‖ for every A in the range, of norms that induced_norm computes. For 2→2: below by ‖A v‖/‖v‖, above by a Cholesky
/// factorisation of λI − AᵀA whose success is a proof (Rump 2006); about k ε apart if the radius is 0.
/// @throws Error kUnsupported as induced_norm.
NormRange norm_range(const MatrixRange& range, Norm from, Norm to);

/// At least ‖A‖₂ for every A in the range; for one matrix about k² ε above it at most. The least of the Frobenius norm,
/// √(‖A‖₁‖A‖_∞) and, unless both sides exceed 2048, what a Cholesky factorisation of λI − AᵀA proves of an estimate.
double spectral_norm_bound(const MatrixRange& range);
double spectral_norm_bound(const MatrixRef& a);
/// Whether ‖A‖₂ ≤ most is proved by such a factorisation, with no search for an estimate. Entries of at most about 1.
bool spectral_norm_is_below(const Eigen::MatrixXd& a, double most);

/// At least ‖A‖_* for every A in the range: of a computed UΣVᵀ, Σ σ_i ‖u_i‖ ‖v_i‖ + √k ‖A − UΣVᵀ‖_F.
double nuclear_norm_bound(const MatrixRange& range);

/// Whether ‖A‖ ≤ most for every A in the range, proved: cheap tests first.
bool norm_is_at_most(const MatrixRange& range, Norm from, Norm to, double most);

/// Whether a symmetric matrix is positive semi-definite, proved by a Cholesky factorisation in double although each
/// entry of the matrix may be off: by no more than `doubt` in the Frobenius norm after rows and columns are scaled to a
/// diagonal between 1 and 4. Only the lower triangle is read. O(n³/3).
bool is_surely_semidefinite(const Eigen::MatrixXd& matrix, double doubt);

}  // namespace unrect
