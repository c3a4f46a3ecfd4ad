#include "unrect/bounds/internal/operator_norm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/base/internal/upward.hpp"
#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/internal/kernels.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

Index floor_div(Index a, Index b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// One axis of a window. Tap i reads input y·stride + offset_i; written as stride·(y + shift_i) + phase_i, the inputs of
// one phase and the outputs are steps of one line, and the tap moves by shift_i on it.
struct Axis {
  std::vector<Index> shift, phase;
  Index size = 0;  // of a circle on which no two of the steps that are read meet
};

Axis axis(Index taps, Index dilation, Index stride, Index pad, Index outputs) {
  Axis a;
  for (Index i = 0; i < taps; ++i) {
    const Index offset = i * dilation - pad;
    a.shift.push_back(floor_div(offset, stride));
    a.phase.push_back(offset - stride * a.shift.back());
  }
  a.size = outputs + a.shift.back() - a.shift.front();
  return a;
}

// √(‖L‖₁‖L‖_∞): an output reads a row of the kernel at most, an input is read by its channel's weights at most.
Upper by_sums(const Convolution& conv) {
  const Index taps = conv.window.kernel_height * conv.window.kernel_width, channels = conv.kernel.cols() / taps,
              outputs = conv.kernel.rows() / conv.groups;
  Upper rows, columns;
  for (Index o = 0; o < conv.kernel.rows(); ++o) rows = std::max(rows, sum_of(conv.kernel.row(o)));
  for (Index g = 0; g < conv.groups; ++g) {
    for (Index c = 0; c < channels; ++c) {
      Upper sum;
      for (Index o = 0; o < outputs; ++o) sum += sum_of(conv.kernel.row(g * outputs + o).segment(c * taps, taps));
      columns = std::max(columns, sum);
    }
  }
  return sqrt(rows * columns);
}

// The largest norm of the transform, of kernels with entries of at most 2. The operator is a part of the one on the
// torus: outputs beyond the image are left out, inputs beyond it are zero. That one is block diagonal in frequencies.
Upper on_torus(const Convolution& conv, const Matrix& kernel) {
  const Window& w = conv.window;
  const Axis vertical = axis(w.kernel_height, w.dilation_height, w.stride_height, w.pad_top, w.out_height());
  const Axis horizontal = axis(w.kernel_width, w.dilation_width, w.stride_width, w.pad_left, w.out_width());
  const Index taps = w.kernel_height * w.kernel_width, channels = kernel.cols() / taps,
              outputs = kernel.rows() / conv.groups, phases = w.stride_height * w.stride_width,
              inputs = channels * phases;
  const double work = static_cast<double>(vertical.size) * static_cast<double>(horizontal.size) *
                      static_cast<double>(kernel.rows()) * static_cast<double>(inputs) *
                      static_cast<double>(std::min(outputs, inputs));
  if (work > 0x1p33) return std::numeric_limits<double>::infinity();
  // Twiddles are off by at most 16 ε (angles below 2π, rounded three times, then a cosine), their products by 64 ε, and
  // the sum over taps rounds its terms as many times. The entries, all frequencies alike, are off by this share of
  // Σ |weights| in either part.
  const double rate = static_cast<double>(64 + 4 * taps) * kEpsilon;
  const auto circle = [](Index size) {
    Matrix points(size, 2);
    for (Index k = 0; k < size; ++k) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(size);
      points.row(k) << std::cos(angle), std::sin(angle);
    }
    return points;
  };
  const Matrix down = circle(vertical.size), across = circle(horizontal.size);
  const auto wrapped = [](Index a, Index size) { return ((a % size) + size) % size; };
  Upper largest;
  Eigen::MatrixXd symbol(2 * outputs, 2 * inputs);  // [Re, −Im; Im, Re]: real, and of the same norm
  for (Index g = 0; g < conv.groups; ++g) {
    Upper most;                                       // of the group's frequencies
    for (Index u = 0; u <= vertical.size / 2; ++u) {  // the others are conjugates
      for (Index v = 0; v < horizontal.size; ++v) {
        symbol.setZero();
        for (Index i = 0; i < w.kernel_height; ++i) {
          for (Index j = 0; j < w.kernel_width; ++j) {
            const auto p = down.row(wrapped(u * vertical.shift[at(i)], vertical.size));
            const auto q = across.row(wrapped(v * horizontal.shift[at(j)], horizontal.size));
            const double real = p[0] * q[0] - p[1] * q[1], imaginary = p[0] * q[1] + p[1] * q[0];
            const Index phase = vertical.phase[at(i)] * w.stride_width + horizontal.phase[at(j)];
            for (Index o = 0; o < outputs; ++o) {
              for (Index c = 0; c < channels; ++c) {
                const double weight = kernel(g * outputs + o, c * taps + i * w.kernel_width + j);
                symbol(o, c * phases + phase) += weight * real;
                symbol(outputs + o, c * phases + phase) += weight * imaginary;
              }
            }
          }
        }
        symbol.topRightCorner(outputs, inputs) = -symbol.bottomLeftCorner(outputs, inputs);
        symbol.bottomRightCorner(outputs, inputs) = symbol.topLeftCorner(outputs, inputs);
        if (frobenius_length(symbol) < most || spectral_norm_is_below(symbol, most.value())) continue;
        // A little more, so that its neighbours are below it at the first try.
        most = std::max(most, Upper(spectral_norm_bound(Matrix(symbol))) * (1 + 1e-9));
      }
    }
    Upper weights;  // ‖Σ |taps|‖_F² over the group
    for (Index o = 0; o < outputs; ++o) {
      for (Index c = 0; c < channels; ++c) {
        const Upper sum = sum_of(kernel.row(g * outputs + o).segment(c * taps, taps));
        weights += sum * sum;
      }
    }
    largest = std::max(largest, most + Upper(2 * rate) * sqrt(weights));
  }
  return largest;
}

