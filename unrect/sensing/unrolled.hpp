// The recovery network for whole images: phases of measuring what is missing and of small convolutions.
#pragma once

#include <filesystem>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/sensing/lmmse.hpp"

namespace unrect {

/// What of a phase is learned, one convolution: 3 × 3 kernels, out × (in · 9), and biases.
struct Kernel {
  Matrix weights;
  Vector bias;
};

/// An unrolled network, and which of its convolutions are learned (in the kernels' order) and which know Φ and are not.
struct UnrolledNetwork {
  Network network;
  std::vector<int> learned, fixed;  // nodes
};

/// x_0 = μ + W(y − Φμ), W the best affine map (lmmse.hpp); in phases the best one for an error of half the images'
/// spread, the same without noise. A phase: r = y − Φx; features [4(x − μ), 10 W r, 10 Φᵀ r],
/// pixels 2 × 2 as channels, with the memory h of the phase before; t = K_1 ∗ features; twice t ← t + K″ ∗ relu(K′ ∗
/// t); h = relu(t); x ← x + W r + K_6 ∗ h. Last x̂ = x + Φᵀ(ΦΦᵀ + (σ/s)² I)⁻¹ (y − Φx), s = 0.03 what x may still be
/// off: without noise what was measured is met. Φ, σ and W are no part of what is learned: kernels trained on one
/// operator can be used with another.
struct Unrolled {
  static constexpr std::size_t kKernels = 6;  // a phase

  PixelStatistics statistics;
  Index channels = 32;
  std::vector<std::vector<Kernel>> phases;

  /// Random kernels, 0.7 × He normal; less where they add to a shortcut or to the image.
  static Unrolled random(PixelStatistics statistics, int phases, Index channels, Rng rng);
  /// A deeper network to train from: the last phase is repeated until there are so many. Of the copies the last kernels
  /// are 0, so that at first they add W r to the image and nothing else.
  /// @throws Error kInvalidArgument for fewer phases than it has.
  Unrolled deepened(int phases) const;
  /// For images of height × width pixels, measured block by block (square ones, the last in a row or column may reach
  /// beyond the image and sees zeros there). Inputs: the blocks' measurements one after another in reading order;
  /// outputs: the image row by row. `noise`: σ of the measurements. O(m² b²) for each of at most four kinds of blocks.
  /// @throws Error kInvalidArgument for sizes, a Φ of zeros, σ < 0.
  Network network(const Matrix& phi, Index height, Index width, double noise = 0) const;
  /// The same, to be trained.
  UnrolledNetwork trainable(const Matrix& phi, Index height, Index width, double noise = 0) const;
  /// Numbers that are learned.
  Index parameters() const;
  /// What is learned alone, at planes of height × width: inputs are the phases' features one after another, (12,
  /// height, width) each, outputs what the phases add to the image, (4, height, width) each.
  Network learned(Index height, Index width) const;
};

/// The convolutions among the nodes: in learned(), the kernels.
std::vector<int> convolutions(const Network& network);
/// From a trained network and those of its nodes that are the kernels, phase by phase. @throws Error kInvalidArgument
/// naming the node at fault.
Unrolled unrolled_of(const Network& trained, const std::vector<int>& kernels, PixelStatistics statistics);

/// An ONNX model of learned(32, 32), and in its metadata the statistics and `about`, free text by keys.
/// @throws Error kFile.
void write_unrolled(const std::filesystem::path& path, const Unrolled& unrolled, const Metadata& about = {});
/// @throws Error kFile, kFormat naming the file and what is missing in it.
Unrolled read_unrolled(const std::filesystem::path& path);

}  // namespace unrect
