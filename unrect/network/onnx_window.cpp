// Convolutions and pooling.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

/// A window along one spatial axis.
struct Span {
  Index in = 0, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0, out = 0;

  Index reach() const { return dilation * (kernel - 1) + 1; }
  /// The input position of a slot, possibly in the padding.
  Index position(Index output, Index slot) const { return output * stride + slot * dilation - before; }
};

// Of kernels, strides, dilations and pads: a product of two fits an Index.
constexpr Index kMostExtent = (Index{1} << std::numeric_limits<Index>::digits / 2) - 1;

Index quotient_up(Index a, Index b) { return (a + b - 1) / b; }

std::vector<Index> extents(Call& call, std::string_view name, std::size_t count, Index otherwise, Index least) {
  std::vector<Index> values = call.integers(name, std::vector<Index>(count, otherwise));
  UNRECT_REQUIRE(values.size() == count, ErrorCode::kFormat, "{} has {} entries, expected {}", name, values.size(),
                 count);
  for (const Index v : values) {
    UNRECT_REQUIRE(v >= least && v <= kMostExtent, ErrorCode::kFormat, "{} holds {}, expected at least {}", name, v,
                   least);
  }
  return values;
}

std::vector<Index> kernel_shape(Call& call, const Value& x, std::vector<Index> otherwise) {
  std::vector<Index> kernel = call.integers("kernel_shape", std::move(otherwise));
  // Some exporters list the channels, too.
  if (std::ssize(kernel) == x.rank() - 1 && kernel[0] == x.extent(1)) kernel.erase(kernel.begin());
  UNRECT_REQUIRE(std::ssize(kernel) == x.rank() - 2, ErrorCode::kFormat, "kernel_shape {} for an input of shape {}",
                 to_string(kernel), to_string(x.shape));
  for (const Index k : kernel) {
    UNRECT_REQUIRE(k >= 1 && k <= kMostExtent, ErrorCode::kFormat, "kernel_shape holds {}", k);
  }
  return kernel;
}

void require_spatial(const Value& x) {
  UNRECT_REQUIRE(x.rank() >= 3 && x.size() > 0, ErrorCode::kFormat, "an input of shape {}, expected N × C × …",
                 to_string(x.shape));
}

/// The windows of a convolution or pooling op over the spatial axes of x.
std::vector<Span> windows(Call& call, const Value& x, const std::vector<Index>& kernel) {
  const std::size_t rank = kernel.size();
  const std::vector<Index> strides = extents(call, "strides", rank, 1, 1);
  const std::vector<Index> dilations = extents(call, "dilations", rank, 1, 1);
  const std::vector<Index> pads = extents(call, "pads", 2 * rank, 0, 0);
  const std::string automatic = call.string("auto_pad", "NOTSET");
  const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER", up = call.integer("ceil_mode", 0) != 0;
  UNRECT_REQUIRE(same || automatic == "NOTSET" || automatic == "VALID" || automatic.empty(), ErrorCode::kFormat,
                 "auto_pad '{}'", automatic);
  std::vector<Span> spans;
  for (std::size_t k = 0; k < rank; ++k) {
    Span s{x.shape[k + 2], kernel[k], strides[k], dilations[k], pads[k], pads[k + rank], 0};
    if (automatic == "VALID") s.before = s.after = 0;
    if (same) {
      s.out = quotient_up(s.in, s.stride);
      const Index total = std::max<Index>(0, (s.out - 1) * s.stride + s.reach() - s.in);
      s.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      s.after = total - s.before;
    } else {
      const Index room = s.in + s.before + s.after - s.reach();
      UNRECT_REQUIRE(room >= 0, ErrorCode::kFormat, "a kernel of {} (dilation {}) on an axis of {} with pads {} and {}",
                     s.kernel, s.dilation, s.in, s.before, s.after);
      s.out = (up ? quotient_up(room, s.stride) : room / s.stride) + 1;
      // A window may hang over the end, but not start there.
      if (up && (s.out - 1) * s.stride >= s.in + s.before) --s.out;
    }
    spans.push_back(s);
  }
  return spans;
}

