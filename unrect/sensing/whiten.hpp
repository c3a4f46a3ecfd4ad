// Operators with rows as good as orthonormal.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// T with rows of TΦ as good as orthonormal, T = (ΦΦᵀ + (σ/s)² I)^(−1/2) on its range, s = 0.2, a pixel's spread; empty
/// if Φ's are. O(m² n + m³). @throws Error kInvalidArgument for a Φ of zeros.
Matrix whitening(const MatrixRef& phi, double noise);

/// σ' of what T makes of noise σ N(0, I), on average over its rows; σ itself for an empty T.
double whitened_noise(const MatrixRef& transform, double noise);

}  // namespace unrect
