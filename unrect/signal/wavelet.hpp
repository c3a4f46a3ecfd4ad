// Orthonormal wavelets on periodic signals and images, and their undecimated frame.
#pragma once

#include "unrect/signal/operator.hpp"

namespace unrect {

/// Named by the number of taps; p taps give p / 2 vanishing moments (Daubechies 1988).
enum class Wavelet { kHaar = 2, kDaubechies4 = 4, kDaubechies6 = 6, kDaubechies8 = 8 };

/// h with Σh = √2; the other filter is g_k = (−1)^k h_{p−1−k}.
Vector scaling_filter(Wavelet wavelet);

/// Most levels that a length can be halved.
Index most_levels(Index length);

/// Coefficients (coarse, details from coarse to fine) of a periodic signal, a_i = Σ_k h_k x_{2i+k}, d_i = Σ_k g_k
/// x_{2i+k}, repeated on a. @throws Error kInvalidArgument unless 2^levels divides n.
LinearOperator wavelet_1d(Index n, Wavelet wavelet, Index levels);
/// Every level along rows and columns, the coarse part in the upper left corner (Mallat's order).
/// @throws Error kInvalidArgument unless 2^levels divides height and width.
LinearOperator wavelet_2d(Index height, Index width, Wavelet wavelet, Index levels);

/// Without dropping samples (à trous): 3 · levels + 1 images of height × width, finest details first, the coarse image
/// last. A tight frame with bound 1: the adjoint reconstructs.
/// @throws Error kInvalidArgument unless 2^levels ≤ min(height, width).
LinearOperator undecimated_wavelet(Index height, Index width, Wavelet wavelet, Index levels);

}  // namespace unrect