Shape output_shape(const Value& x, Index channels, const std::vector<Span>& spans) {
  Shape shape{x.extent(0), channels};
  for (const Span& s : spans) shape.push_back(s.out);
  return shape;
}

/// The 2-D window over all of x's images as channels; one spatial axis has height 1. Its last windows end inside the
/// pads.
Window window_over(const Value& x, std::vector<Span> spans) {
  UNRECT_REQUIRE(spans.size() <= 2, ErrorCode::kUnsupported, "{} spatial axes, expected 1 or 2", spans.size());
  if (spans.size() == 1) spans.insert(spans.begin(), Span{.in = 1, .out = 1});
  for (Span& s : spans) s.after = std::max<Index>(0, (s.out - 1) * s.stride + s.reach() - s.in - s.before);
  const Span &h = spans[0], &w = spans[1];
  Window window;
  window.channels = x.extent(0) * x.extent(1);
  window.height = h.in;
  window.width = w.in;
  window.kernel_height = h.kernel;
  window.kernel_width = w.kernel;
  window.stride_height = h.stride;
  window.stride_width = w.stride;
  window.dilation_height = h.dilation;
  window.dilation_width = w.dilation;
  window.pad_top = h.before;
  window.pad_left = w.before;
  window.pad_bottom = h.after;
  window.pad_right = w.after;
  return window;
}

/// Kernel M × (C / groups · taps), repeated for every image of the batch.
Value convolution(Call& call, const Value& x, const std::vector<Span>& spans, Index groups, const Matrix& kernel) {
  const Index images = x.extent(0), filters = kernel.rows();
  const Shape shape = output_shape(x, filters, spans);
  call.graph.count(shape);
  Vector bias = Vector::Zero(filters);
  if (call.has(2)) {
    UNRECT_REQUIRE(call.weights(2).size() == filters, ErrorCode::kFormat, "bias has {} elements for {} filters",
                   call.weights(2).size(), filters);
    bias = call.weights(2);
  }
  call.graph.spend(call.graph.count({images, filters, kernel.cols() + 1}));
  Convolution op{window_over(x, spans), images * groups, kernel.replicate(images, 1), bias.replicate(images, 1)};
  return call.graph.add(std::move(op), {x}, shape);
}

Index groups_of(Call& call, Index channels) {
  const Index groups = call.integer("group", 1);
  UNRECT_REQUIRE(groups > 0 && channels % groups == 0, ErrorCode::kFormat, "{} groups for {} channels", groups,
                 channels);
  return groups;
}

/// The kernel's extents, on which the weights w and the attribute agree.
std::vector<Index> kernel_of(Call& call, const Value& x, const Value& w) {
  const std::vector<Index> kernel = kernel_shape(call, x, Shape(w.shape.begin() + 2, w.shape.end()));
  UNRECT_REQUIRE(std::equal(kernel.begin(), kernel.end(), w.shape.begin() + 2, w.shape.end()), ErrorCode::kFormat,
                 "kernel_shape {} and weights of shape {}", to_string(kernel), to_string(w.shape));
  return kernel;
}

std::vector<Value> conv(Call& call) {
  const Value x = call.graph.as_variable(call.input(0));
  require_spatial(x);
  const Value& w = call.input(1);
  const Vector& weights = call.weights(1);
  const Index groups = groups_of(call, x.extent(1));
  UNRECT_REQUIRE(
      w.rank() == x.rank() && w.extent(1) == x.extent(1) / groups && w.size() > 0 && w.extent(0) % groups == 0,
      ErrorCode::kFormat, "weights of shape {} for an input of shape {} in {} groups", to_string(w.shape),
      to_string(x.shape), groups);
  const std::vector<Index> kernel = kernel_of(call, x, w);
  call.graph.spend(w.size());
  const Matrix filters = Eigen::Map<const Matrix>(weights.data(), w.extent(0), w.size() / w.extent(0));
  return {convolution(call, x, windows(call, x, kernel), groups, filters)};
}

