#include "unrect/network/random_network.hpp"

#include <fmt/format.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

Matrix he_normal(Index rows, Index cols, Rng& rng) {
  const Matrix w = rng.normal_matrix(rows, cols) * std::sqrt(2.0 / static_cast<double>(cols));
  return w.cast<float>().cast<double>();
}

Vector bias_normal(Index size, double deviation, Rng& rng) {
  const Vector b = rng.normal_vector(size) * deviation;
  return b.cast<float>().cast<double>();
}

}  // namespace

Network random_chain(const std::vector<Index>& widths, Rng rng, double bias) {
  UNRECT_REQUIRE(widths.size() >= 2, ErrorCode::kInvalidArgument, "{} widths, expected at least input and output",
                 widths.size());
  std::vector<Matrix> weights;
  std::vector<Vector> biases;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    weights.push_back(he_normal(widths[l], widths[l - 1], rng));
    biases.push_back(bias_normal(widths[l], bias, rng));
  }
  return Network::chain(weights, biases);
}

Network random_residual(Index channels, Index size, Index outputs, Rng rng) {
  NetworkBuilder builder(Shape{channels, size, size});
  const Index features = 2 * channels;
  const auto convolve = [&](int x, Index in, Index extent, Index stride, const char* name) {
    Convolution conv;
    conv.window = {in, extent, extent, 3, 3, stride, stride, 1, 1, 1, 1, 1, 1};
    conv.kernel = he_normal(features, in * 9, rng);
    conv.bias = bias_normal(features, 0.1, rng);
    return builder.add(std::move(conv), {x}, name);
  };
  int x = builder.add(relu(), {convolve(0, channels, size, 1, "stem")}, "stem_relu");
  int branch = builder.add(relu(), {convolve(x, features, size, 1, "block_a")}, "block_relu");
  branch = convolve(branch, features, size, 1, "block_b");
  x = builder.add(relu(), {builder.add(Sum{{1, 1}}, {branch, x}, "shortcut")}, "sum_relu");
  const Index half = size / 2;
  Maximum pool;
  pool.width = 4;
  for (Index c = 0; c < features; ++c) {
    for (Index i = 0; i < half; ++i) {
      for (Index j = 0; j < half; ++j) {
        for (Index k = 0; k < 4; ++k) pool.index.push_back((c * size + 2 * i + k / 2) * size + 2 * j + k % 2);
      }
    }
  }
  x = builder.add(std::move(pool), {x}, "pool");
  x = builder.add(leaky_relu(0.1), {convolve(x, features, half, 2, "down")}, "leaky");
  const Index flat = builder.size(x);
  x = builder.add(Dense{he_normal(outputs, flat, rng), bias_normal(outputs, 0.1, rng)}, {x}, "head");
  return std::move(builder).build(x);
}

}  // namespace unrect
