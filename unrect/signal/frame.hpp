// Frames: more vectors than dimensions, and still everything can be had back.
#pragma once

#include <vector>

#include "unrect/signal/operator.hpp"

namespace unrect {

// A frame of R^n is N vectors f_i, the rows of F (N × n); analysis is x ↦ F x, the frame operator S = FᵀF. As a
// LinearOperator a frame is its analysis.

/// A ‖x‖² ≤ ‖F x‖² ≤ B ‖x‖²: the extreme eigenvalues of S.
struct FrameBounds {
  double lower = 0;  // A; 0: no frame, something is lost
  double upper = 0;  // B
  double error = 0;  // each is this close to an eigenvalue; 0 where computed in full

  /// A = B > 0 to a relative tolerance, and known as closely: F/A is its own dual.
  bool tight(double tolerance = 1e-9) const {
    return lower > 0 && upper - lower <= tolerance * upper && error <= tolerance * upper;
  }
};

/// By all singular values: O(N n²). @throws Error kInvalidArgument for an empty matrix.
FrameBounds frame_bounds(const MatrixRef& frame);
/// By Lanczos' method, matrix-free (gram_spectrum).
FrameBounds frame_bounds(const LinearOperator& frame, Rng rng, Index steps = 200);

/// Rows f̃_i = S⁻¹ f_i: Σ⟨x, f̃_i⟩ f_i = Σ⟨x, f_i⟩ f̃_i = x, with the coefficients of least norm.
/// @throws Error kInvalidArgument unless the rows span R^n (A > 1e−26 B); so does other_dual.
Matrix canonical_dual(const MatrixRef& frame);
/// F̃ + (I − F F̃ᵀ) Z: every dual of F is one of these, Z (N × n) is free.
Matrix other_dual(const MatrixRef& frame, const MatrixRef& free);

/// x from analysis coefficients c ≈ F x in the sense of least squares, S x = Fᵀ c, by conjugate gradients to a relative
/// residual: about √(B/A) products a digit. @throws Error kInvalidArgument for sizes.
Vector reconstruct(const LinearOperator& frame, const VectorRef& coefficients, double tolerance = 1e-12,
                   int max_iterations = 1000);

/// N unit vectors, uniform on the sphere. @throws Error kInvalidArgument unless N, n ≥ 1.
Matrix random_frame(Index count, Index dimension, Rng rng);

/// Gabor's frame of periodic real signals, painless case (Daubechies, Grossmann, Meyer 1986): the window g at every
/// hop, cut out and transformed by the orthonormal real DFT of `channels` samples. No longer than a transform, the
/// window makes S diagonal: S_k = Σ_n g(k − n·hop)².
struct Gabor {
  Index length = 0;    // of the signal, a multiple of hop
  Index hop = 0;       // ≥ 1
  Index channels = 0;  // at most length
  Vector window;       // at most `channels` samples
};

/// length / hop · channels coefficients, a window's after another. @throws Error kInvalidArgument as said above, and
/// unless S > 0.
LinearOperator gabor_frame(const Gabor& gabor);
/// Analysis by the canonical dual, windows g(k − n·hop) / S_k. S repeats with the hop, so that this is a Gabor frame.
Gabor gabor_dual(const Gabor& gabor);
/// The diagonal of S, one hop long.
Vector gabor_weights(const Gabor& gabor);
/// g_k = sin²(π(k + ½) / size).
Vector hann_window(Index size);

/// The active rows W_S of a layer x ↦ max(Wx + b, 0) as a frame: whether the layer can be inverted on the region that
/// has these units active, and how.
struct LayerFrame {
  FrameBounds bounds;
  bool invertible = false;  // the active rows span the inputs
  Matrix inverse;           // n × |S|, only if invertible: x = inverse · (z_S − b_S) for active pre-activations z_S
};

/// `weights` m × n, `active` one flag a unit. O(|S| n²). @throws Error kInvalidArgument for sizes.
LayerFrame layer_frame(const MatrixRef& weights, const std::vector<bool>& active);

}  // namespace unrect
