// The best affine decoder of whole images: all blocks' measurements at once.
#pragma once

#include <memory>

#include "unrect/sensing/lmmse.hpp"
#include "unrect/sensing/measurement.hpp"

namespace unrect {

/// Over all pairs of pixels so far apart, lags below `side`. O(N log N) for N pixels (FFT).
/// @throws Error kInvalidArgument without a pixel, for side < 1.
PixelStatistics pixel_statistics(const std::vector<Image>& images, Index side);

/// The covariances of an image's pixels as an operator, from what pixels so far apart have in common: a level that all
/// share, and the rest, which fades to nothing over the lags that are known. Positive semi-definite whatever the lags.
class StationaryCovariance {
 public:
  /// @throws Error kInvalidArgument for an empty image or lags that are no square.
  StationaryCovariance(const PixelStatistics& statistics, Index height, Index width);
  ~StationaryCovariance();
  StationaryCovariance(StationaryCovariance&&) noexcept;

  /// C x, an image of the same size. O(N log N) for N pixels.
  Image apply(const MatrixRef& image) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// x̂ = μ + C Aᵀ(A C Aᵀ + σ²I)⁻¹(y − A μ), A = Φ on every block: what lmmse (lmmse.hpp) is for a block and 3 × 3 blocks
/// are for their middle, for all of them. Conjugate gradients, preconditioned by the blocks' own Φ C Φᵀ.
class Wiener {
 public:
  /// @throws Error kInvalidArgument for sizes, lags shorter than a block, σ < 0.
  Wiener(Matrix phi, const PixelStatistics& statistics, Index height, Index width, double noise = 0);
  ~Wiener();
  Wiener(Wiener&&) noexcept;

  /// From one block's measurements a row. @throws Error kInvalidArgument for another number of them.
  Image operator()(const MatrixRef& y) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unrect
