#include "unrect/sensing/measurement.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace unrect {
namespace {

constexpr std::array<std::string_view, 7> kNames{"gaussian", "bernoulli", "orthonormal", "hadamard",
                                                 "dct",      "fourier",   "given"};
constexpr Index kMostEntries = Index{1} << 26;  // of a stored Φ
constexpr double kLargest = 1e100;              // of y: squares must not overflow

double largest(const Matrix& y) { return y.cwiseAbs().maxCoeff<Eigen::PropagateNaN>(); }

bool sane(const Matrix& y) { return largest(y) <= kLargest; }

Vector probe(const LinearOperator& phi) { return phi.apply(Rng(0).normal_vector(phi.cols())); }

Array scalar(std::int64_t value) { return Array::from(std::vector<std::int64_t>{value}); }

const Array& find(const ArrayMap& arrays, const std::string& key, std::string_view name) {
  const auto at = arrays.find(key);
  UNRECT_REQUIRE(at != arrays.end(), ErrorCode::kFormat, "{}: no array \"{}\", expected a file that unrect sense wrote",
                 name, key);
  return at->second;
}

/// Whole numbers of 0 … 2⁵³.
std::vector<Index> whole(const ArrayMap& arrays, const std::string& key, Index count, std::string_view name) {
  const Array& array = find(arrays, key, name);
  UNRECT_REQUIRE(array.size() == count, ErrorCode::kFormat, "{}: {} numbers in \"{}\", expected {}", name, array.size(),
                 key, count);
  std::vector<Index> values;
  for (const double v : array.to_vector()) {
    UNRECT_REQUIRE(v >= 0 && v <= 0x1p53 && v == std::floor(v), ErrorCode::kFormat,
                   "{}: {} in \"{}\", expected a whole number", name, v, key);
    values.push_back(static_cast<Index>(v));
  }
  return values;
}

Sampling to_sampling(const ArrayMap& arrays, Index measurements, Index block, std::string_view name) {
  const std::string kind = find(arrays, "operator", name).bytes;
  if (kind == "given") return given_sampling(find(arrays, "phi", name).to_matrix(name), name);
  const auto seed = static_cast<std::uint64_t>(whole(arrays, "seed", 1, name)[0]);
  const auto drawn = [&] {
    try {
      return draw_sampling(sensing_kind_named(kind), measurements, block, seed);
    } catch (const Error& error) {
      throw Error(ErrorCode::kFormat, fmt::format("{}: {}", name, error.what()));
    }
  };
  Sampling sampling = drawn();
  const Vector expected = find(arrays, "probe", name).to_vector();
  UNRECT_REQUIRE(
      expected.size() == measurements && (probe(sampling.phi) - expected).norm() <= 1e-9 * (1 + expected.norm()),
      ErrorCode::kFormat, "{}: its {} operator of seed {} is not the one that is drawn here", name, kind, seed);
  return sampling;
}

struct Frame {
  Index height, width, block;
};

Frame to_frame(const ArrayMap& arrays, std::string_view name) {
  const std::vector<Index> size = whole(arrays, "size", 3, name);
  UNRECT_REQUIRE(size[0] >= 1 && size[1] >= 1 && size[0] <= kMostPixels / size[1] && size[2] >= 1 &&
                     size[2] <= kMostPixels / size[2],
                 ErrorCode::kFormat, "{}: image of {} × {} in blocks of {}, expected 1 to {} pixels", name, size[0],
                 size[1], size[2], kMostPixels);
  return {size[0], size[1], size[2]};
}

Measurement with_sampling(const ArrayMap& arrays, const Frame& frame, Sampling sampling, std::string_view name) {
  Measurement result{std::move(sampling), frame.height, frame.width, 0, find(arrays, "y", name).to_matrix(name)};
  const Index block = frame.block;
  UNRECT_REQUIRE(result.sampling.block == block, ErrorCode::kFormat,
                 "{}: blocks of {} × {}, but the operator takes {} × {}", name, block, block, result.sampling.block,
                 result.sampling.block);
  const Index blocks = ((frame.height + block - 1) / block) * ((frame.width + block - 1) / block);
  UNRECT_REQUIRE(result.y.rows() == blocks && result.y.cols() == result.sampling.measurements(), ErrorCode::kFormat,
                 "{}: y is {} × {}, expected {} blocks × {} measurements", name, result.y.rows(), result.y.cols(),
                 blocks, result.sampling.measurements());
  UNRECT_REQUIRE(sane(result.y), ErrorCode::kFormat, "{}: y goes up to {:g}, expected finite numbers of at most {:g}",
                 name, largest(result.y), kLargest);
  const Vector noise = find(arrays, "noise", name).to_vector();
  UNRECT_REQUIRE(noise.size() == 1 && noise[0] >= 0 && std::isfinite(noise[0]), ErrorCode::kFormat,
                 "{}: \"noise\" is not one number ≥ 0", name);
  result.noise = noise[0];
  return result;
}

}  // namespace

