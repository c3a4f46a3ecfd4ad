// A fully connected ReLU network as its trainers see it: one matrix [W_l, b_l] a layer.
#pragma once

#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

/// z_l = W̃_l [a_{l−1}; 1], a_l = max(z_l, 0), l = 1 … L; the last layer is affine, or a ReLU as well.
struct Chain {
  std::vector<Matrix> layers;  // W̃_l = [W_l, b_l]: n_l × (n_{l−1} + 1)
  bool relu_output = false;

  Index input_size() const { return layers.front().cols() - 1; }
  Index output_size() const { return layers.back().rows(); }
};

/// The chain as a network. @throws Error kInvalidArgument for shapes that do not chain.
Network to_network(const Chain& chain);

/// The inverse: Dense and Relu nodes in turn. @throws Error kUnsupported naming the first node that is something else.
Chain to_chain(const Network& network);

/// Start weights for layers of these widths (input first): He normal × 0.7, the last layer × 0.1 with `output_bias` =
/// the targets' mean — with a ReLU output and no bias, half of the layer before the last would start dead. Everything
/// is representable in float32. @throws Error kInvalidArgument for fewer than two widths.
Chain initial_chain(const std::vector<Index>& widths, const Vector& output_bias, bool relu_output, Rng rng);

}  // namespace unrect
