// Networks drawn at random, for demonstrations, tests and benchmarks.
#pragma once

#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

inline constexpr double kBiasSpread = 0.3;

/// A fully connected ReLU network with layers of these widths (input first, output last), He-normal weights N(0,
/// 2/n_{l−1}) and biases N(0, bias²), all representable in float32. @throws Error kInvalidArgument for fewer than two
/// widths.
Network random_chain(const std::vector<Index>& widths, Rng rng, double bias = kBiasSpread);

/// A small residual convolutional network over (channels, size, size): convolution, ReLU, [convolution, ReLU,
/// convolution, sum with the shortcut, ReLU], max-pool, convolution of stride 2, LeakyReLU, matrix to `outputs`.
Network random_residual(Index channels, Index size, Index outputs, Rng rng);

}  // namespace unrect
