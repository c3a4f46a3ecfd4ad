#include "unrect/network/internal/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

template <class S>
using RowMap = Eigen::Map<MatrixOf<S>>;
template <class S>
using ConstRowMap = Eigen::Map<const MatrixOf<S>>;

// Rows of the output, from `first` to before `last`.
struct Band {
  Index first, last;
};

// Calls body(input offset, patch offset, count) for every run of pixels that one kernel tap reads for a band: the patch
// matrix is (channels·kh·kw) × stride, its columns the band's pixels. A run lies within one row of the output; beyond
// the image's top and bottom its input offset is −1.
template <class Body>
void for_each_run(const Window& w, Index first_channel, Index channels, const Band& band, Index stride,
                  const Body& body) {
  const Index out_w = w.out_width();
  Index row = 0;
  for (Index c = first_channel; c < first_channel + channels; ++c) {
    for (Index ky = 0; ky < w.kernel_height; ++ky) {
      for (Index kx = 0; kx < w.kernel_width; ++kx, ++row) {
        const Index shift = kx * w.dilation_width - w.pad_left;  // input column of output column 0
        const Index begin = shift >= 0 ? 0 : (-shift + w.stride_width - 1) / w.stride_width;
        const Index end = shift >= w.width ? 0 : std::min(out_w, (w.width - 1 - shift) / w.stride_width + 1);
        if (begin >= end) continue;
        for (Index oy = band.first; oy < band.last; ++oy) {
          const Index iy = oy * w.stride_height + ky * w.dilation_height - w.pad_top;
          const bool inside = iy >= 0 && iy < w.height;
          body(inside ? (c * w.height + iy) * w.width + begin * w.stride_width + shift : -1,
               row * stride + (oy - band.first) * out_w + begin, end - begin);
        }
      }
    }
  }
}

// Products are summed in double whatever the values are held in: in float, a forward pass is then as good as its
// roundings between the layers, not as bad as the longest sum.
template <class S>
MatrixOf<S> rounded(Matrix&& wide) {
  if constexpr (std::is_same_v<S, double>) {
    return std::move(wide);
  } else {
    return wide.cast<S>();
  }
}

template <class S>
struct Patches {
  explicit Patches(const ConvolutionOf<S>& conv)
      : window(conv.window),
        channels(window.channels / conv.groups),
        outputs(conv.kernel.rows() / conv.groups),
        pixels(window.out_height() * window.out_width()),
        taps(conv.kernel.cols()),
        direct(window.pointwise()),
        rows(direct ? window.out_height()
                    : std::clamp<Index>(kHeld / (taps * window.out_width()), 1, window.out_height())),
        stride(rows * window.out_width()) {}

  // Calls body(band, its first pixel, its pixels).
  template <class Body>
  void for_each_band(const Body& body) const {
    for (Index first = 0; first < window.out_height(); first += rows) {
      const Band band{first, std::min(first + rows, window.out_height())};
      body(band, first * window.out_width(), (band.last - band.first) * window.out_width());
    }
  }

  // Numbers of a patch matrix: what a core's cache holds. A large image's whole one is written to memory and read
  // again, and beyond 32 MiB the system hands out, and clears, its pages anew for every product.
  static constexpr Index kHeld = Index{1} << 17;

  const Window& window;
  Index channels, outputs, pixels, taps;  // per group
  bool direct;                            // the patch matrix is the image itself
  Index rows, stride;                     // of a band, and the columns of its patch matrix
};

template <class S>
MatrixOf<S> convolve(const ConvolutionOf<S>& conv, const MatrixOf<S>& samples, bool with_bias) {
  const Patches<S> p(conv);
  // Evaluated where S is float, a reference to the matrix itself where it is double.
  const auto& x = samples.template cast<double>().eval();
  const auto& kernel = conv.kernel.template cast<double>().eval();
  Matrix y(x.rows(), kernel.rows() * p.pixels);
  Matrix patches;
  if (!p.direct) patches.setZero(p.taps, p.stride);  // taps beside the image stay zero for every band and sample
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index g = 0; g < conv.groups; ++g) {
      const double* const image = x.data() + n * x.cols();
      RowMap<double> out(y.data() + n * y.cols() + g * p.outputs * p.pixels, p.outputs, p.pixels);
      const auto own = kernel.middleRows(g * p.outputs, p.outputs);
      if (p.direct) {
        out.noalias() = own * ConstRowMap<double>(image + g * p.taps * p.pixels, p.taps, p.pixels);
      } else {
        p.for_each_band([&](const Band& band, Index first, Index count) {
          for_each_run(p.window, g * p.channels, p.channels, band, p.stride, [&](Index from, Index to, Index length) {
            if (from < 0) {
              std::fill_n(patches.data() + to, length, 0.0);
            } else if (p.window.stride_width == 1) {
              std::copy_n(image + from, length, patches.data() + to);
            } else {
              for (Index k = 0; k < length; ++k) patches.data()[to + k] = image[from + k * p.window.stride_width];
            }
          });
          out.middleCols(first, count).noalias() = own * patches.leftCols(count);
        });
      }
      if (with_bias) out.colwise() += conv.bias.segment(g * p.outputs, p.outputs).template cast<double>();
    }
  }
  return rounded<S>(std::move(y));
}

