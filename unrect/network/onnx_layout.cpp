// Ops that only move elements: every one is an index table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

std::vector<Index> strides_of(const Shape& shape) {
  std::vector<Index> strides(shape.size());
  Index step = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

std::vector<Value> concat(Call& call) {
  UNRECT_REQUIRE(call.inputs() > 0, ErrorCode::kFormat, "no inputs");
  const Index axis = checked_axis(call.integer("axis", call.opset < 4 ? 1 : 0), call.input(0).rank());
  std::vector<Value> parts;
  Shape shape = call.input(0).shape;
  shape[at(axis)] = 0;
  bool constant = true, integer = true;
  for (Index i = 0; i < call.inputs(); ++i) {
    const Value& part = call.input(i);
    Shape expected = shape, got = part.shape;
    if (got.size() == shape.size()) expected[at(axis)] = got[at(axis)];
    UNRECT_REQUIRE(got == expected, ErrorCode::kFormat, "input {} has the shape {}, expected {} but for axis {}", i,
                   to_string(got), to_string(shape), axis);
    shape[at(axis)] += got[at(axis)];
    call.graph.count(shape);
    constant = constant && part.is_constant();
    integer = integer && part.is_constant() && part.integer;
    if (part.size() > 0) parts.push_back(part);
  }
  const Index total = call.graph.count(shape);
  // End to end first, then the axis is brought to its place.
  std::vector<Index> offset_of_slice;  // of every position along the axis, and its part's extent
  std::vector<Index> extent_of_slice;
  std::vector<Index> place_in_part;
  Index offset = 0;
  for (const Value& part : parts) {
    for (Index k = 0; k < part.extent(axis); ++k) {
      offset_of_slice.push_back(offset);
      extent_of_slice.push_back(part.extent(axis));
      place_in_part.push_back(k);
    }
    offset += part.size();
  }
  if (parts.empty()) return {call.graph.constant(Vector(), shape, integer)};
  call.graph.spend(total);
  const Index inner = std::accumulate(shape.begin() + axis + 1, shape.end(), Index{1}, std::multiplies<>());
  const Index middle = shape[at(axis)];
  std::vector<Index> index(at(total));
  for (Index i = 0; i < total; ++i) {
    const Index outer = i / (middle * inner), slice = i / inner % middle;
    index[at(i)] = offset_of_slice[at(slice)] +
                   (outer * extent_of_slice[at(slice)] + place_in_part[at(slice)]) * inner + i % inner;
  }
  if (constant) {
    call.graph.spend(total);
    Vector joined(total);
    offset = 0;
    for (const Value& part : parts) {
      joined.segment(offset, part.size()) = *part.constant;
      offset += part.size();
    }
    return {select(call.graph, call.graph.constant(std::move(joined), {total}, integer), std::move(index), shape)};
  }
  for (Value& part : parts) part = call.graph.as_variable(part);
  if (parts.size() == 1) return {reshaped(parts[0], shape)};
  return {select(call.graph, call.graph.add(Concat{}, parts, {total}), std::move(index), shape)};
}

std::vector<Value> transpose(Call& call) {
  const Value& x = call.input(0);
  std::vector<Index> reversed = iota(x.rank());
  std::reverse(reversed.begin(), reversed.end());
  const std::vector<Index> permutation = call.integers("perm", reversed);
  std::vector<Index> sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  UNRECT_REQUIRE(sorted == iota(x.rank()), ErrorCode::kFormat, "perm {} does not permute the axes of shape {}",
                 to_string(permutation), to_string(x.shape));
  return {transposed(call.graph, x, permutation)};
}

std::vector<Value> slice(Call& call) {
  const Value& x = call.input(0);
  const std::vector<Index> starts = call.integers("starts", 1, {}), ends = call.integers("ends", 2, {});
  std::vector<Index> axes = call.integers("axes", 3, iota(static_cast<Index>(starts.size())));
  const std::vector<Index> steps = call.integers("steps", 4, std::vector<Index>(starts.size(), 1));
  UNRECT_REQUIRE(starts.size() == ends.size() && starts.size() == axes.size() && starts.size() == steps.size(),
                 ErrorCode::kFormat, "{} starts, {} ends, {} axes and {} steps, expected as many of each",
                 starts.size(), ends.size(), axes.size(), steps.size());
  std::vector<Axis> map = axes_of(x.shape);
  std::vector<bool> done(x.shape.size(), false);
  for (std::size_t k = 0; k < starts.size(); ++k) {
    const Index axis = checked_axis(axes[k], x.rank()), n = x.extent(axis), step = steps[k];
    UNRECT_REQUIRE(step != 0, ErrorCode::kFormat, "a step of 0");
    UNRECT_REQUIRE(!done[at(axis)], ErrorCode::kFormat, "axis {} is sliced twice", axis);
    done[at(axis)] = true;
    if (n == 0) continue;
    const auto bound = [&](Index i, Index low, Index high) { return std::clamp(i < 0 ? i + n : i, low, high); };
    const Index first = step > 0 ? bound(starts[k], 0, n) : bound(starts[k], 0, n - 1);
    const Index last = step > 0 ? bound(ends[k], 0, n) : bound(ends[k], -1, n - 1);
    std::vector<Index>& source = map[at(axis)].source;
    source.clear();
    const Index stride = std::clamp(step, -n - 1, n + 1);
    for (Index i = first; step > 0 ? i < last : i > last; i += stride) source.push_back(i);
  }
  return {rearranged(call.graph, x, map)};
}

std::vector<Value> split(Call& call) {
  const Value& x = call.input(0);
  const Index axis = checked_axis(call.integer("axis", 0), x.rank()), n = x.extent(axis);
  const Index parts = call.integer("num_outputs", call.outputs());
  UNRECT_REQUIRE(parts == call.outputs() && parts > 0, ErrorCode::kFormat, "{} parts for {} outputs", parts,
                 call.outputs());
  const Index each = (n + parts - 1) / parts;
  std::vector<Index> sizes(at(parts), each);
  sizes.back() = n - each * (parts - 1);
  sizes = call.integers("split", 1, sizes);
  UNRECT_REQUIRE(static_cast<Index>(sizes.size()) == parts, ErrorCode::kFormat, "{} sizes for {} outputs", sizes.size(),
                 parts);
  std::vector<Value> result;
  std::vector<Axis> map = axes_of(x.shape);
  Index from = 0;
  for (const Index size : sizes) {
    UNRECT_REQUIRE(size >= 0 && size <= n - from, ErrorCode::kFormat, "parts of {} do not make up the {} of axis {}",
                   to_string(sizes), n, axis);
    map[at(axis)].source.resize(at(size));
    std::iota(map[at(axis)].source.begin(), map[at(axis)].source.end(), from);
    from += size;
    result.push_back(rearranged(call.graph, x, map));
  }
  UNRECT_REQUIRE(from == n, ErrorCode::kFormat, "parts of {} do not make up the {} of axis {}", to_string(sizes), n,
                 axis);
  return result;
}

std::vector<Value> gather(Call& call) {
  const Value& x = call.input(0);
  const Index axis = checked_axis(call.integer("axis", 0), x.rank()), n = x.extent(axis);
  std::vector<Index> indices = call.integers(1);
  for (Index& i : indices) {
    UNRECT_REQUIRE(i >= -n && i < n, ErrorCode::kFormat, "index {} on axis {} of shape {}", i, axis,
                   to_string(x.shape));
    if (i < 0) i += n;
  }
  std::vector<Axis> map = axes_of(x.shape);
  map[at(axis)].source = std::move(indices);
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  const Shape& middle = call.input(1).shape;
  shape.insert(shape.end(), middle.begin(), middle.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  call.graph.count(shape);
  return {reshaped(rearranged(call.graph, x, map), shape)};
}

/// The coordinate that position i (possibly outside 0 … n − 1) of a padded axis reads.
Index padded_source(const std::string& mode, Index i, Index n) {
  if (i >= 0 && i < n) return i;
  if (mode == "constant" || n == 0) return -1;
  if (mode == "edge") return i < 0 ? 0 : n - 1;
  const Index period = mode == "wrap" ? n : std::max<Index>(1, 2 * (n - 1));
  const Index place = (i % period + period) % period;
  return place < n ? place : period - place;
}

std::vector<Value> pad(Call& call) {
  const Value& x = call.input(0);
  const std::string mode = call.string("mode", "constant");
  UNRECT_REQUIRE(mode == "constant" || mode == "edge" || mode == "reflect" || mode == "wrap", ErrorCode::kUnsupported,
                 "mode '{}', expected constant, edge, reflect or wrap", mode);
  const std::vector<Index> pads = call.integers("pads", 1, {});
  double fill = call.real("value", 0);
  if (call.has(2)) {
    const Vector& value = call.weights(2);
    UNRECT_REQUIRE(value.size() == 1, ErrorCode::kFormat, "a fill of {} elements, expected 1", value.size());
    fill = value[0];
  }
  const std::vector<Index> axes = call.integers("axes", 3, iota(x.rank()));
  UNRECT_REQUIRE(pads.size() == 2 * axes.size(), ErrorCode::kFormat, "{} pads for {} axes, expected 2 an axis",
                 pads.size(), axes.size());
  std::vector<Axis> map = axes_of(x.shape);
  Shape shape = x.shape;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const Index axis = checked_axis(axes[k], x.rank()), n = x.extent(axis);
    const Index before = pads[k], after = pads[k + axes.size()];
    // In double, which no sum of them overflows: a sum that it rounds is refused for its size.
    const double extent = static_cast<double>(n) + static_cast<double>(before) + static_cast<double>(after);
    UNRECT_REQUIRE(extent >= 0, ErrorCode::kFormat, "pads {} and {} on an axis of {}", before, after, n);
    shape[at(axis)] = index_of(static_cast<std::int64_t>(std::min(extent, 4e18)));
    call.graph.spend(call.graph.count(shape));
    std::vector<Index>& source = map[at(axis)].source;
    source.clear();
    // Negative pads crop first; what is left is padded.
    const Index low = std::min(n, std::max<Index>(0, -before)),
                left = std::max<Index>(0, n - low - std::max<Index>(0, -after));
    for (Index i = -before; i < n + after; ++i) {
      const Index from = padded_source(mode, i - low, left);
      source.push_back(from < 0 ? -1 : from + low);
    }
  }
  return {rearranged(call.graph, x, map, fill)};
}

std::vector<Value> expand(Call& call) {
  const Value& x = call.input(0);
  return {broadcast_to(call.graph, x, broadcast(x.shape, call.integers(1)))};
}

std::vector<Value> tile(Call& call) {
  const Value& x = call.input(0);
  const std::vector<Index> repeats = call.integers(1);
  UNRECT_REQUIRE(static_cast<Index>(repeats.size()) == x.rank(), ErrorCode::kFormat, "{} repeats for the shape {}",
                 repeats.size(), to_string(x.shape));
  Shape shape = x.shape;
  std::vector<Axis> map = axes_of(x.shape);
  for (Index axis = 0; axis < x.rank(); ++axis) {
    const Index n = x.extent(axis), times = repeats[at(axis)];
    UNRECT_REQUIRE(times >= 0, ErrorCode::kFormat, "{} repeats", times);
    shape[at(axis)] = call.graph.count({n, times});
    call.graph.spend(call.graph.count(shape));
    std::vector<Index>& source = map[at(axis)].source;
    source.clear();
    for (Index i = 0; i < n * times; ++i) source.push_back(i % n);
  }
  return {rearranged(call.graph, x, map)};
}

/// Where position i of an axis resized from n to m by `scale` lies on the input's axis.
double source_coordinate(const std::string& mode, Index i, Index n, Index m, double scale) {
  const double x = static_cast<double>(i), in = static_cast<double>(n), out = static_cast<double>(m);
  if (mode == "asymmetric") return x / scale;
  if (mode == "pytorch_half_pixel") return m > 1 ? (x + 0.5) / scale - 0.5 : 0;
  if (mode == "align_corners") return m > 1 ? x * (in - 1) / (out - 1) : 0;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / scale;
  if (mode == "half_pixel_symmetric") return in / 2 * (1 - out / (scale * in)) + (x + 0.5) / scale - 0.5;
  UNRECT_REQUIRE(mode == "half_pixel", ErrorCode::kUnsupported, "coordinate_transformation_mode '{}'", mode);
  return (x + 0.5) / scale - 0.5;
}

double nearest(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  if (mode == "round_prefer_ceil") return std::floor(x + 0.5);
  UNRECT_REQUIRE(mode == "round_prefer_floor", ErrorCode::kUnsupported, "nearest_mode '{}'", mode);
  return std::ceil(x - 0.5);
}

/// Resize by nearest neighbours; opset 10 and Upsample read coordinate floor(i / scale).
std::vector<Value> resize(Call& call) {
  const Value& x = call.input(0);
  const bool old = call.opset < 11;
  const std::string mode = call.string("mode", "nearest");
  UNRECT_REQUIRE(mode == "nearest", ErrorCode::kUnsupported, "mode '{}', expected nearest", mode);
  const std::string place = call.string("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const std::string rounding = call.string("nearest_mode", old ? "floor" : "round_prefer_floor");
  const std::string policy = call.string("keep_aspect_ratio_policy", "stretch");
  UNRECT_REQUIRE(policy == "stretch", ErrorCode::kUnsupported, "keep_aspect_ratio_policy '{}'", policy);
  const std::vector<Index> axes = call.integers("axes", iota(x.rank()));
  call.ignore({"cubic_coeff_a", "extrapolation_value"});  // of modes that are refused
  for (const std::string_view name : {"antialias", "exclude_outside"}) {
    UNRECT_REQUIRE(call.integer(name, 0) == 0, ErrorCode::kUnsupported, "{}, which the nearest mode does not have",
                   name);
  }
  const Index scales_at = old ? 1 : 2;
  Vector scales;
  std::vector<Index> sizes;
  if (const AttributeProto* a = call.attribute("scales")) {
    scales = Eigen::Map<const VectorOf<float>>(a->floats.data(), std::ssize(a->floats)).cast<double>();
  } else if (call.has(scales_at) && call.input(scales_at).size() > 0) {
    scales = call.weights(scales_at);
  } else {
    sizes = call.integers(3);
  }
  const Index given = std::max<Index>(scales.size(), static_cast<Index>(sizes.size()));
  UNRECT_REQUIRE(given == static_cast<Index>(axes.size()), ErrorCode::kFormat, "{} scales or sizes for {} axes", given,
                 axes.size());
  std::vector<Axis> map = axes_of(x.shape);
  Shape shape = x.shape;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const Index axis = checked_axis(axes[k], x.rank()), n = x.extent(axis);
    double scale = 1, extent = 0;
    if (sizes.empty()) {
      scale = scales[static_cast<Index>(k)];
      extent = std::floor(static_cast<double>(n) * scale);
    } else {
      extent = static_cast<double>(sizes[k]);
      scale = extent / static_cast<double>(n);
    }
    UNRECT_REQUIRE(n > 0 && scale > 0 && extent >= 1 && extent < 1e12, ErrorCode::kFormat,
                   "axis {} of {} by a scale of {}", axis, n, scale);
    const Index m = static_cast<Index>(extent);
    shape[at(axis)] = m;
    call.graph.spend(call.graph.count(shape));
    std::vector<Index>& source = map[at(axis)].source;
    source.clear();
    for (Index i = 0; i < m; ++i) {
      const double from = nearest(rounding, source_coordinate(place, i, n, m, scale));
      source.push_back(static_cast<Index>(std::clamp(from, 0.0, static_cast<double>(n - 1))));
    }
  }
  return {rearranged(call.graph, x, map)};
}

std::vector<Value> depth_to_space(Call& call) {
  const Value& x = call.input(0);
  const Index b = call.integer("blocksize", 0);
  const std::string mode = call.string("mode", "DCR");
  UNRECT_REQUIRE(
      x.rank() == 4 && b > 0 && b < 1 << 15 && x.extent(1) % (b * b) == 0 && (mode == "DCR" || mode == "CRD"),
      ErrorCode::kFormat, "blocksize {} and mode '{}' for the shape {}", b, mode, to_string(x.shape));
  const Index n = x.extent(0), c = x.extent(1) / (b * b), h = x.extent(2), w = x.extent(3);
  const Value blocks = mode == "DCR" ? reshaped(x, {n, b, b, c, h, w}) : reshaped(x, {n, c, b, b, h, w});
  const std::vector<Index> order =
      mode == "DCR" ? std::vector<Index>{0, 3, 4, 1, 5, 2} : std::vector<Index>{0, 1, 4, 2, 5, 3};
  return {reshaped(transposed(call.graph, blocks, order), {n, c, h * b, w * b})};
}

std::vector<Value> space_to_depth(Call& call) {
  const Value& x = call.input(0);
  const Index b = call.integer("blocksize", 0);
  UNRECT_REQUIRE(x.rank() == 4 && b > 0 && x.extent(2) % b == 0 && x.extent(3) % b == 0, ErrorCode::kFormat,
                 "blocksize {} for the shape {}", b, to_string(x.shape));
  const Index n = x.extent(0), c = x.extent(1), h = x.extent(2) / b, w = x.extent(3) / b;
  const Value blocks = reshaped(x, {n, c, h, b, w, b});
  return {reshaped(transposed(call.graph, blocks, {0, 3, 5, 1, 2, 4}), {n, c * b * b, h, w})};
}

constexpr OpReader kOps[] = {{"Concat", concat},
                             {"Transpose", transpose},
                             {"Slice", slice},
                             {"Split", split},
                             {"Gather", gather},
                             {"Pad", pad},
                             {"Expand", expand},
                             {"Tile", tile},
                             {"Resize", resize},
                             {"Upsample", resize},
                             {"DepthToSpace", depth_to_space},
                             {"SpaceToDepth", space_to_depth}};

}  // namespace

