#include "unrect/network/internal/onnx_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect::onnx {
namespace {

constexpr Index kMaxRank = 64;
constexpr Index kMaxEmpty = 1 << 20;  // elements that an empty value would have without its zero extents

/// Saturates: exporters write ±2⁶³ for "to the end".
Index whole(double value, std::string_view name) {
  UNRECT_REQUIRE(value == std::floor(value) || std::isinf(value), ErrorCode::kFormat,
                 "input '{}' holds {}, expected whole numbers", name, value);
  constexpr double kLimit = 4e18;
  return index_of(static_cast<std::int64_t>(std::clamp(value, -kLimit, kLimit)));
}

}  // namespace

Index index_of(std::int64_t number) {
  constexpr std::int64_t kMost = std::numeric_limits<Index>::max();
  return static_cast<Index>(std::clamp(number, -kMost, kMost));
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

const Vector& finite(const Value& constant) {
  const Vector& values = *constant.constant;
  for (Index i = 0; i < values.size(); ++i) {
    UNRECT_REQUIRE(std::isfinite(values[i]), ErrorCode::kFormat,
                   "tensor '{}' holds {} at element {}, expected finite numbers", constant.name, values[i], i);
  }
  return values;
}

Graph::Graph(Shape input_shape, Index max_elements)
    : builder_(std::move(input_shape)), max_elements_(max_elements), left_(max_elements) {
  spend(builder_.size(0));
}

void Graph::spend(Index elements) {
  UNRECT_REQUIRE(
      elements <= left_, ErrorCode::kUnsupported,
      "the network needs more than {} weights, table entries and value elements (ImportOptions::max_elements)",
      max_elements_);
  left_ -= elements;
}

Index Graph::count(const Shape& shape) const {
  UNRECT_REQUIRE(static_cast<Index>(shape.size()) <= kMaxRank, ErrorCode::kFormat, "{} axes, expected at most {}",
                 shape.size(), kMaxRank);
  Index count = 1;
  bool empty = false;
  for (const Index extent : shape) {
    UNRECT_REQUIRE(extent >= 0, ErrorCode::kFormat, "shape {} has a negative extent", to_string(shape));
    UNRECT_REQUIRE(extent == 0 || count <= max_elements_ / extent, ErrorCode::kUnsupported,
                   "a value of shape {} has more than {} elements", to_string(shape), max_elements_);
    empty = empty || extent == 0;
    count *= std::max<Index>(extent, 1);
  }
  UNRECT_REQUIRE(!empty || count <= kMaxEmpty, ErrorCode::kUnsupported, "an empty value of shape {}", to_string(shape));
  return empty ? 0 : count;
}

Value Graph::constant(Vector values, Shape shape, bool integer) const {
  return {std::move(shape), std::make_shared<const Vector>(std::move(values)), integer, -1, label_};
}

Value Graph::add(Op op, const std::vector<Value>& inputs, Shape shape) {
  std::vector<int> nodes;
  std::vector<Index> sizes;
  for (const Value& input : inputs) {
    nodes.push_back(input.node);
    sizes.push_back(builder_.size(input.node));
  }
  const Index size = output_size(op, sizes);  // here, so that the message starts with the file's node
  UNRECT_REQUIRE(size == count(shape) && size > 0, ErrorCode::kFormat, "a value of {} elements has the shape {}", size,
                 to_string(shape));
  spend(size);
  const auto shared = std::make_shared<const Op>(std::move(op));
  const int node = builder_.add(shared, nodes, label_);
  const Scale* scale = std::get_if<Scale>(shared.get());
  if (scale != nullptr && scale->shift.isZero(0)) scaled_.emplace(node, Scaled{nodes[0], shared});
  return {std::move(shape), nullptr, false, node, label_};
}

const Vector* Graph::factor(const Value& x, const Value& y) const {
  const auto found = scaled_.find(y.node);
  return found != scaled_.end() && found->second.of == x.node ? &std::get<Scale>(*found->second.op).factor : nullptr;
}

Value Graph::as_variable(const Value& value) {
  if (!value.is_constant()) return value;
  spend(2 * value.size());
  Select op{std::vector<Index>(static_cast<std::size_t>(value.size()), -1), finite(value)};
  Value input;
  input.node = 0;
  return add(std::move(op), {input}, value.shape);
}

Network Graph::build(const Value& output, Shape output_shape) && {
  return std::move(builder_).build(output.node, std::move(output_shape));
}

Call::Call(const NodeProto& node, std::vector<const Value*> inputs, Graph& graph_under_construction,
           Index opset_version)
    : graph(graph_under_construction), opset(opset_version), node_(node), inputs_(std::move(inputs)) {
  for (const AttributeProto& attribute : node.attribute) {
    UNRECT_REQUIRE(attributes_.emplace(attribute.name, &attribute).second, ErrorCode::kFormat,
                   "attribute '{}' comes twice", attribute.name);
    UNRECT_REQUIRE(attribute.ref_attr_name.empty(), ErrorCode::kUnsupported,
                   "attribute '{}' refers to a function's argument", attribute.name);
  }
}

const Value& Call::input(Index i) const {
  UNRECT_REQUIRE(has(i), ErrorCode::kFormat, "input {} is missing", i);
  return *inputs_[static_cast<std::size_t>(i)];
}

const Vector& Call::weights(Index i) const {
  const Value& value = input(i);
  UNRECT_REQUIRE(value.is_constant(), ErrorCode::kUnsupported, "input {} '{}' is not constant", i, value.name);
  return finite(value);
}

std::vector<Index> Call::integers(Index i) const {
  const Value& value = input(i);
  UNRECT_REQUIRE(value.is_constant(), ErrorCode::kUnsupported, "input {} '{}' is not constant", i, value.name);
  std::vector<Index> result;
  for (const double v : *value.constant) result.push_back(whole(v, value.name));
  return result;
}

const AttributeProto* Call::attribute(std::string_view name) {
  read_.insert(name);
  const auto found = attributes_.find(name);
  return found == attributes_.end() ? nullptr : found->second;
}

Index Call::integer(std::string_view name, Index otherwise) {
  const AttributeProto* a = attribute(name);
  if (a == nullptr) return otherwise;
  UNRECT_REQUIRE(a->i.has_value(), ErrorCode::kFormat, "attribute '{}' is not an integer", name);
  return index_of(*a->i);
}

double Call::real(std::string_view name, double otherwise) {
  const AttributeProto* a = attribute(name);
  if (a == nullptr) return otherwise;
  UNRECT_REQUIRE(a->f && !std::isnan(*a->f), ErrorCode::kFormat, "attribute '{}' is not a number", name);
  return *a->f;
}

std::string Call::string(std::string_view name, std::string otherwise) {
  const AttributeProto* a = attribute(name);
  if (a == nullptr) return otherwise;
  UNRECT_REQUIRE(a->s.has_value(), ErrorCode::kFormat, "attribute '{}' is not a string", name);
  return *a->s;
}

std::vector<Index> Call::integers(std::string_view name, std::vector<Index> otherwise) {
  const AttributeProto* a = attribute(name);
  if (a == nullptr) return otherwise;
  UNRECT_REQUIRE(!a->i && !a->f && !a->s && !a->t && a->floats.empty(), ErrorCode::kFormat,
                 "attribute '{}' is not a list of integers", name);
  std::vector<Index> values(a->ints.size());
  std::ranges::transform(a->ints, values.begin(), index_of);
  return values;
}

const TensorProto* Call::tensor(std::string_view name) {
  const AttributeProto* a = attribute(name);
  if (a == nullptr) return nullptr;
  UNRECT_REQUIRE(a->t.has_value(), ErrorCode::kFormat, "attribute '{}' is not a tensor", name);
  return &*a->t;
}

std::vector<Index> Call::integers(std::string_view name, Index i, std::vector<Index> otherwise) {
  if (!has(i)) return integers(name, std::move(otherwise));
  UNRECT_REQUIRE(attribute(name) == nullptr, ErrorCode::kFormat, "'{}' comes twice, as an attribute and as input {}",
                 name, i);
  return integers(i);
}

void Call::ignore(std::initializer_list<std::string_view> names) { read_.insert(names.begin(), names.end()); }

void Call::require_all_read() const {
  for (const auto& [name, attribute] : attributes_) {
    UNRECT_REQUIRE(read_.contains(name), ErrorCode::kUnsupported, "attribute '{}' is not one that unrect knows", name);
  }
}

}  // namespace unrect::onnx
