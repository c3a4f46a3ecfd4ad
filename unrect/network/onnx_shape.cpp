// Ops that look at shapes, make constants or leave the elements where they are.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

Value of_integers(const Graph& graph, const std::vector<Index>& values, Shape shape) {
  return graph.constant(
      Eigen::Map<const Eigen::Matrix<Index, Eigen::Dynamic, 1>>(values.data(), std::ssize(values)).cast<double>(),
      std::move(shape), true);
}

/// A constant of one element. @throws Error kFormat otherwise.
double single(Call& call, Index input) {
  const Vector& values = call.weights(input);
  UNRECT_REQUIRE(values.size() == 1, ErrorCode::kFormat, "input {} has {} elements, expected 1", input, values.size());
  return values[0];
}

Value with_shape(Call& call, Shape shape) {
  call.graph.count(shape);
  return reshaped(call.input(0), std::move(shape));
}

std::vector<Value> identity(Call& call) { return {call.input(0)}; }

std::vector<Value> dropout(Call& call) {
  call.ignore({"seed"});
  UNRECT_REQUIRE(call.integer("is_test", 1) != 0, ErrorCode::kUnsupported, "is_test is 0: the output is random");
  const double ratio = call.has(1) ? single(call, 1) : call.real("ratio", 0.5);
  UNRECT_REQUIRE(!call.has(2) || single(call, 2) == 0 || ratio == 0, ErrorCode::kUnsupported,
                 "training_mode is true: the output is random");
  return {call.input(0)};
}

std::vector<Value> cast(Call& call) {
  call.ignore({"saturate"});
  const Index to = call.integer("to", TensorProto::UNDEFINED);
  Value x = call.input(0);
  const int type = static_cast<int>(std::clamp<Index>(to, 0, 1000));
  if (!x.is_constant()) {
    UNRECT_REQUIRE(type == TensorProto::FLOAT || type == TensorProto::DOUBLE, ErrorCode::kUnsupported,
                   "a cast of a variable to {} rounds, expected float or double", type_name(type));
    return {x};
  }
  UNRECT_REQUIRE(is_real_type(type), ErrorCode::kUnsupported, "a cast to type {}", type_name(type));
  x.integer = !is_float_type(type);
  if (x.integer) {
    call.graph.spend(x.size());
    Vector values = *x.constant;
    for (double& v : values) v = type == TensorProto::BOOL ? (v != 0 ? 1 : 0) : std::trunc(v);
    x.constant = std::make_shared<const Vector>(std::move(values));
  }
  return {x};
}

std::vector<Value> reshape(Call& call) {
  const Value& x = call.input(0);
  const bool zero_is_zero = call.integer("allowzero", 0) != 0;
  std::vector<Index> shape = call.integers("shape", 1, {});
  Index unknown = -1, known = 1;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    if (shape[k] == 0 && !zero_is_zero) {
      UNRECT_REQUIRE(k < x.shape.size(), ErrorCode::kFormat, "shape {} keeps axis {} of {}", to_string(shape), k,
                     to_string(x.shape));
      shape[k] = x.shape[k];
    }
    if (shape[k] == -1) {
      UNRECT_REQUIRE(unknown < 0, ErrorCode::kFormat, "shape {} leaves two extents open", to_string(shape));
      unknown = static_cast<Index>(k);
    } else {
      known = call.graph.count({known, shape[k]});
    }
  }
  if (unknown >= 0) {
    UNRECT_REQUIRE(known > 0 && x.size() % known == 0, ErrorCode::kFormat, "shape {} cannot become {}",
                   to_string(x.shape), to_string(shape));
    shape[static_cast<std::size_t>(unknown)] = x.size() / known;
  }
  return {with_shape(call, std::move(shape))};
}

std::vector<Value> flatten(Call& call) {
  const Value& x = call.input(0);
  const Index axis = call.integer("axis", 1);
  UNRECT_REQUIRE(axis >= -x.rank() && axis <= x.rank(), ErrorCode::kFormat, "axis {} of the shape {}", axis,
                 to_string(x.shape));
  const auto middle = x.shape.begin() + (axis < 0 ? axis + x.rank() : axis);
  const Index rows = std::accumulate(x.shape.begin(), middle, Index{1}, std::multiplies<>());
  return {with_shape(call, {rows, std::accumulate(middle, x.shape.end(), Index{1}, std::multiplies<>())})};
}