std::span<const OpReader> layout_ops() { return kOps; }

std::vector<Index> iota(Index count) {
  std::vector<Index> result(at(count));
  std::iota(result.begin(), result.end(), Index{0});
  return result;
}

Index checked_axis(Index axis, Index rank) {
  UNRECT_REQUIRE(axis >= -rank && axis < rank, ErrorCode::kFormat, "axis {} of a value with {} axes", axis, rank);
  return axis < 0 ? axis + rank : axis;
}

std::vector<Axis> axes_of(const Shape& shape) {
  const std::vector<Index> strides = strides_of(shape);
  std::vector<Axis> axes;
  for (std::size_t k = 0; k < shape.size(); ++k) axes.push_back({strides[k], iota(shape[k])});
  return axes;
}

std::vector<Index> table_of(Graph& graph, const std::vector<Axis>& axes) {
  Shape shape;
  for (const Axis& axis : axes) shape.push_back(static_cast<Index>(axis.source.size()));
  const Index count = graph.count(shape);
  graph.spend(count);
  if (count == 0) return {};
  std::vector<Index> table{0};
  table.reserve(at(count));
  for (const Axis& axis : axes) {
    // Every entry so far becomes one block, from the last on so that nothing is overwritten too early.
    const std::size_t extent = axis.source.size(), before = table.size();
    table.resize(before * extent);
    for (std::size_t i = before; i-- > 0;) {
      const Index base = table[i];
      for (std::size_t k = extent; k-- > 0;) {
        const Index from = axis.source[k];
        table[i * extent + k] = base < 0 || from < 0 ? -1 : base + from * axis.stride;
      }
    }
  }
  return table;
}

