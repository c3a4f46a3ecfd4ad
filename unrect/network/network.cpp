#include "unrect/network/network.hpp"

#include <fmt/format.h>

#include <set>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

std::string label(const Node& node, std::size_t number) {
  return fmt::format("node {} '{}' ({})", number, node.name, name_of(*node.op));
}

Index checked_size(const Node& node, std::size_t number, const std::vector<Node>& before) {
  std::vector<Index> sizes;
  for (const int input : node.inputs) {
    UNRECT_REQUIRE(input >= 0 && static_cast<std::size_t>(input) < number, ErrorCode::kInvalidArgument,
                   "{}: reads node {}, expected an earlier one", label(node, number), input);
    sizes.push_back(before[static_cast<std::size_t>(input)].size);
  }
  try {
    const Index size = output_size(*node.op, sizes);
    UNRECT_REQUIRE(size > 0, ErrorCode::kInvalidArgument, "its value is empty, expected at least one element");
    return size;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", label(node, number), error.what()));
  }
}

}  // namespace

Network::Network(std::vector<Node> nodes, int output, Shape input_shape, Shape output_shape) {
  auto graph = std::make_shared<Graph>();
  UNRECT_REQUIRE(!nodes.empty() && nodes[0].op && std::holds_alternative<Input>(*nodes[0].op),
                 ErrorCode::kInvalidArgument, "a network starts with its input node");
  UNRECT_REQUIRE(output >= 0 && static_cast<std::size_t>(output) < nodes.size(), ErrorCode::kInvalidArgument,
                 "output is node {} of {}", output, nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    UNRECT_REQUIRE(nodes[i].op && (i == 0 || !std::holds_alternative<Input>(*nodes[i].op)), ErrorCode::kInvalidArgument,
                   "node {} '{}' is a second input", i, nodes[i].name);
    nodes[i].size = checked_size(nodes[i], i, nodes);
    if (is_piecewise(*nodes[i].op)) graph->layers.push_back(static_cast<int>(i));
  }
  UNRECT_REQUIRE(size_of(input_shape) == nodes[0].size, ErrorCode::kInvalidArgument,
                 "input shape has {} elements, the input node {}", size_of(input_shape), nodes[0].size);
  const Index output_size = nodes[static_cast<std::size_t>(output)].size;
  UNRECT_REQUIRE(size_of(output_shape) == output_size, ErrorCode::kInvalidArgument,
                 "output shape has {} elements, the output node {}", size_of(output_shape), output_size);
  graph->nodes = std::move(nodes);
  graph->output = output;
  graph->input_shape = std::move(input_shape);
  graph->output_shape = std::move(output_shape);
  graph_ = std::move(graph);
}

Network Network::chain(const std::vector<Matrix>& weights, const std::vector<Vector>& biases) {
  UNRECT_REQUIRE(!weights.empty() && weights.size() == biases.size(), ErrorCode::kInvalidArgument,
                 "{} weight matrices and {} biases, expected as many of each and at least one", weights.size(),
                 biases.size());
  NetworkBuilder builder(Shape{weights[0].cols()});
  int last = 0;
  for (std::size_t l = 0; l < weights.size(); ++l) {
    if (l > 0) last = builder.add(relu(), {last}, fmt::format("relu{}", l - 1));
    last = builder.add(Dense{weights[l], biases[l]}, {last}, fmt::format("W{}", l));
  }
  return std::move(builder).build(last);
}

std::vector<Index> Network::widths() const {
  std::vector<Index> widths;
  for (const int layer : layers()) widths.push_back(node(layer).size);
  return widths;
}

Index Network::units() const {
  Index units = 0;
  for (const int layer : layers()) units += node(layer).size;
  return units;
}

Index Network::parameters() const {
  Index count = 0;
  std::set<const Op*> seen;
  for (const Node& node : nodes()) {
    if (!seen.insert(node.op.get()).second) continue;
    count += parameters_of(*node.op);
  }
  return count;
}

NetworkBuilder::NetworkBuilder(Shape input_shape) : input_shape_(std::move(input_shape)) {
  add(Input{size_of(input_shape_)}, {}, "input");
}

int NetworkBuilder::add(Op op, std::vector<int> inputs, std::string name) {
  return add(std::make_shared<const Op>(std::move(op)), std::move(inputs), std::move(name));
}

int NetworkBuilder::add(std::shared_ptr<const Op> op, std::vector<int> inputs, std::string name) {
  Node node{std::move(name), std::move(op), std::move(inputs), 0};
  node.size = checked_size(node, nodes_.size(), nodes_);
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

Network NetworkBuilder::build(int output, Shape output_shape) && {
  return Network(std::move(nodes_), output, std::move(input_shape_), std::move(output_shape));
}

}  // namespace unrect