std::vector<Value> squeeze(Call& call) {
  const Value& x = call.input(0);
  std::vector<Index> every_one;
  for (Index axis = 0; axis < x.rank(); ++axis) {
    if (x.extent(axis) == 1) every_one.push_back(axis);
  }
  std::vector<bool> drop(x.shape.size(), false);
  for (const Index a : call.integers("axes", 1, every_one)) {
    const Index axis = checked_axis(a, x.rank());
    UNRECT_REQUIRE(x.extent(axis) == 1, ErrorCode::kFormat, "axis {} of the shape {} is not 1", a, to_string(x.shape));
    drop[static_cast<std::size_t>(axis)] = true;
  }
  Shape shape;
  for (std::size_t k = 0; k < drop.size(); ++k) {
    if (!drop[k]) shape.push_back(x.shape[k]);
  }
  return {with_shape(call, std::move(shape))};
}

std::vector<Value> unsqueeze(Call& call) {
  const Value& x = call.input(0);
  const std::vector<Index> axes = call.integers("axes", 1, {});
  const Index rank = x.rank() + std::ssize(axes);
  call.graph.count(Shape(static_cast<std::size_t>(rank), 1));
  std::vector<bool> is_new(static_cast<std::size_t>(rank), false);
  for (const Index a : axes) {
    const auto axis = static_cast<std::size_t>(checked_axis(a, rank));
    UNRECT_REQUIRE(!is_new[axis], ErrorCode::kFormat, "axes {} name one twice", to_string(axes));
    is_new[axis] = true;
  }
  Shape shape;
  auto next = x.shape.begin();
  for (const bool added : is_new) shape.push_back(added ? 1 : *next++);
  return {with_shape(call, std::move(shape))};
}

std::vector<Value> shape_of(Call& call) {
  const Shape& shape = call.input(0).shape;
  const Index rank = call.input(0).rank();
  const auto bound = [&](Index i) { return std::clamp<Index>(i < 0 ? i + rank : i, 0, rank); };
  const Index start = bound(call.integer("start", 0)), end = std::max(start, bound(call.integer("end", rank)));
  return {of_integers(call.graph, Shape(shape.begin() + start, shape.begin() + end), {end - start})};
}

std::vector<Value> size(Call& call) { return {of_integers(call.graph, {call.input(0).size()}, {})}; }

std::vector<Value> constant(Call& call) {
  for (const std::string_view name : {"sparse_value", "value_string", "value_strings"}) {
    UNRECT_REQUIRE(call.attribute(name) == nullptr, ErrorCode::kUnsupported, "attribute '{}'", name);
  }
  if (const TensorProto* value = call.tensor("value")) return {read_tensor(*value)};
  if (const AttributeProto* a = call.attribute("value_float")) {
    return {call.graph.constant(Vector::Constant(1, a->f.value_or(0)), {})};
  }
  if (const AttributeProto* a = call.attribute("value_floats")) {
    Vector values = Eigen::Map<const VectorOf<float>>(a->floats.data(), std::ssize(a->floats)).cast<double>();
    return {call.graph.constant(std::move(values), {std::ssize(a->floats)})};
  }
  if (const AttributeProto* a = call.attribute("value_int"))
    return {of_integers(call.graph, {index_of(a->i.value_or(0))}, {})};
  UNRECT_REQUIRE(call.attribute("value_ints") != nullptr, ErrorCode::kFormat, "no value");
  const std::vector<Index> values = call.integers("value_ints", {});
  return {of_integers(call.graph, values, {std::ssize(values)})};
}

std::vector<Value> constant_of_shape(Call& call) {
  const std::vector<Index> shape = call.integers(0);
  const Index count = call.graph.count(shape);
  call.graph.spend(count);
  double fill = 0;
  bool integer = false;
  if (const TensorProto* tensor = call.tensor("value")) {
    const Value value = read_tensor(*tensor);
    UNRECT_REQUIRE(value.size() == 1, ErrorCode::kFormat, "a value of {} elements, expected 1", value.size());
    fill = (*value.constant)[0];
    integer = value.integer;
  }
  return {call.graph.constant(Vector::Constant(count, fill), shape, integer)};
}

