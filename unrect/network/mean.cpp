#include "unrect/network/mean.hpp"

#include <fmt/format.h>

#include "unrect/base/error.hpp"

namespace unrect {

Network mean(const std::vector<Network>& networks) {
  UNRECT_REQUIRE(!networks.empty(), ErrorCode::kInvalidArgument, "the mean of no networks; expected at least one");
  const Network& first = networks.front();
  if (networks.size() == 1) return first;
  NetworkBuilder b(first.input_shape());
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
      moved.push_back(b.add(node.op, std::move(inputs), fmt::format("{}_{}", node.name, k)));
    }
    answers.push_back(moved[static_cast<std::size_t>(network.output())]);
  }
  const std::vector<double> shares(networks.size(), 1 / static_cast<double>(networks.size()));
  const int answer = b.add(Sum{shares}, answers, "mean");
  return std::move(b).build(answer, first.output_shape());
}

}  // namespace unrect
