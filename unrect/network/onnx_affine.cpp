// Sums, products with constants, means.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

Index product(Shape::const_iterator begin, Shape::const_iterator end) {
  return std::accumulate(begin, end, Index{1}, std::multiplies<>());
}

std::vector<Value> add(Call& call) { return {linear_combination(call.graph, call.input(0), 1, call.input(1), 1)}; }
std::vector<Value> sub(Call& call) { return {linear_combination(call.graph, call.input(0), 1, call.input(1), -1)}; }
std::vector<Value> neg(Call& call) { return {scaled(call.graph, call.input(0), -1)}; }

Value total(Call& call) {
  Value sum = call.input(0);
  for (Index i = 1; i < call.inputs(); ++i) sum = linear_combination(call.graph, sum, 1, call.input(i), 1);
  return sum;
}

std::vector<Value> sum(Call& call) { return {total(call)}; }
std::vector<Value> mean(Call& call) {
  return {scaled(call.graph, total(call), 1 / static_cast<double>(call.inputs()))};
}

/// x ⊙ factor for a constant factor.
Value times(Graph& graph, const Value& x, const Value& factor) {
  const Shape shape = broadcast(x.shape, factor.shape);
  const Value wide = broadcast_to(graph, x, shape), factors = broadcast_to(graph, factor, shape);
  const Index n = graph.count(shape);
  graph.spend(2 * n);
  if (wide.is_constant()) {
    return graph.constant(wide.constant->cwiseProduct(*factors.constant), shape, x.integer && factor.integer);
  }
  return graph.add(Scale{finite(factors), Vector::Zero(n)}, {wide}, shape);
}

std::vector<Value> mul(Call& call) {
  const Value &a = call.input(0), &b = call.input(1);
  UNRECT_REQUIRE(a.is_constant() || b.is_constant(), ErrorCode::kUnsupported, "a product of two variables");
  return {a.is_constant() ? times(call.graph, b, a) : times(call.graph, a, b)};
}

std::vector<Value> div(Call& call) {
  const Value &a = call.input(0), &b = call.input(1);
  UNRECT_REQUIRE(b.is_constant(), ErrorCode::kUnsupported, "a division by a variable");
  UNRECT_REQUIRE((b.constant->array() != 0).all(), ErrorCode::kFormat, "tensor '{}' holds 0, expected a divisor",
                 b.name);
  call.graph.spend(b.size());
  Value inverse = b;
  inverse.constant = std::make_shared<const Vector>(b.constant->cwiseInverse());
  if (!a.is_constant()) return {times(call.graph, a, inverse)};
  const Shape shape = broadcast(a.shape, b.shape);
  const Value above = broadcast_to(call.graph, a, shape), below = broadcast_to(call.graph, b, shape);
  const bool integer = a.integer && b.integer;
  call.graph.spend(call.graph.count(shape));
  Vector quotient = above.constant->cwiseQuotient(*below.constant);
  if (integer) quotient = quotient.unaryExpr([](double q) { return std::trunc(q); });
  return {call.graph.constant(std::move(quotient), shape, integer)};
}

/// Weights kept as integers: (x − zero point) ⊙ scale, both one for all or one an entry of an axis.
std::vector<Value> dequantize_linear(Call& call) {
  const Value& x = call.input(0);
  UNRECT_REQUIRE(x.is_constant(), ErrorCode::kUnsupported, "integers that are no constant; expected weights");
  const Index block = call.integer("block_size", 0), axis = call.integer("axis", 1);
  UNRECT_REQUIRE(block == 0, ErrorCode::kUnsupported, "block_size {}, expected none", block);
  const auto along = [&](Index input) {
    const Index size = call.weights(input).size();
    const Value& v = call.input(input);
    if (size == 1) return reshaped(v, {});
    Shape shape(x.shape.size(), 1);
    shape[static_cast<std::size_t>(checked_axis(axis, x.rank()))] = size;
    UNRECT_REQUIRE(v.rank() == 1 && broadcast(shape, x.shape) == x.shape, ErrorCode::kFormat,
                   "input {} has the shape {}, expected a number, or one an entry of axis {} of {}", input,
                   to_string(v.shape), axis, to_string(x.shape));
    return reshaped(v, shape);
  };
  const Value from_zero = call.has(2) ? linear_combination(call.graph, x, 1, along(2), -1) : x;
  Value y = times(call.graph, from_zero, along(1));
  y.integer = false;
  return {y};
}