std::string_view name_of(SensingKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

SensingKind sensing_kind_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<SensingKind>(i);
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("operator \"{}\", expected one of {}", name, fmt::join(kNames, ", ")));
}

Index measurements_for(double ratio, Index pixels) {
  UNRECT_REQUIRE(ratio > 0 && ratio <= 1, ErrorCode::kInvalidArgument, "ratio {}, expected above 0, at most 1", ratio);
  return std::max<Index>(1, std::llround(ratio * static_cast<double>(pixels)));
}

Sampling draw_sampling(SensingKind kind, Index measurements, Index block, std::uint64_t seed) {
  UNRECT_REQUIRE(block >= 1 && block <= kMostPixels / block && measurements >= 1 && measurements <= block * block,
                 ErrorCode::kInvalidArgument, "{} measurements of blocks of {} × {}, expected 1 to as many as pixels",
                 measurements, block, block);
  const Index pixels = block * block;
  const bool stored =
      kind == SensingKind::kGaussian || kind == SensingKind::kBernoulli || kind == SensingKind::kOrthonormal;
  UNRECT_REQUIRE(!stored || measurements <= kMostEntries / pixels, ErrorCode::kInvalidArgument,
                 "{} operator of {} × {}: too large, expected a smaller block, hadamard, dct or fourier", name_of(kind),
                 measurements, pixels);
  const Rng rng = Rng(seed).split(0);
  switch (kind) {
    case SensingKind::kGaussian:
      return {kind, seed, block, gaussian_operator(measurements, pixels, rng)};
    case SensingKind::kBernoulli:
      return {kind, seed, block, bernoulli_operator(measurements, pixels, rng)};
    case SensingKind::kOrthonormal:
      return {kind, seed, block, orthonormal_operator(measurements, pixels, rng)};
    case SensingKind::kHadamard:
      return {kind, seed, block, hadamard_operator(measurements, pixels, rng)};
    case SensingKind::kDct:
      return {kind, seed, block, partial_dct_operator(measurements, pixels, rng)};
    case SensingKind::kFourier:
      return {kind, seed, block, partial_fourier_operator(measurements, pixels, rng)};
    case SensingKind::kGiven:
      break;
  }
  throw Error(ErrorCode::kInvalidArgument, "a given operator is not drawn");
}

Sampling given_sampling(Matrix phi, std::string_view name) {
  const Index block = block_side(phi.cols());
  UNRECT_REQUIRE(phi.rows() >= 1 && block >= 1 && phi.allFinite(), ErrorCode::kInvalidArgument,
                 "{}: operator of {} × {}, expected rows of a square number of pixels, all finite", name, phi.rows(),
                 phi.cols());
  UNRECT_REQUIRE(!phi.isZero(0), ErrorCode::kInvalidArgument, "{}: an operator of zeros measures nothing", name);
  return {SensingKind::kGiven, 0, block, LinearOperator(std::move(phi))};
}

