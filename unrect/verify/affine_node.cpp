#include "unrect/verify/internal/affine_node.hpp"

#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

void add_taps(const Convolution& c, int source, AffineNode& out) {
  const Window& w = c.window;
  const Index height = w.out_height(), width = w.out_width(), area = w.kernel_height * w.kernel_width;
  const Index read = w.channels / c.groups, written = c.kernel.rows() / c.groups;  // channels of a group
  for (Index row = 0; row < out.bias.size(); ++row) {
    const Index channel = row / (height * width), y = row / width % height, x = row % width;
    out.bias[row] = c.bias[channel];
    for (Index tap = 0; tap < c.kernel.cols(); ++tap) {
      const Index in = channel / written * read + tap / area;
      const Index iy = y * w.stride_height - w.pad_top + tap % area / w.kernel_width * w.dilation_height;
      const Index ix = x * w.stride_width - w.pad_left + tap % w.kernel_width * w.dilation_width;
      if (iy >= 0 && iy < w.height && ix >= 0 && ix < w.width)
        out.terms.push_back({source, row, (in * w.height + iy) * w.width + ix, c.kernel(channel, tap)});
    }
  }
}

}  // namespace

AffineNode affine_node(const Network& network, int v) {
  const Node& node = network.node(v);
  AffineNode out;
  out.bias = Vector::Zero(node.size);
  const auto each = [&](std::size_t input, Index count, Index first, double weight) {
    for (Index i = 0; i < count; ++i) out.terms.push_back({node.inputs[input], first + i, i, weight});
  };
  by_kind(
      *node.op, alike<Input, Piecewise, Maximum>([](const auto&) {}),
      [&](const Dense& dense) {
        out.weight = &dense.weight;
        out.bias = dense.bias;
      },
      [&](const Convolution& c) { add_taps(c, node.inputs[0], out); },
      [&](const Scale& scale) {
        for (Index i = 0; i < node.size; ++i) out.terms.push_back({node.inputs[0], i, i, scale.factor[i]});
        out.bias = scale.shift;
      },
      [&](const Select& select) {
        for (Index i = 0; i < node.size; ++i) {
          const Index from = select.index[static_cast<std::size_t>(i)];
          if (from >= 0)
            out.terms.push_back({node.inputs[0], i, from, 1});
          else
            out.bias[i] = select.fill[i];
        }
      },
      [&](const Sum& sum) {
        for (std::size_t k = 0; k < node.inputs.size(); ++k) each(k, node.size, 0, sum.factors[k]);
      },
      [&](const Concat&) {
        Index first = 0;
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
          const Index size = network.node(node.inputs[k]).size;
          each(k, size, first, 1);
          first += size;
        }
      });
  return out;
}

}  // namespace unrect
