// Point-wise piecewise-linear ops.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Value apply(Call& call, Piecewise f) {
  const Value x = call.graph.as_variable(call.input(0));
  call.graph.spend(f.breaks.size() + f.slopes.size() + f.offsets.size());
  return call.graph.add(std::move(f), {x}, x.shape);
}

std::vector<Value> relu(Call& call) { return {apply(call, unrect::relu())}; }
std::vector<Value> abs(Call& call) { return {apply(call, absolute())}; }
std::vector<Value> leaky_relu(Call& call) { return {apply(call, unrect::leaky_relu(call.real("alpha", 0.01F)))}; }

std::vector<Value> prelu(Call& call) {
  const Value& x = call.input(0);
  call.weights(1);
  const Value slopes = broadcast_to(call.graph, call.input(1), x.shape);
  const Vector& values = *slopes.constant;
  if (call.input(1).size() == 1) return {apply(call, unrect::leaky_relu(values[0]))};
  return {apply(call, parametric_relu(values))};
}

std::vector<Value> thresholded_relu(Call& call) {
  UNRECT_REQUIRE(call.real("alpha", 1) == 0, ErrorCode::kUnsupported, "is discontinuous unless alpha is 0");
  return {apply(call, unrect::relu())};
}

/// A bound of Clip: missing, or one number; beyond the floats means none.
double bound(Call& call, std::string_view name, Index input, double none) {
  double value = call.real(name, none);
  if (call.has(input)) {
    UNRECT_REQUIRE(call.attribute(name) == nullptr, ErrorCode::kFormat,
                   "'{}' comes twice, as an attribute and as input {}", name, input);
    const Value& given = call.input(input);
    UNRECT_REQUIRE(given.is_constant(), ErrorCode::kUnsupported, "{} is not constant", name);
    UNRECT_REQUIRE(given.size() == 1 && !std::isnan((*given.constant)[0]), ErrorCode::kFormat, "{} is not one number",
                   name);
    value = (*given.constant)[0];
  }
  return std::abs(value) >= std::numeric_limits<float>::max() && std::signbit(value) == std::signbit(none) ? none
                                                                                                           : value;
}

std::vector<Value> clip(Call& call) {
  const double low = bound(call, "min", 1, -kInfinity), high = bound(call, "max", 2, kInfinity);
  UNRECT_REQUIRE(low <= high && low < kInfinity && high > -kInfinity, ErrorCode::kFormat, "min {} and max {}", low,
                 high);
  if (low == -kInfinity && high == kInfinity) return {call.input(0)};
  return {apply(call, unrect::clip(low, high))};
}

std::vector<Value> hard_sigmoid(Call& call) {
  const double alpha = call.real("alpha", 0.2F), beta = call.real("beta", 0.5);
  UNRECT_REQUIRE(alpha > 0, ErrorCode::kUnsupported, "alpha is {}, expected > 0", alpha);
  return {apply(call, unrect::hard_sigmoid(alpha, beta))};
}

std::vector<Value> shrink(Call& call) {
  const double lambda = call.real("lambd", 0.5), bias = call.real("bias", 0);
  UNRECT_REQUIRE(lambda >= 0 && bias == lambda, ErrorCode::kUnsupported,
                 "is discontinuous with lambd {} and bias {}, expected them to be equal", lambda, bias);
  return {apply(call, soft_threshold(lambda))};
}

/// max(x, c) for sign = 1, min(x, c) for sign = −1.
Value against_constant(Graph& graph, const Value& x, const Value& constant, double sign) {
  const Index n = x.size();
  const Vector& c = finite(constant);
  if ((c.array() == c[0]).all()) {
    return graph.add(sign > 0 ? unrect::clip(c[0], kInfinity) : unrect::clip(-kInfinity, c[0]), {x}, x.shape);
  }
  graph.spend(5 * n);
  Piecewise f{"Clip", c, Matrix::Zero(n, 2), Matrix::Zero(n, 2)};
  f.slopes.col(sign > 0 ? 1 : 0).setOnes();
  f.offsets.col(sign > 0 ? 0 : 1) = c;
  return graph.add(std::move(f), {x}, x.shape);
}