Sampling read_sampling(const std::filesystem::path& npy) {
  return given_sampling(read_npy(npy).to_matrix(npy.string()), npy.string());
}

Measurement measure(const MatrixRef& image, const Sampling& sampling, double noise, std::uint64_t seed) {
  Matrix y = sampling.phi.apply_rows(to_blocks(image, sampling.block));
  if (noise != 0) y = add_noise(y, noise, Rng(seed).split(1));
  UNRECT_REQUIRE(sane(y), ErrorCode::kInvalidArgument,
                 "measurements go up to {:g}, expected at most {:g}: an operator or a noise of saner size", largest(y),
                 kLargest);
  return {sampling, image.rows(), image.cols(), noise, std::move(y)};
}

Measurement quantized(Measurement measurement, double step) {
  measurement.y = quantize(measurement.y, step);
  measurement.noise = std::hypot(measurement.noise, step / std::sqrt(12.0));
  return measurement;
}

double residual(const Measurement& measurement, const MatrixRef& image) {
  UNRECT_REQUIRE(image.rows() == measurement.height && image.cols() == measurement.width, ErrorCode::kInvalidArgument,
                 "image of {} × {}, but {} × {} was measured", image.rows(), image.cols(), measurement.height,
                 measurement.width);
  return (measurement.sampling.phi.apply_rows(to_blocks(image, measurement.sampling.block)) - measurement.y).norm();
}

ArrayMap to_arrays(const Measurement& measurement) {
  const Sampling& sampling = measurement.sampling;
  const std::string_view kind = name_of(sampling.kind);
  ArrayMap arrays{
      {"y", Array::from(measurement.y)},
      {"size", Array::from(std::vector<std::int64_t>{measurement.height, measurement.width, sampling.block})},
      {"noise", Array::from(Vector(Vector::Constant(1, measurement.noise)))},
      {"operator", Array::from(std::vector<std::uint8_t>(kind.begin(), kind.end()))}};
  if (sampling.kind == SensingKind::kGiven) {
    arrays.emplace("phi", Array::from(sampling.phi.to_matrix()));
  } else {
    arrays.emplace("seed", scalar(static_cast<std::int64_t>(sampling.seed)));
    arrays.emplace("probe", Array::from(probe(sampling.phi)));
  }
  return arrays;
}

Measurement to_measurement(const ArrayMap& arrays, std::string_view name) {
  const Frame frame = to_frame(arrays, name);
  const Array& y = find(arrays, "y", name);
  UNRECT_REQUIRE(y.shape.size() == 2 && y.shape[1] >= 1, ErrorCode::kFormat, "{}: \"y\" is not blocks × measurements",
                 name);
  return with_sampling(arrays, frame, to_sampling(arrays, y.shape[1], frame.block, name), name);
}

Measurement to_measurement(const ArrayMap& arrays, std::string_view name, const Sampling& sampling) {
  return with_sampling(arrays, to_frame(arrays, name), sampling, name);
}

bool is_small(const Sampling& sampling) { return sampling.phi.rows() <= kMostEntries / sampling.phi.cols(); }

void require_small(const Sampling& sampling) {
  UNRECT_REQUIRE(is_small(sampling), ErrorCode::kInvalidArgument,
                 "operator of {} × {} is too large for a decoder of blocks, expected tv or iht", sampling.phi.rows(),
                 sampling.phi.cols());
}

void require_measured_by(const Measurement& measurement, Index measurements, Index block) {
  UNRECT_REQUIRE(measurement.y.cols() == measurements && measurement.sampling.block == block,
                 ErrorCode::kInvalidArgument,
                 "{} measurements of blocks of {}, but the decoder was made for {} of blocks of {}",
                 measurement.y.cols(), measurement.sampling.block, measurements, block);
}

}  // namespace unrect