double convolution_bound(const Convolution& conv, Index size, Index outputs) {
  constexpr Index kHeld = 1024, kElements = Index{1} << 23;
  if (!conv.kernel.allFinite()) return std::numeric_limits<double>::infinity();
  const double largest = conv.kernel.cwiseAbs().maxCoeff();
  if (largest == 0) return 0;
  if (std::min(size, outputs) <= kHeld && size * outputs <= kElements) {
    // Entries of the matrix are entries of the kernel: nothing rounds.
    const Matrix identity = Matrix::Identity(size, size);
    const Matrix* const in[] = {&identity};
    return spectral_norm_bound(linear_part<double>(Op(conv), in));
  }
  const int exponent = std::ilogb(largest);
  const Matrix kernel = conv.kernel.unaryExpr([&](double x) { return std::ldexp(x, -exponent); });
  return std::min(by_sums(conv), on_torus(conv, kernel) * std::ldexp(1.0, exponent)).value();
}

}  // namespace

double operator_norm_bound(const Node& node, const Network& network) {
  const auto refuse = [&]() -> double {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("node '{}' ({}) is not affine", node.name, name_of(*node.op)));
  };
  return by_kind(
      *node.op, [](const Dense& dense) { return spectral_norm_bound(dense.weight); },
      [](const Scale& scale) { return scale.factor.cwiseAbs().maxCoeff(); },
      alike<Input, Concat>([](const auto&) { return 1.0; }),
      [](const Sum& sum) {
        return length(Eigen::Map<const Vector>(sum.factors.data(), std::ssize(sum.factors))).value();
      },
      [&](const Select& select) {
        Vector copies = Vector::Zero(network.node(node.inputs[0]).size);
        for (const Index i : select.index) {
          if (i >= 0) copies[i] += 1;
        }
        return sqrt(Upper(copies.maxCoeff())).value();
      },
      [&](const Convolution& conv) { return convolution_bound(conv, network.node(node.inputs[0]).size, node.size); },
      [&](const Piecewise&) { return refuse(); }, [&](const Maximum&) { return refuse(); });
}

}  // namespace unrect
