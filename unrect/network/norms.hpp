// Norms of matrices and of layers.
#pragma once

#include "unrect/network/network.hpp"

namespace unrect {

/// ‖A‖₂, the largest singular value, as doubles have it: an estimate, on either side of the norm by rounding, and by
/// about 1e-10 of it where Lanczos takes over, beyond a few hundred rows and columns. Cost: O(min(m, n)² max(m, n)).
double spectral_norm(const MatrixRef& a);

/// ‖A‖_*, the sum of the singular values, in doubles.
double nuclear_norm(const MatrixRef& a);

enum class Norm { kOne, kTwo, kInfinity };

/// max ‖A x‖_to / ‖x‖_from, in doubles, where a formula has it: 1→q by columns, p→∞ by rows, 2→2.
/// @throws Error kUnsupported for ∞→1, ∞→2 and 2→1: computing them is NP-hard (Hendrickx and Olshevsky 2010; Steinberg
/// 2005).
double induced_norm(const MatrixRef& a, Norm from, Norm to);

}  // namespace unrect
