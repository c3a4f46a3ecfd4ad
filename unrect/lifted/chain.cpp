#include "unrect/lifted/chain.hpp"

#include <fmt/format.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {

Network to_network(const Chain& chain) {
  UNRECT_REQUIRE(!chain.layers.empty(), ErrorCode::kInvalidArgument, "a chain without layers; expected at least one");
  NetworkBuilder builder({chain.input_size()});
  int node = 0;
  for (std::size_t l = 0; l < chain.layers.size(); ++l) {
    const Matrix& layer = chain.layers[l];
    const Index inputs = layer.cols() - 1;
    node = builder.add(Dense{layer.leftCols(inputs), layer.col(inputs)}, {node}, fmt::format("dense_{}", l + 1));
    if (l + 1 < chain.layers.size() || chain.relu_output)
      node = builder.add(relu(), {node}, fmt::format("relu_{}", l + 1));
  }
  return std::move(builder).build(node);
}

Chain to_chain(const Network& network) {
  Chain chain;
  for (int i = 1; i < static_cast<int>(network.nodes().size()); ++i) {
    const Node& node = network.node(i);
    const Dense* dense = std::get_if<Dense>(node.op.get());
    const Piecewise* piecewise = std::get_if<Piecewise>(node.op.get());
    const bool in_turn = node.inputs == std::vector<int>{i - 1} && chain.relu_output == (piecewise == nullptr) &&
                         (dense != nullptr || (piecewise != nullptr && piecewise->is_relu()));
    // relu_output is false exactly when the node before is a matrix: then a Relu must come.
    const bool first = chain.layers.empty() && dense != nullptr && node.inputs == std::vector<int>{0};
    UNRECT_REQUIRE(in_turn || first, ErrorCode::kUnsupported,
                   "node '{}' ({}): expected matrices and ReLUs in turn, one after another", node.name,
                   name_of(*node.op));
    if (dense != nullptr) {
      Matrix layer(dense->weight.rows(), dense->weight.cols() + 1);
      layer << dense->weight, dense->bias;
      chain.layers.push_back(std::move(layer));
    }
    chain.relu_output = piecewise != nullptr;
  }
  UNRECT_REQUIRE(!chain.layers.empty(), ErrorCode::kUnsupported, "a network without a matrix; expected at least one");
  return chain;
}

Chain initial_chain(const std::vector<Index>& widths, const Vector& output_bias, bool relu_output, Rng rng) {
  UNRECT_REQUIRE(widths.size() >= 2, ErrorCode::kInvalidArgument, "{} widths; expected at least input and output",
                 widths.size());
  UNRECT_REQUIRE(output_bias.size() == widths.back(), ErrorCode::kInvalidArgument,
                 "an output bias of {} values for {} outputs", output_bias.size(), widths.back());
  Chain chain{.layers = {}, .relu_output = relu_output};
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const bool last = l + 1 == widths.size();
    const double scale = (last ? 0.1 : 0.7) * std::sqrt(2.0 / static_cast<double>(widths[l - 1]));
    Matrix layer = Matrix::Zero(widths[l], widths[l - 1] + 1);
    layer.leftCols(widths[l - 1]) = scale * rng.split(l).normal_matrix(widths[l], widths[l - 1]);
    if (last) layer.rightCols(1) = output_bias;
    chain.layers.push_back(layer.cast<float>().cast<double>());
  }
  return chain;
}

}  // namespace unrect