Value select(Graph& graph, const Value& x, std::vector<Index> index, Shape shape, double fill) {
  if (x.is_constant()) {
    Vector values(static_cast<Index>(index.size()));
    for (Index i = 0; i < values.size(); ++i) {
      values[i] = index[at(i)] < 0 ? fill : (*x.constant)[index[at(i)]];
    }
    graph.spend(values.size());
    Value result = x;
    result.constant = std::make_shared<const Vector>(std::move(values));
    result.shape = std::move(shape);
    return result;
  }
  if (index == iota(x.size())) return reshaped(x, std::move(shape));
  Select op{std::move(index), Vector()};
  graph.spend(2 * static_cast<Index>(op.index.size()));
  op.fill = Vector::Zero(static_cast<Index>(op.index.size()));
  for (Index i = 0; i < op.fill.size(); ++i) {
    if (op.index[at(i)] < 0) op.fill[i] = fill;
  }
  return graph.add(std::move(op), {x}, std::move(shape));
}

Value rearranged(Graph& graph, const Value& x, const std::vector<Axis>& axes, double fill) {
  Shape shape;
  for (const Axis& axis : axes) shape.push_back(static_cast<Index>(axis.source.size()));
  return select(graph, x, table_of(graph, axes), std::move(shape), fill);
}

