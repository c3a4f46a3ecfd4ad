// A ReLU network: an immutable graph of affine and piecewise-linear nodes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "unrect/network/ops.hpp"

namespace unrect {

struct Node {
  std::string name;              // for messages; an imported node keeps the file's name
  std::shared_ptr<const Op> op;  // shared by nodes with equal parameters
  std::vector<int> inputs;       // earlier nodes
  Index size = 0;                // of its value
};

/// A value type: copies share the immutable graph. Node 0 is the Input; every node comes after its inputs.
class Network {
 public:
  /// Adopts nodes in topological order (see NetworkBuilder). @throws Error kInvalidArgument naming the first bad node.
  Network(std::vector<Node> nodes, int output, Shape input_shape, Shape output_shape);

  /// The fully connected network z_l = W_l a_{l−1} + b_l, a_l = max(z_l, 0), with an affine last layer (maths 1.1).
  /// @throws Error kInvalidArgument for shapes that do not chain.
  static Network chain(const std::vector<Matrix>& weights, const std::vector<Vector>& biases);

  const std::vector<Node>& nodes() const { return graph_->nodes; }
  const Node& node(int i) const { return graph_->nodes[static_cast<std::size_t>(i)]; }
  int output() const { return graph_->output; }
  const Shape& input_shape() const { return graph_->input_shape; }
  const Shape& output_shape() const { return graph_->output_shape; }
  Index input_size() const { return node(0).size; }
  Index output_size() const { return node(output()).size; }

  /// Node numbers of the piecewise-linear nodes, in order: "layer" l of a configuration is layers()[l], l = 0, 1, …
  const std::vector<int>& layers() const { return graph_->layers; }
  /// Widths of those layers.
  std::vector<Index> widths() const;
  /// Units of the piecewise-linear nodes, all together.
  Index units() const;
  /// Weights and biases of the affine nodes: a convolution's kernel counts once, and so do parameters that nodes share.
  Index parameters() const;

 private:
  struct Graph {
    std::vector<Node> nodes;
    int output = 0;
    Shape input_shape, output_shape;
    std::vector<int> layers;
  };
  std::shared_ptr<const Graph> graph_;
};

/// Collects nodes; each add() checks the op against its inputs, so that the message names the node at fault.
class NetworkBuilder {
 public:
  explicit NetworkBuilder(Shape input_shape);

  /// The number of the new node. @throws Error kInvalidArgument naming it.
  int add(Op op, std::vector<int> inputs, std::string name = {});
  /// The same with parameters that other nodes have as well.
  int add(std::shared_ptr<const Op> op, std::vector<int> inputs, std::string name = {});
  Index size(int node) const { return nodes_[static_cast<std::size_t>(node)].size; }

  Network build(int output, Shape output_shape) &&;
  Network build(int output) && {
    const Shape shape{size(output)};
    return std::move(*this).build(output, shape);
  }

 private:
  std::vector<Node> nodes_;
  Shape input_shape_;
};

}  // namespace unrect