std::vector<Value> range(Call& call) {
  const double start = single(call, 0), limit = single(call, 1), step = single(call, 2);
  const double count = std::max(0.0, std::ceil((limit - start) / step));
  UNRECT_REQUIRE(step != 0 && count < 1e12, ErrorCode::kFormat, "from {} to {} in steps of {}", start, limit, step);
  const Index n = call.graph.count({static_cast<Index>(count)});
  call.graph.spend(n);
  Vector values(n);
  for (Index i = 0; i < n; ++i) values[i] = start + step * static_cast<double>(i);
  return {call.graph.constant(std::move(values), {n}, call.input(0).integer)};
}

/// f of constants, element by element, for the chains that compute shapes.
Value folded(Call& call, bool integer, double (*f)(double, double)) {
  const bool binary = call.inputs() > 1;
  const Value& a = call.input(0);
  UNRECT_REQUIRE(a.is_constant() && (!binary || call.input(1).is_constant()), ErrorCode::kUnsupported,
                 "is not piecewise linear in a variable input");
  const Shape shape = binary ? broadcast(a.shape, call.input(1).shape) : a.shape;
  const Value x = broadcast_to(call.graph, a, shape);
  const Value y = binary ? broadcast_to(call.graph, call.input(1), shape) : x;
  call.graph.spend(x.size());
  Vector values(x.size());
  for (Index i = 0; i < x.size(); ++i) values[i] = f((*x.constant)[i], (*y.constant)[i]);
  return call.graph.constant(std::move(values), shape, integer);
}

std::vector<Value> equal(Call& call) {
  return {folded(call, true, [](double a, double b) { return a == b ? 1.0 : 0.0; })};
}
std::vector<Value> floor(Call& call) {
  return {folded(call, false, [](double a, double) { return std::floor(a); })};
}
std::vector<Value> ceil(Call& call) {
  return {folded(call, false, [](double a, double) { return std::ceil(a); })};
}
std::vector<Value> sqrt(Call& call) {
  return {folded(call, false, [](double a, double) { return std::sqrt(a); })};
}
std::vector<Value> reciprocal(Call& call) {
  return {folded(call, false, [](double a, double) { return 1 / a; })};
}

/// Where the condition is constant, a selection from both branches.
std::vector<Value> where(Call& call) {
  const Value &condition = call.input(0), &yes = call.input(1), &no = call.input(2);
  UNRECT_REQUIRE(condition.is_constant(), ErrorCode::kUnsupported, "a condition on a variable is discontinuous");
  const Shape shape = broadcast(condition.shape, broadcast(yes.shape, no.shape));
  const Index n = call.graph.count(shape);
  const Value chosen = broadcast_to(call.graph, condition, shape);
  const Value a = broadcast_to(call.graph, yes, shape), b = broadcast_to(call.graph, no, shape);
  call.graph.spend(2 * n);
  if (a.is_constant() && b.is_constant()) {
    Vector values(n);
    for (Index i = 0; i < n; ++i) values[i] = (*((*chosen.constant)[i] != 0 ? a : b).constant)[i];
    return {call.graph.constant(std::move(values), shape, a.integer && b.integer)};
  }
  std::vector<Index> index = iota(n);
  for (Index& i : index) {
    if ((*chosen.constant)[i] == 0) i += n;
  }
  const Value both =
      call.graph.add(Concat{}, {call.graph.as_variable(a), call.graph.as_variable(b)}, {call.graph.count({2, n})});
  return {select(call.graph, both, std::move(index), shape)};
}

constexpr OpReader kOps[] = {{"Identity", identity},
                             {"Dropout", dropout},
                             {"Cast", cast},
                             {"Reshape", reshape},
                             {"Flatten", flatten},
                             {"Squeeze", squeeze},
                             {"Unsqueeze", unsqueeze},
                             {"Shape", shape_of},
                             {"Size", size},
                             {"Constant", constant},
                             {"ConstantOfShape", constant_of_shape},
                             {"Range", range},
                             {"Equal", equal},
                             {"Floor", floor},
                             {"Ceil", ceil},
                             {"Sqrt", sqrt},
                             {"Reciprocal", reciprocal},
                             {"Where", where}};

}  // namespace

std::span<const OpReader> shape_ops() { return kOps; }

}  // namespace unrect::onnx
