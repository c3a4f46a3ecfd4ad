// Samples to learn from, and networks to start with.
#pragma once

#include <cstdint>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/train/train.hpp"

namespace unrect {

/// Targets of a random teacher.
inline Samples teacher_samples(Index count, Index inputs, Index outputs, std::uint64_t seed) {
  const Network teacher = random_chain({inputs, 12, outputs}, Rng(seed));
  const Matrix x = Rng(seed + 1).normal_matrix(count, inputs);
  return {x.cast<float>(), Evaluator<double>(teacher)(x).cast<float>()};
}

/// A network of these hidden layers to start from.
inline Network start_for(const Samples& samples, const std::vector<Index>& hidden, bool relu_output = false) {
  std::vector<Index> widths{samples.inputs.cols()};
  widths.insert(widths.end(), hidden.begin(), hidden.end());
  widths.push_back(samples.targets.cols());
  return to_network(
      initial_chain(widths, samples.targets.colwise().mean().cast<double>().transpose(), relu_output, Rng(5)));
}

/// Whether two chains have the same weights, to the last bit.
inline bool equal(const Network& a, const Network& b) {
  const Chain x = to_chain(a), y = to_chain(b);
  for (std::size_t l = 0; l < x.layers.size(); ++l) {
    if (x.layers[l] != y.layers[l]) return false;
  }
  return true;
}

}  // namespace unrect
