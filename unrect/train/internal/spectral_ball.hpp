// Keeps a matrix's singular values below a bound while it is trained.
#pragma once

#include "unrect/train/internal/gemm.hpp"

namespace unrect {

/// The projection onto {W : ‖W‖₂ ≤ bound} (maths 3.4): singular values above the bound are set to it. The leading
/// singular directions are followed from one step to the next by subspace iteration, with room for more of them as
/// they reach the bound; between steps a small excess can be left, finish() leaves none.
class SpectralBall {
 public:
  SpectralBall(Index cols, double bound);

  /// W ← W − E, the projection along the followed directions; `velocity` (as W, may be empty) loses E as well: what is
  /// taken from the weights was no movement. Cost: O(rows · cols · directions).
  void project(FloatOut w, FloatOut velocity);
  /// Scales away what project() left, by the exact ‖W‖₂ in double.
  void finish(FloatOut w) const;

  /// The followed directions, cols × count, for checkpoints.
  FloatMatrix& directions() { return directions_; }

 private:
  double bound_;
  FloatMatrix directions_;
};

}  // namespace unrect
