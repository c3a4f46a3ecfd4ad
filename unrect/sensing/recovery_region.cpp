#include "unrect/sensing/recovery_region.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/operator.hpp"

namespace unrect {
namespace {

Vector flat(const Matrix& m) { return Eigen::Map<const Vector>(m.data(), m.size()); }

Matrix small_matrix(const Sampling& sampling) {
  require_small(sampling);
  return sampling.phi.to_matrix();
}

}  // namespace

RecoveryRegion::RecoveryRegion(const Unrolled& unrolled, const Measurement& measurement)
    : measurement_(measurement),
      channels_(unrolled.channels),
      network_(unrolled.network(small_matrix(measurement.sampling), measurement.height, measurement.width,
                                measurement.noise)),
      trace_(trace(network_, flat(measurement.y))),
      region_(network_, trace_.configuration) {}

Image RecoveryRegion::image() const {
  return Eigen::Map<const Matrix>(trace_.output.data(), measurement_.height, measurement_.width);
}

std::vector<RectifierActivity> RecoveryRegion::activity() const {
  std::vector<RectifierActivity> result;
  for (const std::vector<std::uint16_t>& pieces : trace_.configuration.layers) {
    RectifierActivity layer{static_cast<Index>(pieces.size()), 0, channels_, 0};
    const Index positions = layer.units / channels_;
    for (Index c = 0; c < channels_; ++c) {
      Index on = 0;
      for (Index k = 0; k < positions; ++k) on += pieces[static_cast<std::size_t>(c * positions + k)] != 0 ? 1 : 0;
      layer.on += on;
      layer.dead += on == 0 ? 1 : 0;
    }
    result.push_back(layer);
  }
  return result;
}

double RecoveryRegion::noise_gain(Rng rng, Index steps, const Context& context) const {
  const auto most = static_cast<double>(2 * std::min(steps, network_.input_size()));
  double done = 0;
  const auto report = [&] {
    const bool goes_on = !context.progress || context.progress({"products for the noise gain", done, most});
    UNRECT_REQUIRE(goes_on, ErrorCode::kCancelled, "interrupted after {} of {} products for the noise gain", done,
                   most);
    ++done;
  };
  const LinearOperator map(
      network_.output_size(), network_.input_size(),
      [&](const MatrixRef& rows) {
        report();
        return Matrix(region_.multiply(rows.transpose()).transpose());
      },
      [&](const MatrixRef& rows) {
        report();
        return Matrix(region_.multiply_transposed(rows.transpose()).transpose());
      });
  return std::sqrt(gram_spectrum(map, rng, steps).largest);
}

Image RecoveryRegion::filter(Index i, Index j) const {
  UNRECT_REQUIRE(i >= 0 && j >= 0 && i < measurement_.height && j < measurement_.width, ErrorCode::kInvalidArgument,
                 "pixel ({}, {}) of an image of {} × {}", i, j, measurement_.height, measurement_.width);
  Vector one = Vector::Zero(network_.output_size());
  one(i * measurement_.width + j) = 1;
  const Matrix row = region_.multiply_transposed(one);
  const Eigen::Map<const Matrix> by_block(row.data(), measurement_.y.rows(), measurement_.y.cols());
  return from_blocks(measurement_.sampling.phi.adjoint_rows(by_block), measurement_.height, measurement_.width,
                     measurement_.sampling.block);
}

double RecoveryRegion::switched(double sigma, Rng rng) const {
  const Vector y = flat(measurement_.y);
  const Configuration other = trace(network_, y + sigma * rng.normal_vector(y.size())).configuration;
  Index changed = 0;
  for (std::size_t l = 0; l < other.layers.size(); ++l) {
    for (std::size_t k = 0; k < other.layers[l].size(); ++k)
      changed += other.layers[l][k] != trace_.configuration.layers[l][k] ? 1 : 0;
  }
  return static_cast<double>(changed) / static_cast<double>(network_.units());
}

}  // namespace unrect