/// A convolution of stride 1, with the kernel turned round, of x with zeros between its elements.
std::vector<Value> conv_transpose(Call& call) {
  const Value x = call.graph.as_variable(call.input(0));
  require_spatial(x);
  const Value& w = call.input(1);
  const Vector& weights = call.weights(1);
  const Index groups = groups_of(call, x.extent(1));
  UNRECT_REQUIRE(w.rank() == x.rank() && w.extent(0) == x.extent(1) && w.size() > 0, ErrorCode::kFormat,
                 "weights of shape {} for an input of shape {}", to_string(w.shape), to_string(x.shape));
  const std::vector<Index> kernel = kernel_of(call, x, w);
  const std::size_t rank = kernel.size();
  const std::vector<Index> strides = extents(call, "strides", rank, 1, 1);
  const std::vector<Index> dilations = extents(call, "dilations", rank, 1, 1);
  const std::vector<Index> extra = extents(call, "output_padding", rank, 0, 0);
  std::vector<Index> pads = extents(call, "pads", 2 * rank, 0, 0);
  const std::vector<Index> wanted = call.integers("output_shape", {});
  const std::string automatic = call.string("auto_pad", "NOTSET");
  const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  UNRECT_REQUIRE(same || automatic == "NOTSET" || automatic == "VALID", ErrorCode::kFormat, "auto_pad '{}'", automatic);
  UNRECT_REQUIRE(wanted.empty() || wanted.size() == rank, ErrorCode::kFormat, "output_shape {}", to_string(wanted));

  std::vector<Axis> axes = axes_of(x.shape);
  Shape stretched_shape = x.shape;
  std::vector<Span> spans;
  for (std::size_t k = 0; k < rank; ++k) {
    const Index in = x.shape[k + 2];
    Span s{.kernel = kernel[k], .dilation = dilations[k]};
    const Index full = strides[k] * (in - 1) + extra[k] + s.reach();
    if (automatic == "VALID") pads[k] = pads[k + rank] = 0;
    if (same || !wanted.empty()) {
      const Index total = full - (wanted.empty() ? in * strides[k] : wanted[k]);
      UNRECT_REQUIRE(total >= 0 && total < full, ErrorCode::kFormat, "an axis of {} cannot become {}", in,
                     full - total);
      pads[k] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[k + rank] = total - pads[k];
    }
    s.out = full - pads[k] - pads[k + rank];
    UNRECT_REQUIRE(s.out > 0, ErrorCode::kFormat, "pads {} and {} leave nothing of an axis of {}", pads[k],
                   pads[k + rank], full);
    s.in = s.out + s.reach() - 1;
    stretched_shape[k + 2] = s.in;
    call.graph.spend(call.graph.count(stretched_shape));
    std::vector<Index>& source = axes[k + 2].source;
    source.assign(static_cast<std::size_t>(s.in), -1);
    for (Index i = 0; i < in; ++i) {
      const Index place = i * strides[k] + s.reach() - 1 - pads[k];
      if (place >= 0 && place < s.in) source[static_cast<std::size_t>(place)] = i;
    }
    spans.push_back(s);
  }
  const Value stretched = rearranged(call.graph, x, axes);

  // C × M/g × taps → M × C/g × taps reversed.
  const Index each = w.extent(0) / groups, filters = w.extent(1), taps = w.size() / (w.extent(0) * filters);
  call.graph.spend(w.size());
  Matrix turned(groups * filters, each * taps);
  for (Index g = 0; g < groups; ++g) {
    for (Index m = 0; m < filters; ++m) {
      for (Index c = 0; c < each; ++c) {
        const auto from = weights.segment(((g * each + c) * filters + m) * taps, taps);
        turned.row(g * filters + m).segment(c * taps, taps) = from.reverse().transpose();
      }
    }
  }
  return {convolution(call, stretched, spans, groups, turned)};
}

/// Positions that the window of an output meets, counted between low and high.
Index met(const Span& s, Index output, Index low, Index high) {
  Index count = 0;
  for (Index slot = 0; slot < s.kernel; ++slot) {
    const Index p = s.position(output, slot);
    count += p >= low && p < high ? 1 : 0;
  }
  return count;
}

