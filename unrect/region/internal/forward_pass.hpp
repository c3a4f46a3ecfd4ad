// A forward pass that shows what every layer reads.
#pragma once

#include <utility>
#include <vector>

#include "unrect/network/internal/kernels.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

/// The network's outputs for samples, one a row. visit(op, z) is called for every layer, in their order, with the
/// values that it reads.
template <class Visit>
Matrix forward_pass(const Network& network, Matrix samples, const Visit& visit) {
  std::vector<Matrix> values(network.nodes().size());
  values[0] = std::move(samples);
  std::vector<const Matrix*> inputs;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const Node& node = network.nodes()[i];
    inputs.clear();
    for (const int input : node.inputs) inputs.push_back(&values[static_cast<std::size_t>(input)]);
    if (is_piecewise(*node.op)) visit(*node.op, *inputs[0]);
    values[i] = value<double>(*node.op, inputs);
  }
  return std::move(values[static_cast<std::size_t>(network.output())]);
}

}  // namespace unrect
