// Images from block measurements, by name.
#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/sensing/lmmse.hpp"
#include "unrect/sensing/measurement.hpp"
#include "unrect/sensing/unrolled.hpp"

namespace unrect {

/// From a measurement to an image; values may lie outside [0, 1]. The image fits: residual() ≤ asked_residual(), where
/// any image does. Any number of threads may ask one, or copies of it: work that measurements of equal size share is
/// kept, a set for each that asks at once.
class Decoder {
 public:
  template <class Decode>
  Decoder(Decode decode, std::function<void(Index height, Index width)> prepare = {})  // NOLINT: a decoder is one
      : decode_(std::move(decode)), prepare_(std::move(prepare)) {}

  /// Does what images of one size share; the first call for such an image does it otherwise.
  void prepare(Index height, Index width) const {
    if (prepare_) prepare_(height, width);
  }
  /// @throws Error kInvalidArgument for a measurement by another operator.
  Image operator()(const Measurement& measurement) const { return decode_(measurement); }

 private:
  std::function<Image(const Measurement&)> decode_;
  std::function<void(Index, Index)> prepare_;
};

struct DecoderOptions {
  double noise = 0;
  // What a decoder needs it copies while it is made.
  const BlockStatistics* statistics = nullptr;  // lmmse's
  const PixelStatistics* lags = nullptr;        // wiener's
  const Matrix* dictionary = nullptr;           // ksvd's atoms, one a row
  const Unrolled* model = nullptr;              // net's
  std::uint64_t seed = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.noise, {"noise", "σ of the measurements to come", at_least(0)});
    field(o.seed, {"seed", "of random shifts (iht, wavelet, ksvd)"});
  }
};

/// The names that decoder_named knows:
///   tv      total variation over the whole image
///   iht     iterative hard thresholding in the DCT of all 16 × 16 patches
///   wavelet the same in Daubechies' wavelets, 8 taps, at random shifts
///   ksvd    the same in a dictionary learned from patches, on random grids
///   omp     orthogonal matching pursuit in the DCT of blocks, at most m / 4 atoms
///   fista   ℓ1-regularised codes in the DCT of blocks, weights that grow with frequency
///   bp      basis pursuit with those weights: the codes fit y exactly
///   lmmse   the best affine map of a block's measurements
///   wiener  the best affine map of all blocks' measurements at once, for covariances that depend on distance alone
///   net     a trained recovery network
/// All see Φ with orthonormal rows: others are whitened, y ↦ (ΦΦᵀ + (σ/s)² I)^(−1/2) y with s = 0.2, a pixel's spread.
/// What fits y less well than asked is moved to an image near by that does, by conjugate gradients.
const std::vector<std::string_view>& decoder_names();
/// @throws Error kInvalidArgument for another name, an operator too large to be a matrix (for decoders of blocks),
/// lmmse without statistics of its blocks, wiener without lags of at least a block, ksvd without a dictionary, net
/// without a model.
Decoder decoder_named(std::string_view name, const Sampling& sampling, const DecoderOptions& options = {});

}  // namespace unrect