std::vector<Value> average_pool(Call& call) {
  const Value x = call.graph.as_variable(call.input(0));
  require_spatial(x);
  const std::vector<Index> kernel = kernel_shape(call, x, {});
  const bool with_pads = call.integer("count_include_pad", 0) != 0;
  const std::vector<Span> spans = windows(call, x, kernel);
  const Shape shape = output_shape(x, x.extent(1), spans);
  const Index size = call.graph.count(shape), channels = x.extent(0) * x.extent(1);
  call.graph.count(kernel);
  // Elements in the window of every output pixel: a product over the axes.
  Vector counts = Vector::Ones(1);
  for (const Span& s : spans) {
    call.graph.spend(call.graph.count({s.out, s.kernel}));
    Vector along(s.out);
    for (Index i = 0; i < s.out; ++i) {
      along[i] = static_cast<double>(with_pads ? met(s, i, -s.before, s.in + s.after) : met(s, i, 0, s.in));
    }
    const Matrix product = counts * along.transpose();
    counts = Eigen::Map<const Vector>(product.data(), product.size());
  }
  UNRECT_REQUIRE((counts.array() > 0).all(), ErrorCode::kFormat, "a window lies in the padding altogether");
  const bool uniform = (counts.array() == counts[0]).all();
  const Index taps = call.graph.count(kernel);
  call.graph.spend(call.graph.count({channels, taps + 1}));
  Convolution op{window_over(x, spans), channels, Matrix::Constant(channels, taps, uniform ? 1 / counts[0] : 1),
                 Vector::Zero(channels)};
  const Value sums = call.graph.add(std::move(op), {x}, shape);
  if (uniform) return {sums};
  call.graph.spend(2 * size);
  return {call.graph.add(Scale{counts.cwiseInverse().replicate(channels, 1), Vector::Zero(size)}, {sums}, shape)};
}

std::vector<Value> max_pool(Call& call) {
  const Value x = call.graph.as_variable(call.input(0));
  require_spatial(x);
  call.ignore({"storage_order"});  // of the indices, which nobody may read
  const std::vector<Index> kernel = kernel_shape(call, x, {});
  const std::vector<Span> spans = windows(call, x, kernel);
  const Shape shape = output_shape(x, x.extent(1), spans);
  Index taps = call.graph.count(kernel);
  call.graph.spend(call.graph.count({call.graph.count(shape), taps}));
  // Input pixels of every window, first over the outputs of one image, then over its slots.
  std::vector<Index> pixels{0};
  Index outputs = 1, slots = 1;
  for (const Span& s : spans) {
    std::vector<Index> next;
    next.reserve(pixels.size() * static_cast<std::size_t>(s.out * s.kernel));
    for (Index o = 0; o < outputs * s.out; ++o) {
      for (Index t = 0; t < slots * s.kernel; ++t) {
        const Index base = pixels[static_cast<std::size_t>(o / s.out * slots + t / s.kernel)];
        const Index p = s.position(o % s.out, t % s.kernel);
        next.push_back(base < 0 || p < 0 || p >= s.in ? -1 : base * s.in + p);
      }
    }
    pixels = std::move(next);
    outputs *= s.out;
    slots *= s.kernel;
  }
  Maximum op{taps, {}};
  const Index channels = x.extent(0) * x.extent(1), area = x.size() / channels;
  op.index.reserve(pixels.size() * static_cast<std::size_t>(channels));
  for (Index c = 0; c < channels; ++c) {
    for (const Index p : pixels) op.index.push_back(p < 0 ? -1 : c * area + p);
  }
  return {call.graph.add(std::move(op), {x}, shape)};
}

constexpr OpReader kOps[] = {
    {"Conv", conv}, {"ConvTranspose", conv_transpose}, {"AveragePool", average_pool}, {"MaxPool", max_pool}};

}  // namespace

std::span<const OpReader> window_ops() { return kOps; }

}  // namespace unrect::onnx