Value reshaped(const Value& x, Shape shape) {
  UNRECT_REQUIRE(size_of(shape) == x.size(), ErrorCode::kFormat, "shape {} cannot become {}", to_string(x.shape),
                 to_string(shape));
  Value result = x;
  result.shape = std::move(shape);
  return result;
}

Value transposed(Graph& graph, const Value& x, const std::vector<Index>& permutation) {
  const std::vector<Axis> axes = axes_of(x.shape);
  std::vector<Axis> permuted;
  permuted.reserve(permutation.size());
  for (const Index axis : permutation) permuted.push_back(axes[at(axis)]);
  return rearranged(graph, x, permuted);
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()), 1);
  for (std::size_t k = 0; k < shape.size(); ++k) {  // from the last axis on
    const Index from_a = k < a.size() ? a[a.size() - 1 - k] : 1, from_b = k < b.size() ? b[b.size() - 1 - k] : 1;
    UNRECT_REQUIRE(from_a == from_b || from_a == 1 || from_b == 1, ErrorCode::kFormat,
                   "shapes {} and {} do not go together", to_string(a), to_string(b));
    shape[shape.size() - 1 - k] = from_a == 1 ? from_b : from_a;
  }
  return shape;
}

Value broadcast_to(Graph& graph, const Value& x, const Shape& shape) {
  UNRECT_REQUIRE(broadcast(x.shape, shape) == shape, ErrorCode::kFormat, "shape {} does not broadcast to {}",
                 to_string(x.shape), to_string(shape));
  graph.count(shape);
  if (x.size() == size_of(shape)) return reshaped(x, shape);
  const std::vector<Index> strides = strides_of(x.shape);
  const std::size_t added = shape.size() - x.shape.size();
  std::vector<Axis> axes;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    const bool repeated = k < added || x.shape[k - added] == 1;
    axes.push_back(
        {repeated ? 0 : strides[k - added], repeated ? std::vector<Index>(at(shape[k]), 0) : iota(shape[k])});
  }
  return rearranged(graph, x, axes);
}

}  // namespace unrect::onnx