/// max(x, f x) for sign = 1, min(x, f x) for sign = −1: a leaky ReLU as some write it. Above 0 it has the larger slope
/// of the two, or the smaller.
Value against_multiple(Graph& graph, const Value& x, const Vector& f, double sign) {
  const bool same = (f.array() == f[0]).all();
  const Vector slope = same ? f.head(1).eval() : f, one = Vector::Ones(slope.size());
  graph.spend(5 * slope.size());
  Piecewise op{same ? "LeakyRelu" : "PRelu", Matrix::Zero(slope.size(), 1), Matrix(slope.size(), 2),
               Matrix::Zero(slope.size(), 2)};
  op.slopes.col(sign > 0 ? 0 : 1) = slope.cwiseMin(one);
  op.slopes.col(sign > 0 ? 1 : 0) = slope.cwiseMax(one);
  return graph.add(std::move(op), {x}, x.shape);
}

/// The larger (sign = 1) or smaller (−1) of all inputs: first the constants, then the variables, then both.
Value extreme(Call& call, double sign) {
  Graph& graph = call.graph;
  Shape shape;
  for (Index i = 0; i < call.inputs(); ++i) shape = broadcast(shape, call.input(i).shape);
  const Index n = graph.count(shape);
  UNRECT_REQUIRE(call.inputs() > 0 && n > 0, ErrorCode::kFormat, "no inputs or an empty value");
  Value constant, variable;
  std::vector<Value> variables;
  for (Index i = 0; i < call.inputs(); ++i) {
    const Value x = broadcast_to(graph, call.input(i), shape);
    if (!x.is_constant()) {
      variables.push_back(x);
    } else if (!constant.is_constant()) {
      constant = x;
    } else {
      graph.spend(n);
      constant = graph.constant(
          sign > 0 ? constant.constant->cwiseMax(*x.constant).eval() : constant.constant->cwiseMin(*x.constant).eval(),
          shape, constant.integer && x.integer);
    }
  }
  if (variables.empty()) return constant;
  variable = variables[0];
  const auto multiple = [&](std::size_t x, std::size_t y) {
    return variables.size() == 2 ? graph.factor(variables[x], variables[y]) : nullptr;
  };
  if (const Vector* f = multiple(0, 1)) {
    variable = against_multiple(graph, variables[0], *f, sign);
  } else if (const Vector* g = multiple(1, 0)) {
    variable = against_multiple(graph, variables[1], *g, sign);
  } else if (const Index count = std::ssize(variables); count > 1) {
    if (sign < 0) {
      for (Value& v : variables) v = scaled(graph, v, -1);
    }
    const Value all = graph.add(Concat{}, variables, {graph.count({count, n})});
    graph.spend(count * n);
    Maximum op{count, {}};
    for (Index unit = 0; unit < n; ++unit) {
      for (Index slot = 0; slot < count; ++slot) op.index.push_back(slot * n + unit);
    }
    variable = graph.add(std::move(op), {all}, shape);
    if (sign < 0) variable = scaled(graph, variable, -1);
  }
  return constant.is_constant() ? against_constant(graph, variable, constant, sign) : variable;
}

std::vector<Value> max(Call& call) { return {extreme(call, 1)}; }
std::vector<Value> min(Call& call) { return {extreme(call, -1)}; }

constexpr OpReader kOps[] = {{"Relu", relu},
                             {"LeakyRelu", leaky_relu},
                             {"PRelu", prelu},
                             {"ThresholdedRelu", thresholded_relu},
                             {"Clip", clip},
                             {"Abs", abs},
                             {"HardSigmoid", hard_sigmoid},
                             {"Shrink", shrink},
                             {"Max", max},
                             {"Min", min}};

}  // namespace

std::span<const OpReader> piecewise_ops() { return kOps; }

}  // namespace unrect::onnx
