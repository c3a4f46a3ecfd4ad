// Operators with rows as good as orthonormal.
#pragma once

#include "unrect/sensing/measurement.hpp"

namespace unrect {

/// T with rows of TΦ as good as orthonormal, T = (ΦΦᵀ + (σ/s)² I)^(−1/2) on its range, s = 0.2, a pixel's spread; empty
/// if Φ's are. O(m² n + m³). @throws Error kInvalidArgument for a Φ of zeros.
Matrix whitening(const MatrixRef& phi, double noise);

/// σ' of what T makes of noise σ N(0, I), on average over its rows; σ itself for an empty T.
double whitened_noise(const MatrixRef& transform, double noise);

/// Φ with rows as good as orthonormal, and what makes its measurements of Φ's.
struct White {
  LinearOperator phi;
  Matrix transform;  // empty: none
  Index block;

  /// @throws Error kInvalidArgument for a measurement by another operator.
  Matrix measurements(const Measurement& m) const;
};
/// @throws Error kInvalidArgument for a Φ that is not orthonormal and too large to be a matrix (require_small).
White whitened(const Sampling& sampling, double noise);

}  // namespace unrect
