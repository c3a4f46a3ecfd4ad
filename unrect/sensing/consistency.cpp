#include "unrect/sensing/consistency.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

Matrix pseudo_inverse(const Matrix& phi) { return phi.completeOrthogonalDecomposition().pseudoInverse(); }

}  // namespace

Network consistent(const Network& decoder, const Matrix& phi, int rounds) {
  UNRECT_REQUIRE(phi.rows() == decoder.input_size() && phi.cols() == decoder.output_size(), ErrorCode::kInvalidArgument,
                 "operator of {} × {} for a decoder {} → {}", phi.rows(), phi.cols(), decoder.input_size(),
                 decoder.output_size());
  UNRECT_REQUIRE(rounds >= 1, ErrorCode::kInvalidArgument, "{} rounds, expected at least 1", rounds);
  NetworkBuilder b(decoder.input_shape());
  for (std::size_t i = 1; i < decoder.nodes().size(); ++i) {
    const Node& node = decoder.nodes()[i];
    b.add(*node.op, node.inputs, node.name);
  }
  const auto sense = std::make_shared<const Op>(Dense{phi, Vector::Zero(phi.rows())});
  const auto correct = std::make_shared<const Op>(Dense{pseudo_inverse(phi), Vector::Zero(phi.cols())});
  int x = decoder.output();
  for (int round = 0; round < rounds; ++round) {
    const int missing = b.add(Sum{{1.0, -1.0}}, {0, b.add(sense, {x}, "consistency_sense")}, "missing");
    const int met = b.add(Sum{{1.0, 1.0}}, {x, b.add(correct, {missing}, "consistency_correct")}, "met");
    x = b.add(clip(0, 1), {met}, "pixels");
  }
  return std::move(b).build(x, decoder.output_shape());
}

std::vector<int> consistency_nodes(const Network& network, const Matrix& phi) {
  const auto nodes_of = [&](const Matrix& matrix) {
    const double rounding = std::numeric_limits<float>::epsilon() * matrix.cwiseAbs().maxCoeff();
    std::vector<int> nodes;
    for (int i = 0; i < static_cast<int>(network.nodes().size()); ++i) {
      const Dense* const op = std::get_if<Dense>(network.node(i).op.get());
      if (op != nullptr && op->weight.rows() == matrix.rows() && op->weight.cols() == matrix.cols() &&
          op->bias.isZero(0) && (op->weight - matrix).cwiseAbs().maxCoeff() <= rounding)
        nodes.push_back(i);
    }
    return nodes;
  };
  std::vector<int> nodes = nodes_of(phi);
  if (nodes.empty()) return nodes;  // what never measures never goes back: Φ⁺ need not be known
  for (const int node : nodes_of(pseudo_inverse(phi))) nodes.push_back(node);
  std::ranges::sort(nodes);
  return nodes;
}

}  // namespace unrect
