// Images sparse in a DCT that does not know where its patches begin.
#pragma once

#include "unrect/signal/operator.hpp"

namespace unrect {

/// Hard thresholding in the DCT of all shifts of a grid of patches: the tight frame of every patch's DCT, or a random
/// part of it.
class PatchDct {
 public:
  /// @throws Error kInvalidArgument unless 2 ≤ patch ≤ min(height, width).
  PatchDct(Index height, Index width, Index patch = 16);

  /// Coefficients of |·| ≤ threshold become 0 (never a patch's mean), patches come back weighted by 1 / (what is left
  /// of them), averaged over `shifts` grids: one a stratum of the patch² shifts, drawn at random. Beyond the edges the
  /// image is mirrored. O(shifts · pixels · patch). @throws Error kInvalidArgument for another size or shifts < 1.
  Matrix threshold(const MatrixRef& image, double threshold, Index shifts, Rng& rng);

 private:
  void add_shift(const MatrixRef& image, double threshold, Index down, Index across);

  Index height_, width_, patch_;
  Matrix dct_;           // patch × patch
  Matrix grid_, line_;   // the shifted, mirrored image
  Matrix sum_, weight_;  // height × width
};

}  // namespace unrect