Value swap_last_axes(Graph& graph, const Value& x) {
  if (x.is_constant() && x.rank() == 2) {  // weights can be large: no index table for them
    graph.spend(x.size());
    Vector values(x.size());
    Eigen::Map<Matrix>(values.data(), x.extent(1), x.extent(0)) =
        Eigen::Map<const Matrix>(x.constant->data(), x.extent(0), x.extent(1)).transpose();
    Value result = x;
    result.constant = std::make_shared<const Vector>(std::move(values));
    result.shape = {x.extent(1), x.extent(0)};
    return result;
  }
  std::vector<Index> order = iota(x.rank());
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return transposed(graph, x, order);
}

/// A x for a constant A of shape B_a × m × k and a variable x of shape B_x × k × n: on the columns of x a convolution
/// with 1 × 1 kernels, in groups where A has batches of its own.
Value left_product(Graph& graph, const Value& a, const Value& x) {
  const Shape batch_a(a.shape.begin(), a.shape.end() - 2), batch_x(x.shape.begin(), x.shape.end() - 2);
  const Shape batch = broadcast(batch_a, batch_x);
  const Index m = a.extent(a.rank() - 2), k = a.extent(a.rank() - 1), n = x.extent(x.rank() - 1);
  UNRECT_REQUIRE(k == x.extent(x.rank() - 2), ErrorCode::kFormat, "shapes {} and {} do not chain", to_string(a.shape),
                 to_string(x.shape));
  Shape shape = batch, wide_a = batch, wide_x = batch;
  shape.insert(shape.end(), {m, n});
  wide_a.insert(wide_a.end(), {m, k});
  wide_x.insert(wide_x.end(), {k, n});
  const Index batches = graph.count(batch);
  graph.count(shape);
  UNRECT_REQUIRE(graph.count(wide_x) > 0 && m > 0, ErrorCode::kFormat, "a product of empty values");
  const bool own = product(batch_a.begin(), batch_a.end()) != 1;
  const Index groups = own ? batches : 1, each = batches / groups;
  const Value weights = own ? broadcast_to(graph, a, wide_a) : a;
  // groups × each × k × n → groups × k × each × n, so that channels come first.
  const Value values = transposed(graph, reshaped(broadcast_to(graph, x, wide_x), {groups, each, k, n}), {0, 2, 1, 3});
  graph.spend(groups * m * (k + 1));
  const Matrix kernel = Eigen::Map<const Matrix>(finite(weights).data(), groups * m, k);
  if (values.is_constant()) {
    const Index work = graph.count({groups * m, each * n});
    graph.spend(work + work / 64 * k);  // products take time, too
    Vector products(work);
    for (Index g = 0; g < groups; ++g) {
      Eigen::Map<Matrix>(products.data() + g * m * each * n, m, each * n).noalias() =
          kernel.middleRows(g * m, m) * Eigen::Map<const Matrix>(finite(values).data() + g * k * each * n, k, each * n);
    }
    const Value result = graph.constant(std::move(products), {groups, m, each, n}, a.integer && x.integer);
    return reshaped(transposed(graph, result, {0, 2, 1, 3}), shape);
  }
  if (groups == 1 && each * n == 1) return graph.add(Dense{kernel, Vector::Zero(m)}, {values}, shape);
  Convolution op{{}, groups, kernel, Vector::Zero(groups * m)};
  op.window.channels = groups * k;
  op.window.height = 1;
  op.window.width = each * n;
  const Value result = graph.add(std::move(op), {values}, {groups, m, each, n});
  return reshaped(transposed(graph, result, {0, 2, 1, 3}), shape);
}

/// numpy's matmul of values with at least two axes.
Value matrix_product(Graph& graph, const Value& a, const Value& b) {
  UNRECT_REQUIRE(a.is_constant() || b.is_constant(), ErrorCode::kUnsupported, "a product of two variables");
  if (a.is_constant()) return left_product(graph, a, b);
  return swap_last_axes(graph, left_product(graph, swap_last_axes(graph, b), swap_last_axes(graph, a)));
}

std::vector<Value> matmul(Call& call) {
  Value a = call.input(0), b = call.input(1);
  UNRECT_REQUIRE(a.rank() > 0 && b.rank() > 0, ErrorCode::kFormat, "a scalar factor");
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a = reshaped(a, {1, a.size()});
  if (column) b = reshaped(b, {b.size(), 1});
  const Value result = matrix_product(call.graph, a, b);
  Shape shape = result.shape;
  if (column) shape.pop_back();
  if (row) shape.erase(shape.end() - (column ? 1 : 2));
  return {reshaped(result, shape)};
}