template <class S>
void add_convolution_adjoint(const ConvolutionOf<S>& conv, const MatrixOf<S>& u, MatrixOf<S>& x) {
  const Patches<S> p(conv);
  MatrixOf<S> patches;
  if (!p.direct) patches.resize(p.taps, p.stride);
  for (Index n = 0; n < u.rows(); ++n) {
    for (Index g = 0; g < conv.groups; ++g) {
      const ConstRowMap<S> out(u.data() + n * u.cols() + g * p.outputs * p.pixels, p.outputs, p.pixels);
      const auto own = conv.kernel.middleRows(g * p.outputs, p.outputs).transpose();
      S* const image = x.data() + n * x.cols();
      if (p.direct) {
        RowMap<S>(image + g * p.taps * p.pixels, p.taps, p.pixels).noalias() += own * out;
        continue;
      }
      p.for_each_band([&](const Band& band, Index first, Index count) {
        patches.leftCols(count).noalias() = own * out.middleCols(first, count);
        for_each_run(p.window, g * p.channels, p.channels, band, p.stride, [&](Index to, Index from, Index length) {
          if (to < 0) return;
          const S* const source = patches.data() + from;
          if (p.window.stride_width == 1) {
            for (Index k = 0; k < length; ++k) image[to + k] += source[k];
          } else {
            for (Index k = 0; k < length; ++k) image[to + k * p.window.stride_width] += source[k];
          }
        });
      });
    }
  }
}

template <class S>
MatrixOf<S> select(const SelectOf<S>& op, const MatrixOf<S>& x, bool with_fill) {
  MatrixOf<S> y(x.rows(), static_cast<Index>(op.index.size()));
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index i = 0; i < y.cols(); ++i) {
      const Index from = op.index[static_cast<std::size_t>(i)];
      y(n, i) = from >= 0 ? x(n, from) : with_fill ? op.fill[i] : S{0};
    }
  }
  return y;
}

template <class S>
MatrixOf<S> sum(const SumOf<S>& op, std::span<const MatrixOf<S>* const> inputs) {
  MatrixOf<S> y = *inputs[0] * op.factors[0];
  for (std::size_t k = 1; k < inputs.size(); ++k) y += *inputs[k] * op.factors[k];
  return y;
}

template <class S>
MatrixOf<S> concat(std::span<const MatrixOf<S>* const> inputs) {
  Index width = 0;
  for (const MatrixOf<S>* x : inputs) width += x->cols();
  MatrixOf<S> y(inputs[0]->rows(), width);
  Index at = 0;
  for (const MatrixOf<S>* x : inputs) {
    y.middleCols(at, x->cols()) = *x;
    at += x->cols();
  }
  return y;
}

template <class S>
MatrixOf<S> piecewise(const PiecewiseOf<S>& f, const MatrixOf<S>& x) {
  if (f.is_relu()) return x.cwiseMax(S{0});
  MatrixOf<S> y(x.rows(), x.cols());
  for (Index n = 0; n < x.rows(); ++n) {
    for (Index i = 0; i < x.cols(); ++i) {
      const Index p = f.piece(i, x(n, i)), row = f.row_of(i);
      y(n, i) = f.slopes(row, p) * x(n, i) + f.offsets(row, p);
    }
  }
  return y;
}

template <class S>
MatrixOf<S> maximum(const Maximum& op, const MatrixOf<S>& x) {
  MatrixOf<S> y(x.rows(), op.units());
  for (Index n = 0; n < x.rows(); ++n) {
    const S* const row = x.data() + n * x.cols();
    for (Index i = 0; i < y.cols(); ++i) {
      y(n, i) = row[op.index[static_cast<std::size_t>(i * op.width + op.top_slot(i, row))]];
    }
  }
  return y;
}

template <class S>
MatrixOf<S> dense(const DenseOf<S>& op, const MatrixOf<S>& x, bool with_bias) {
  Matrix y = x.template cast<double>() * op.weight.template cast<double>().transpose();
  if (with_bias) y.rowwise() += op.bias.template cast<double>().transpose();
  return rounded<S>(std::move(y));
}

