// An image as it is measured, block by block, and the file that keeps that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "unrect/base/array.hpp"
#include "unrect/sensing/image.hpp"
#include "unrect/signal/operator.hpp"

namespace unrect {

enum class SensingKind { kGaussian, kBernoulli, kOrthonormal, kHadamard, kDct, kFourier, kGiven };
std::string_view name_of(SensingKind kind);
/// @throws Error kInvalidArgument listing the names.
SensingKind sensing_kind_named(std::string_view name);

/// Φ, and the side of the blocks that it measures.
struct Sampling {
  SensingKind kind = SensingKind::kGiven;
  std::uint64_t seed = 0;  // of all kinds but kGiven
  Index block = 0;
  LinearOperator phi;  // m × block²

  Index measurements() const { return phi.rows(); }
};

/// The nearest number of measurements, at least 1. @throws Error kInvalidArgument unless 0 < ratio ≤ 1.
Index measurements_for(double ratio, Index pixels);
/// An operator drawn by the seed. @throws Error kInvalidArgument for sizes, one that would take over 2²⁶ numbers, and
/// kGiven.
Sampling draw_sampling(SensingKind kind, Index measurements, Index block, std::uint64_t seed);
/// @throws Error kInvalidArgument, naming `name`, unless Φ has a square number of columns.
Sampling given_sampling(Matrix phi, std::string_view name);
Sampling read_sampling(const std::filesystem::path& npy);

struct Measurement {
  Sampling sampling;
  Index height = 0, width = 0;
  double noise = 0;  // σ of what was added to y
  Matrix y;          // blocks in reading order × m
};

/// y = Φ x + σ N(0, I) of every block, zeros beyond the image's edges. @throws Error kInvalidArgument for σ < 0.
Measurement measure(const MatrixRef& image, const Sampling& sampling, double noise = 0, std::uint64_t seed = 0);

/// Every number to the middle of its cell of width `step`; its error, step / √12 where cells are small, adds to the
/// noise that decoders are told of. @throws Error kInvalidArgument for step ≤ 0.
Measurement quantized(Measurement measurement, double step);

/// ‖A x − y‖₂ over all blocks. @throws Error kInvalidArgument for an image of another size.
double residual(const Measurement& measurement, const MatrixRef& image);

/// Arrays y, size (height, width, block), noise, and the operator: its name as bytes, seed, and what it makes of one
/// fixed random vector (`probe`), by which a reader knows that it has drawn the same; or `phi` itself.
ArrayMap to_arrays(const Measurement& measurement);
/// @throws Error kFormat, naming `name`, for arrays that are missing or do not fit together.
Measurement to_measurement(const ArrayMap& arrays, std::string_view name);
/// The same without an operator in the file, or with one to be replaced. @throws Error too if Φ does not fit y.
Measurement to_measurement(const ArrayMap& arrays, std::string_view name, const Sampling& sampling);

/// At most 2²⁶ entries: it can be a matrix.
bool is_small(const Sampling& sampling);
/// @throws Error kInvalidArgument unless is_small.
void require_small(const Sampling& sampling);
/// @throws Error kInvalidArgument unless it has so many measurements of blocks of that side.
void require_measured_by(const Measurement& measurement, Index measurements, Index block);

}  // namespace unrect