std::vector<Value> gemm(Call& call) {
  const double alpha = call.real("alpha", 1), beta = call.real("beta", 1);
  const bool transpose_a = call.integer("transA", 0) != 0, transpose_b = call.integer("transB", 0) != 0;
  Value a = call.input(0), b = call.input(1);
  UNRECT_REQUIRE(a.rank() == 2 && b.rank() == 2, ErrorCode::kFormat, "factors of shapes {} and {}, expected matrices",
                 to_string(a.shape), to_string(b.shape));
  UNRECT_REQUIRE(a.is_constant() || b.is_constant(), ErrorCode::kUnsupported, "a product of two variables");
  if (alpha != 1) (b.is_constant() ? b : a) = scaled(call.graph, b.is_constant() ? b : a, alpha);
  const auto swapped = [&](const Value& x, bool swap) { return swap ? swap_last_axes(call.graph, x) : x; };
  // With a variable on the left, (A B)ᵀ = Bᵀ Aᵀ.
  const Value result =
      a.is_constant() ? left_product(call.graph, swapped(a, transpose_a), swapped(b, transpose_b))
                      : swapped(left_product(call.graph, swapped(b, !transpose_b), swapped(a, !transpose_a)), true);
  if (!call.has(2)) return {result};
  UNRECT_REQUIRE(broadcast(call.input(2).shape, result.shape) == result.shape, ErrorCode::kFormat,
                 "C has the shape {}, expected one that broadcasts to {}", to_string(call.input(2).shape),
                 to_string(result.shape));
  return {linear_combination(call.graph, result, 1, call.input(2), beta)};
}

std::vector<Value> batch_normalization(Call& call) {
  call.ignore({"momentum"});
  constexpr std::string_view kTraining = "in training it normalises by the statistics of the batch";
  UNRECT_REQUIRE(call.integer("training_mode", 0) == 0, ErrorCode::kUnsupported, "training_mode is true: {}",
                 kTraining);
  UNRECT_REQUIRE(call.integer("is_test", 1) != 0, ErrorCode::kUnsupported, "is_test is 0: {}", kTraining);
  // Up to opset 13 the outputs beside the first are what says so.
  for (int k = 1; k < call.outputs(); ++k) {
    UNRECT_REQUIRE(!call.gives(k), ErrorCode::kUnsupported, "{} outputs, expected one: {}", call.outputs(), kTraining);
  }
  UNRECT_REQUIRE(call.integer("spatial", 1) == 1, ErrorCode::kUnsupported, "spatial = 0");
  const Value& x = call.input(0);
  const double epsilon = call.real("epsilon", 1e-5F);
  const Index channels = x.rank() > 1 ? x.extent(1) : 1;
  for (Index i = 1; i <= 4; ++i) {
    UNRECT_REQUIRE(call.weights(i).size() == channels, ErrorCode::kFormat, "input {} has {} elements for {} channels",
                   i, call.weights(i).size(), channels);
  }
  UNRECT_REQUIRE((call.weights(4).array() + epsilon > 0).all(), ErrorCode::kFormat, "a variance that is not positive");
  Shape shape(static_cast<std::size_t>(std::max<Index>(x.rank() - 1, 1)), 1);
  shape[0] = channels;
  call.graph.spend(2 * channels);
  Vector factor = call.weights(1).array() / (call.weights(4).array() + epsilon).sqrt();
  Vector shift = call.weights(2) - call.weights(3).cwiseProduct(factor);
  const Value product = times(call.graph, x, call.graph.constant(std::move(factor), shape));
  return {linear_combination(call.graph, product, 1, call.graph.constant(std::move(shift), shape), 1)};
}

/// The elements that each reduced value is made of: kept × reduced.
struct Reduction {
  std::vector<Index> table;
  Index width = 0;
  Shape shape;
};

Reduction reduction(Call& call, const std::vector<Index>& axes, bool keep) {
  const Value& x = call.input(0);
  std::vector<bool> reduced(x.shape.size(), false);
  for (const Index axis : axes) reduced[static_cast<std::size_t>(checked_axis(axis, x.rank()))] = true;
  Reduction result;
  std::vector<Axis> kept, gone;
  const std::vector<Axis> all = axes_of(x.shape);
  result.width = 1;
  for (std::size_t k = 0; k < all.size(); ++k) {
    (reduced[k] ? gone : kept).push_back(all[k]);
    if (reduced[k]) result.width *= x.shape[k];
    if (!reduced[k] || keep) result.shape.push_back(reduced[k] ? 1 : x.shape[k]);
  }
  UNRECT_REQUIRE(x.size() > 0, ErrorCode::kFormat, "a reduction of an empty value");
  kept.insert(kept.end(), gone.begin(), gone.end());
  result.table = table_of(call.graph, kept);
  return result;
}

Reduction reduction(Call& call) {
  const bool keep = call.integer("keepdims", 1) != 0, none_is_none = call.integer("noop_with_empty_axes", 0) != 0;
  std::vector<Index> axes = call.integers("axes", 1, {});
  if (axes.empty() && !none_is_none) axes = iota(call.input(0).rank());
  return reduction(call, axes, keep);
}

