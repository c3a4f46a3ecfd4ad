#include "unrect/sensing/consistency.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <string_view>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr std::string_view kSense = "consistency_sense", kCorrect = "consistency_correct";

}  // namespace

Network consistent(const Network& decoder, const Matrix& phi) {
  UNRECT_REQUIRE(phi.rows() == decoder.input_size() && phi.cols() == decoder.output_size(), ErrorCode::kInvalidArgument,
                 "operator of {} × {} for a decoder {} → {}", phi.rows(), phi.cols(), decoder.input_size(),
                 decoder.output_size());
  NetworkBuilder b(decoder.input_shape());
  for (std::size_t i = 1; i < decoder.nodes().size(); ++i) {
    const Node& node = decoder.nodes()[i];
    b.add(*node.op, node.inputs, node.name);
  }
  const int x = decoder.output();
  const int seen = b.add(Dense{phi, Vector::Zero(phi.rows())}, {x}, std::string(kSense));
  const int missing = b.add(Sum{{1.0, -1.0}}, {0, seen}, "missing");
  const Matrix inverse = phi.completeOrthogonalDecomposition().pseudoInverse();
  const int step = b.add(Dense{inverse, Vector::Zero(phi.cols())}, {missing}, std::string(kCorrect));
  const int met = b.add(Sum{{1.0, 1.0}}, {x, step}, "met");
  return std::move(b).build(b.add(clip(0, 1), {met}, "pixels"), decoder.output_shape());
}

std::vector<int> consistency_nodes(const Network& network) {
  std::vector<int> nodes;
  for (int i = 0; i < static_cast<int>(network.nodes().size()); ++i) {
    const std::string& name = network.node(i).name;
    if (name == kSense || name == kCorrect) nodes.push_back(i);
  }
  return nodes;
}

}  // namespace unrect