template <class S>
MatrixOf<S> scale(const ScaleOf<S>& op, const MatrixOf<S>& x, bool with_shift) {
  MatrixOf<S> y = x.array().rowwise() * op.factor.transpose().array();
  if (with_shift) y.rowwise() += op.shift.transpose();
  return y;
}

template <class Result>
[[noreturn]] Result fail(std::string_view kind, std::string_view what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("a {} node has no {}", kind, what));
}

// The value of a node, or of its linear part.
template <class S>
MatrixOf<S> computed(const OpOf<S>& op, std::span<const MatrixOf<S>* const> in, bool with_constants) {
  return by_kind(
      op, [](const Input&) { return fail<MatrixOf<S>>("Input", "inputs"); },
      [&](const DenseOf<S>& own) { return dense(own, *in[0], with_constants); },
      [&](const ConvolutionOf<S>& own) { return convolve(own, *in[0], with_constants); },
      [&](const ScaleOf<S>& own) { return scale(own, *in[0], with_constants); },
      [&](const SelectOf<S>& own) { return select(own, *in[0], with_constants); },
      [&](const SumOf<S>& own) { return sum(own, in); }, [&](const Concat&) { return concat(in); },
      [&](const PiecewiseOf<S>& own) {
        return with_constants ? piecewise(own, *in[0]) : fail<MatrixOf<S>>("Piecewise", "linear part");
      },
      [&](const Maximum& own) {
        return with_constants ? maximum(own, *in[0]) : fail<MatrixOf<S>>("Maximum", "linear part");
      });
}

}  // namespace

template <class S>
MatrixOf<S> value(const OpOf<S>& op, std::span<const MatrixOf<S>* const> in) {
  return computed(op, in, true);
}

template <class S>
MatrixOf<S> linear_part(const OpOf<S>& op, std::span<const MatrixOf<S>* const> in) {
  return computed(op, in, false);
}

template <class S>
void add_adjoint(const OpOf<S>& op, const MatrixOf<S>& u, std::span<MatrixOf<S>* const> out) {
  by_kind(
      op, [](const Input&) { fail<void>("Input", "inputs"); },
      [&](const DenseOf<S>& dense) { out[0]->noalias() += u * dense.weight; },
      [&](const ConvolutionOf<S>& conv) { add_convolution_adjoint(conv, u, *out[0]); },
      [&](const ScaleOf<S>& scale) { out[0]->array() += u.array().rowwise() * scale.factor.transpose().array(); },
      [&](const SelectOf<S>& selection) {
        for (Index n = 0; n < u.rows(); ++n) {
          for (Index i = 0; i < u.cols(); ++i) {
            const Index to = selection.index[static_cast<std::size_t>(i)];
            if (to >= 0) (*out[0])(n, to) += u(n, i);
          }
        }
      },
      [&](const SumOf<S>& weighted) {
        for (std::size_t k = 0; k < out.size(); ++k) *out[k] += u * weighted.factors[k];
      },
      [&](const Concat&) {
        Index at = 0;
        for (MatrixOf<S>* x : out) {
          *x += u.middleCols(at, x->cols());
          at += x->cols();
        }
      },
      [](const PiecewiseOf<S>&) { fail<void>("Piecewise", "adjoint"); },
      [](const Maximum&) { fail<void>("Maximum", "adjoint"); });
}

template <class S>
std::vector<std::uint16_t> pieces_at(const OpOf<S>& op, std::span<const S> z) {
  const auto pieces = [](Index units, const auto& piece_of) {
    std::vector<std::uint16_t> result(static_cast<std::size_t>(units));
    for (Index i = 0; i < units; ++i) result[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(piece_of(i));
    return result;
  };
  return by_kind(
      op,
      [&](const PiecewiseOf<S>& f) {
        return pieces(std::ssize(z), [&](Index i) { return f.piece(i, z[static_cast<std::size_t>(i)]); });
      },
      [&](const Maximum& max) { return pieces(max.units(), [&](Index i) { return max.top_slot(i, z.data()); }); },
      without_pieces<S>([](const auto&) { return fail<std::vector<std::uint16_t>>("affine", "pieces"); }));
}

template MatrixOf<float> value<float>(const OpOf<float>&, std::span<const MatrixOf<float>* const>);
template MatrixOf<double> value<double>(const OpOf<double>&, std::span<const MatrixOf<double>* const>);
template MatrixOf<double> linear_part<double>(const OpOf<double>&, std::span<const MatrixOf<double>* const>);
template void add_adjoint<double>(const OpOf<double>&, const MatrixOf<double>&, std::span<MatrixOf<double>* const>);
template std::vector<std::uint16_t> pieces_at<double>(const OpOf<double>&, std::span<const double>);

}  // namespace unrect
