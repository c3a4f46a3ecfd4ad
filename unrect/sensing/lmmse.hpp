// The best affine decoder: what any learned network must beat.
#pragma once

#include <vector>

#include "unrect/sensing/image.hpp"
#include "unrect/signal/blocks.hpp"

namespace unrect {

/// Mean and covariance of the pixels of a block.
struct BlockStatistics {
  Vector mean;        // block²
  Matrix covariance;  // block² × block²
  Index count = 0;    // blocks seen
};

/// Over all blocks of the images at every `stride`-th offset. O(blocks · block⁴).
/// @throws Error kInvalidArgument unless some image holds a block, and for stride < 1.
BlockStatistics block_statistics(const std::vector<Image>& images, Index block = kBlockSide,
                                 Index stride = kBlockSide / 3);

/// Statistics that are the same everywhere: E x = mean, Cov(x_ij, x_kl) = lags(|i − k|, |j − l|).
struct PixelStatistics {
  double mean = 0;
  Matrix lags;  // a square
};

/// The same lag's covariances averaged: natural images have no preferred place, a sample of them has.
PixelStatistics pixel_statistics(const BlockStatistics& statistics);
/// For blocks no larger than those that the lags are of. @throws Error kInvalidArgument for larger ones.
BlockStatistics block_statistics(const PixelStatistics& statistics, Index block);

/// x̂ = mean + gain (y − Φ mean)
struct AffineDecoder {
  Vector mean;  // n
  Matrix gain;  // n × m: W = CΦᵀ(ΦCΦᵀ + σ²I)⁻¹

  /// One block's measurements a row, N × m, to one block a row, N × n.
  Matrix decode(const MatrixRef& phi, const MatrixRef& y) const;
};

/// The variance of a measurement's noise that ΦCΦᵀ needs at least: σ², or the rounding of (Φμ)².
double least_variance(const MatrixRef& phi, const BlockStatistics& statistics, double noise);
/// The lower triangle L of ΦCΦᵀ + σ²I = LLᵀ, σ² no less than rounding. Pixels, cost and errors are lmmse's.
Matrix measured_covariance_root(const MatrixRef& phi, const BlockStatistics& statistics, Index rows, Index cols,
                                double noise);
/// For blocks of which only the first rows × cols pixels may differ from 0 (those at the image's edges).
/// O(m n²). @throws Error kInvalidArgument for sizes and σ < 0.
AffineDecoder lmmse(const MatrixRef& phi, const BlockStatistics& statistics, Index rows, Index cols, double noise = 0);
/// For signals of any size, which may differ from 0 anywhere. O(m n²). @throws Error kInvalidArgument for sizes.
AffineDecoder lmmse(const MatrixRef& phi, const BlockStatistics& statistics);

}  // namespace unrect