/// weight · (sum of each row of the table).
Value weighted_sum(Call& call, Reduction r, double weight) {
  const Value& x = call.input(0);
  const Index rows = std::ssize(r.table) / r.width;
  const Value values = select(call.graph, x, std::move(r.table), {rows, r.width});
  call.graph.spend(r.width + rows);
  if (values.is_constant()) {
    Vector sums = weight * Eigen::Map<const Matrix>(values.constant->data(), rows, r.width).rowwise().sum();
    return call.graph.constant(std::move(sums), r.shape, x.integer);
  }
  if (rows == 1) return call.graph.add(Dense{Matrix::Constant(1, r.width, weight), Vector::Zero(1)}, {values}, r.shape);
  Convolution op{{}, 1, Matrix::Constant(1, r.width, weight), Vector::Zero(1)};
  op.window.channels = 1;
  op.window.height = rows;
  op.window.width = op.window.kernel_width = r.width;
  return call.graph.add(std::move(op), {values}, r.shape);
}

std::vector<Value> reduce_sum(Call& call) { return {weighted_sum(call, reduction(call), 1)}; }

std::vector<Value> reduce_mean(Call& call) {
  Reduction r = reduction(call);
  const double weight = 1 / static_cast<double>(r.width);
  return {weighted_sum(call, std::move(r), weight)};
}

Reduction over_pixels(Call& call) {
  UNRECT_REQUIRE(call.input(0).rank() > 2, ErrorCode::kFormat, "a value of shape {}, expected spatial axes",
                 to_string(call.input(0).shape));
  std::vector<Index> axes = iota(call.input(0).rank());
  axes.erase(axes.begin(), axes.begin() + 2);
  return reduction(call, axes, true);
}

std::vector<Value> global_average_pool(Call& call) {
  Reduction r = over_pixels(call);
  const double weight = 1 / static_cast<double>(r.width);
  return {weighted_sum(call, std::move(r), weight)};
}

Value maximum(Graph& graph, const Value& x, Reduction r) {
  return graph.add(Maximum{r.width, std::move(r.table)}, {graph.as_variable(x)}, r.shape);
}

std::vector<Value> global_max_pool(Call& call) { return {maximum(call.graph, call.input(0), over_pixels(call))}; }
std::vector<Value> reduce_max(Call& call) { return {maximum(call.graph, call.input(0), reduction(call))}; }
std::vector<Value> reduce_min(Call& call) {
  const Value negative = scaled(call.graph, call.input(0), -1);
  return {scaled(call.graph, maximum(call.graph, negative, reduction(call)), -1)};
}

constexpr OpReader kOps[] = {{"Add", add},
                             {"Sub", sub},
                             {"Neg", neg},
                             {"Sum", sum},
                             {"Mean", mean},
                             {"Mul", mul},
                             {"Div", div},
                             {"DequantizeLinear", dequantize_linear},
                             {"MatMul", matmul},
                             {"Gemm", gemm},
                             {"BatchNormalization", batch_normalization},
                             {"ReduceSum", reduce_sum},
                             {"ReduceMean", reduce_mean},
                             {"ReduceMax", reduce_max},
                             {"ReduceMin", reduce_min},
                             {"GlobalAveragePool", global_average_pool},
                             {"GlobalMaxPool", global_max_pool}};

}  // namespace

std::span<const OpReader> affine_ops() { return kOps; }

Value linear_combination(Graph& graph, const Value& a, double factor_a, const Value& b, double factor_b) {
  const Shape shape = broadcast(a.shape, b.shape);
  const Index n = graph.count(shape);
  const Value x = broadcast_to(graph, a, shape), y = broadcast_to(graph, b, shape);
  if (!x.is_constant() && !y.is_constant()) return graph.add(Sum{{factor_a, factor_b}}, {x, y}, shape);
  graph.spend(2 * n);
  if (x.is_constant() && y.is_constant()) {
    return graph.constant(factor_a * *x.constant + factor_b * *y.constant, shape, a.integer && b.integer);
  }
  const Value &variable = x.is_constant() ? y : x, &shift = x.is_constant() ? x : y;
  const double factor = x.is_constant() ? factor_b : factor_a, weight = x.is_constant() ? factor_a : factor_b;
  return graph.add(Scale{Vector::Constant(n, factor), weight * finite(shift)}, {variable}, shape);
}

Value scaled(Graph& graph, const Value& x, double factor) {
  graph.spend(2 * x.size());
  if (x.is_constant()) return graph.constant(factor * *x.constant, x.shape, x.integer);
  return graph.add(Scale{Vector::Constant(x.size(), factor), Vector::Zero(x.size())}, {x}, x.shape);
}

}  // namespace unrect::onnx
