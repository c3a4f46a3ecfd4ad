#include "unrect/network/mean.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

using SharedOp = std::shared_ptr<const Op>;

bool equal_matrices(const Op& a, const Op& b) {
  const auto *x = std::get_if<Dense>(&a), *y = std::get_if<Dense>(&b);
  return x != nullptr && y != nullptr && x->weight.rows() == y->weight.rows() && x->weight.cols() == y->weight.cols() &&
         x->bias == y->bias && x->weight == y->weight;
}

}  // namespace

Network mean(const std::vector<Network>& networks) {
  UNRECT_REQUIRE(!networks.empty(), ErrorCode::kInvalidArgument, "the mean of no networks; expected at least one");
  const Network& first = networks.front();
  if (networks.size() == 1) return first;
  NetworkBuilder b(first.input_shape());
  std::vector<SharedOp> kept;
  std::vector<int> answers;
  for (std::size_t k = 0; k < networks.size(); ++k) {
    const Network& network = networks[k];
    UNRECT_REQUIRE(network.input_size() == first.input_size() && network.output_size() == first.output_size(),
                   ErrorCode::kInvalidArgument, "the mean of networks {} → {} and {} → {}; expected one size",
                   first.input_size(), first.output_size(), network.input_size(), network.output_size());
    std::vector<int> moved{0};  // the new number of every node
    for (std::size_t i = 1; i < network.nodes().size(); ++i) {
      const Node& node = network.nodes()[i];
      std::vector<int> inputs;
      for (const int input : node.inputs) inputs.push_back(moved[static_cast<std::size_t>(input)]);
      const auto same = std::ranges::find_if(kept, [&](const SharedOp& op) { return equal_matrices(*op, *node.op); });
      const SharedOp op = same == kept.end() ? kept.emplace_back(node.op) : *same;
      moved.push_back(b.add(op, std::move(inputs), fmt::format("{}_{}", node.name, k)));
    }
    answers.push_back(moved[static_cast<std::size_t>(network.output())]);
  }
  const Index size = first.output_size();
  const double share = 1 / static_cast<double>(networks.size());
  const int sum = b.add(Sum{std::vector<double>(networks.size(), 1.0)}, answers, "sum");
  const int answer = b.add(Scale{Vector::Constant(size, share), Vector::Zero(size)}, {sum}, "mean");
  return std::move(b).build(answer, first.output_shape());
}

}  // namespace unrect
