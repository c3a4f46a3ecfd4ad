// Images with few edges: isotropic total variation.
#pragma once

#include "unrect/signal/operator.hpp"

namespace unrect {

/// Σ √((x_{i+1,j} − x_ij)² + (x_{i,j+1} − x_ij)²), differences over the edge left out.
double total_variation(const MatrixRef& image);

/// min ½‖x − image‖² + λ TV(x) by fast gradient projection on the dual (Chambolle 2004; Beck, Teboulle 2009), which
/// goes on from the dual of the call before.
class TvDenoiser {
 public:
  /// @throws Error kInvalidArgument for an empty image.
  TvDenoiser(Index height, Index width);

  /// O(pixels) an iteration. @throws Error kInvalidArgument for another size or λ ≤ 0.
  Matrix denoise(const MatrixRef& image, double lambda, int iterations);
  /// Objective − dual objective at the last answer, ≥ 0: how far from optimal it may be.
  double duality_gap() const { return gap_; }

 private:
  Index height_, width_;
  Matrix down_, across_;  // the dual: one vector of length ≤ 1 a pixel
  double gap_ = 0;
};

}  // namespace unrect
