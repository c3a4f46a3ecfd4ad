// What the parts of the ONNX reader share: values with their full shapes, the network that grows, one node's arguments.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/network.hpp"

namespace unrect::onnx {

/// What a name of the graph stands for: a constant, or the value of a network node seen through a shape.
struct Value {
  Shape shape;                             // all axes, the batch (1) included
  std::shared_ptr<const Vector> constant;  // null for a variable; integers beyond 2⁵³ are rounded
  bool integer = false;                    // a constant of integer or boolean type: its division truncates
  int node = -1;                           // of a variable
  std::string name;                        // the file's, for messages

  bool is_constant() const { return constant != nullptr; }
  Index size() const { return size_of(shape); }
  Index rank() const { return static_cast<Index>(shape.size()); }
  Index extent(Index axis) const { return shape[static_cast<std::size_t>(axis)]; }
};

std::string to_string(const Shape& shape);

/// The network under construction and what it may still cost.
class Graph {
 public:
  Graph(Shape input_shape, Index max_elements);

  /// Every weight, table entry and value element that the file makes appear is paid for before it is allocated.
  /// @throws Error kUnsupported when the allowance is used up.
  void spend(Index elements);
  /// Elements of a shape, after a check that they are within the allowance. @throws Error kFormat for a bad extent.
  Index count(const Shape& shape) const;

  Value constant(Vector values, Shape shape, bool integer = false) const;
  /// A new node over variables, named after the file's node that is being read.
  Value add(Op op, const std::vector<Value>& inputs, Shape shape);
  /// f where y = f ⊙ x is a node of its own over the node of x; null elsewhere.
  const Vector* factor(const Value& x, const Value& y) const;
  /// A constant as a node that ignores the input; a variable as it is.
  Value as_variable(const Value& value);

  void set_label(std::string label) { label_ = std::move(label); }
  Network build(const Value& output, Shape output_shape) &&;

 private:
  struct Scaled {
    int of;
    std::shared_ptr<const Op> op;
  };
  NetworkBuilder builder_;
  std::map<int, Scaled> scaled_;  // the nodes that are a Scale without a shift
  Index max_elements_;
  Index left_;
  std::string label_;
};

/// One node of the file: its inputs' values and its attributes, each of which an op must read.
class Call {
 public:
  Call(const NodeProto& node, std::vector<const Value*> inputs, Graph& graph, Index opset);

  Graph& graph;
  const Index opset;

  Index inputs() const { return static_cast<Index>(inputs_.size()); }
  Index outputs() const { return std::ssize(node_.output); }
  /// Whether the node gives its k-th output a name.
  bool gives(std::size_t k) const { return k < node_.output.size() && !node_.output[k].empty(); }
  bool has(Index input) const { return input < inputs() && inputs_[static_cast<std::size_t>(input)] != nullptr; }
  const Value& input(Index i) const;
  /// A constant input with finite numbers: weights. @throws Error kUnsupported for a variable, kFormat for NaN or ∞.
  const Vector& weights(Index i) const;
  /// A constant input of whole numbers: axes, shapes, …
  std::vector<Index> integers(Index i) const;

  Index integer(std::string_view name, Index otherwise);
  double real(std::string_view name, double otherwise);
  std::string string(std::string_view name, std::string otherwise);
  std::vector<Index> integers(std::string_view name, std::vector<Index> otherwise);
  /// Null when the attribute is missing.
  const AttributeProto* attribute(std::string_view name);
  const TensorProto* tensor(std::string_view name);
  /// Integers that older opsets hold in an attribute, newer ones in an input; `otherwise` when neither is there.
  std::vector<Index> integers(std::string_view name, Index input, std::vector<Index> otherwise);
  void ignore(std::initializer_list<std::string_view> names);
  /// @throws Error kUnsupported naming an attribute that nobody read.
  void require_all_read() const;

 private:
  const NodeProto& node_;
  std::vector<const Value*> inputs_;
  std::map<std::string_view, const AttributeProto*> attributes_;
  std::set<std::string_view> read_;
};

/// How an op is read: its outputs, in order.
struct OpReader {
  std::string_view name;
  std::vector<Value> (*read)(Call&);
};
std::span<const OpReader> layout_ops();
std::span<const OpReader> shape_ops();
std::span<const OpReader> affine_ops();
std::span<const OpReader> piecewise_ops();
std::span<const OpReader> window_ops();

/// The numbers of a tensor. @throws Error kFormat naming the tensor when its data do not fit its dims.
Value read_tensor(const TensorProto& tensor);
/// "float", "int64", …, or the number of a type without a name here.
std::string type_name(int type);
bool is_float_type(int type);
/// Floats, integers and booleans: what read_tensor() reads.
bool is_real_type(int type);

/// One axis of a rearranged value: position i reads coordinate source_i of an input axis with this stride, or the fill
/// where source_i < 0.
struct Axis {
  Index stride = 0;
  std::vector<Index> source;
};
/// 0, 1, …, count − 1.
std::vector<Index> iota(Index count);
/// Every axis of a shape, read as it is.
std::vector<Axis> axes_of(const Shape& shape);
/// Index tables of rearranged values, C order; −1 where any axis says so.
std::vector<Index> table_of(Graph& graph, const std::vector<Axis>& axes);

/// y_i = x_{index_i}, or fill: of constants and variables alike.
Value select(Graph& graph, const Value& x, std::vector<Index> index, Shape shape, double fill = 0);
/// The extents of the new axes are the shape.
Value rearranged(Graph& graph, const Value& x, const std::vector<Axis>& axes, double fill = 0);
Value reshaped(const Value& x, Shape shape);
Value transposed(Graph& graph, const Value& x, const std::vector<Index>& permutation);
/// numpy's rule. @throws Error kFormat for extents that do not go together.
Shape broadcast(const Shape& a, const Shape& b);
Value broadcast_to(Graph& graph, const Value& x, const Shape& shape);
/// A file's number as an index; far beyond what there can be ("to the end") where Index has fewer bits.
Index index_of(std::int64_t number);
/// −rank ≤ axis < rank, counted from the front. @throws Error kFormat.
Index checked_axis(Index axis, Index rank);
/// Finite, or Error kFormat naming the constant.
const Vector& finite(const Value& constant);

/// factor_a a + factor_b b with numpy's broadcasting.
Value linear_combination(Graph& graph, const Value& a, double factor_a, const Value& b, double factor_b);
Value scaled(Graph& graph, const Value& x, double factor);

}  // namespace unrect::onnx
