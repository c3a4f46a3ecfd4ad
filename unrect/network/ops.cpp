#include "unrect/network/ops.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

#define REQUIRE_OP(condition, ...) UNRECT_REQUIRE(condition, ErrorCode::kInvalidArgument, __VA_ARGS__)

void require_finite(const Matrix& values, const char* what) {
  for (Index i = 0; i < values.size(); ++i) {
    REQUIRE_OP(std::isfinite(values.data()[i]), "{} holds {} at element {}, expected finite numbers", what,
               values.data()[i], i);
  }
}

void require_size(Index got, Index expected, const char* what) {
  REQUIRE_OP(got == expected, "{} has {} elements, expected {}", what, got, expected);
}

Index size_after(const Dense& op, Index in) {
  REQUIRE_OP(op.weight.cols() == in, "weight is {}×{}, expected {} columns for an input of {}", op.weight.rows(),
             op.weight.cols(), in, in);
  require_size(op.bias.size(), op.weight.rows(), "bias");
  require_finite(op.weight, "weight");
  require_finite(op.bias, "bias");
  return op.weight.rows();
}

Index size_after(const Convolution& op, Index in) {
  const Window& w = op.window;
  REQUIRE_OP(w.channels > 0 && w.height > 0 && w.width > 0 && w.channels * w.height * w.width == in,
             "convolution over {}×{}×{} has an input of {} elements", w.channels, w.height, w.width, in);
  REQUIRE_OP(w.stride_height > 0 && w.stride_width > 0 && w.dilation_height > 0 && w.dilation_width > 0 &&
                 w.kernel_height > 0 && w.kernel_width > 0 && w.pad_top >= 0 && w.pad_left >= 0 && w.pad_bottom >= 0 &&
                 w.pad_right >= 0,
             "convolution with a kernel, stride or dilation below 1 or a negative pad");
  REQUIRE_OP(op.groups > 0 && w.channels % op.groups == 0 && op.kernel.rows() % op.groups == 0,
             "{} groups divide neither {} input nor {} output channels", op.groups, w.channels, op.kernel.rows());
  REQUIRE_OP(op.kernel.cols() == w.channels / op.groups * w.kernel_height * w.kernel_width,
             "kernel has {} weights an output channel, expected {}·{}·{}", op.kernel.cols(), w.channels / op.groups,
             w.kernel_height, w.kernel_width);
  require_size(op.bias.size(), op.kernel.rows(), "bias");
  REQUIRE_OP(w.height + w.pad_top + w.pad_bottom > w.dilation_height * (w.kernel_height - 1) &&
                 w.width + w.pad_left + w.pad_right > w.dilation_width * (w.kernel_width - 1),
             "kernel of {}×{} is larger than its padded input", w.kernel_height, w.kernel_width);
  require_finite(op.kernel, "kernel");
  require_finite(op.bias, "bias");
  return op.kernel.rows() * w.out_height() * w.out_width();
}

Index size_after(const Piecewise& op, Index in) {
  const Index rows = op.slopes.rows();
  REQUIRE_OP(rows == 1 || rows == in, "{} has parameters for {} units, expected 1 or {}", op.kind, rows, in);
  REQUIRE_OP(op.pieces() >= 1 && op.offsets.rows() == rows && op.offsets.cols() == op.pieces() &&
                 op.breaks.rows() == rows && op.breaks.cols() == op.pieces() - 1,
             "{} needs one slope and offset a piece and one break between pieces", op.kind);
  require_finite(op.slopes, "slopes");
  require_finite(op.offsets, "offsets");
  require_finite(op.breaks, "breaks");
  for (Index r = 0; r < rows; ++r) {
    for (Index p = 0; p + 1 < op.pieces(); ++p) {
      const double t = op.breaks(r, p);
      REQUIRE_OP(p == 0 || t >= op.breaks(r, p - 1), "{} has breaks that decrease at unit {}", op.kind, r);
      const double left = op.slopes(r, p) * t + op.offsets(r, p),
                   right = op.slopes(r, p + 1) * t + op.offsets(r, p + 1);
      // Breaks and offsets that come from a formula are rounded, each of them once or twice; a wider gap is a jump.
      const double size = std::abs(op.slopes(r, p) * t) + std::abs(op.offsets(r, p)) +
                          std::abs(op.slopes(r, p + 1) * t) + std::abs(op.offsets(r, p + 1));
      REQUIRE_OP(std::abs(left - right) <= 4 * std::numeric_limits<double>::epsilon() * size,
                 "{} jumps from {} to {} at {}, expected a continuous function", op.kind, left, right, t);
    }
  }
  return in;
}

Index size_after(const Maximum& op, Index in) {
  // A configuration holds a piece in 16 bits.
  REQUIRE_OP(op.width > 0 && op.width <= 65536 && static_cast<Index>(op.index.size()) % op.width == 0,
             "maximum over windows of {}, expected 1 to 65536", op.width);
  for (Index unit = 0; unit < op.units(); ++unit) {
    bool any = false;
    for (Index slot = 0; slot < op.width; ++slot) {
      const Index i = op.index[static_cast<std::size_t>(unit * op.width + slot)];
      REQUIRE_OP(i >= -1 && i < in, "maximum of unit {} reads element {} of {}", unit, i, in);
      any = any || i >= 0;
    }
    REQUIRE_OP(any, "maximum of unit {} has an empty window", unit);
  }
  return op.units();
}

Index size_after(const Select& op, Index in) {
  require_size(op.fill.size(), static_cast<Index>(op.index.size()), "fill");
  require_finite(op.fill, "fill");
  for (const Index i : op.index) REQUIRE_OP(i >= -1 && i < in, "select reads element {} of {}", i, in);
  return static_cast<Index>(op.index.size());
}

Index size_after(const Scale& op, Index in) {
  require_size(op.factor.size(), in, "factor");
  require_size(op.shift.size(), in, "shift");
  require_finite(op.factor, "factor");
  require_finite(op.shift, "shift");
  return in;
}

Piecewise scalar_function(std::string kind, const std::vector<double>& breaks, const std::vector<double>& slopes,
                          const std::vector<double>& offsets) {
  const auto row = [](const std::vector<double>& v) -> Matrix {
    return Eigen::Map<const Matrix>(v.data(), 1, static_cast<Index>(v.size()));
  };
  return {std::move(kind), row(breaks), row(slopes), row(offsets)};
}

}  // namespace

Index size_of(const Shape& shape) {
  Index size = 1;
  for (const Index extent : shape) size *= extent;
  return size;
}

std::string name_of(const Op& op) {
  return by_kind(
      op, [](const Input&) -> std::string { return "Input"; }, [](const Dense&) -> std::string { return "Dense"; },
      [](const Convolution&) -> std::string { return "Convolution"; },
      [](const Scale&) -> std::string { return "Scale"; }, [](const Select&) -> std::string { return "Select"; },
      [](const Sum&) -> std::string { return "Sum"; }, [](const Concat&) -> std::string { return "Concat"; },
      [](const Piecewise& f) { return f.kind; }, [](const Maximum&) -> std::string { return "Maximum"; });
}

Index parameters_of(const Op& op) {
  return by_kind(
      op, [](const Dense& dense) { return dense.weight.size() + dense.bias.size(); },
      [](const Convolution& conv) { return conv.kernel.size() + conv.bias.size(); },
      [](const Scale& scale) { return scale.factor.size() + scale.shift.size(); },
      alike<Input, Select, Sum, Concat, Piecewise, Maximum>([](const auto&) -> Index { return 0; }));
}

bool is_piecewise(const Op& op) {
  return by_kind(op, alike<Piecewise, Maximum>([](const auto&) { return true; }),
                 without_pieces([](const auto&) { return false; }));
}

Index output_size(const Op& op, const std::vector<Index>& in) {
  return by_kind(
      op,
      [&](const Input& input) {
        REQUIRE_OP(in.empty() && input.size > 0, "the input has {} elements, expected at least 1", input.size);
        return input.size;
      },
      [&](const Sum& sum) {
        REQUIRE_OP(!in.empty() && in.size() == sum.factors.size(), "{} inputs and {} factors", in.size(),
                   sum.factors.size());
        for (const Index size : in) require_size(size, in[0], "a summand");
        for (const double f : sum.factors) REQUIRE_OP(std::isfinite(f), "factor {}", f);
        return in[0];
      },
      [&](const Concat&) {
        REQUIRE_OP(!in.empty(), "no inputs to put end to end");
        Index total = 0;
        for (const Index size : in) total += size;
        return total;
      },
      alike<Dense, Convolution, Scale, Select, Piecewise, Maximum>([&](const auto& unary) {
        REQUIRE_OP(in.size() == 1, "{} inputs, expected 1", in.size());
        return size_after(unary, in[0]);
      }));
}

Piecewise relu() { return scalar_function("Relu", {0}, {0, 1}, {0, 0}); }

Piecewise leaky_relu(double slope) { return scalar_function("LeakyRelu", {0}, {slope, 1}, {0, 0}); }

Piecewise parametric_relu(const Vector& slopes) {
  Piecewise f{"PRelu", Matrix::Zero(slopes.size(), 1), Matrix::Ones(slopes.size(), 2), Matrix::Zero(slopes.size(), 2)};
  f.slopes.col(0) = slopes;
  return f;
}

Piecewise clip(double low, double high) {
  REQUIRE_OP(low <= high, "clip to [{}, {}], expected low ≤ high", low, high);
  const bool below = low > -std::numeric_limits<double>::infinity();
  const bool above = high < std::numeric_limits<double>::infinity();
  if (below && above) return scalar_function("Clip", {low, high}, {0, 1, 0}, {low, 0, high});
  if (below) return scalar_function(low == 0 ? "Relu" : "Clip", {low}, {0, 1}, {low, 0});
  if (above) return scalar_function("Clip", {high}, {1, 0}, {0, high});
  return scalar_function("Clip", {}, {1}, {0});
}

Piecewise absolute() { return scalar_function("Abs", {0}, {-1, 1}, {0, 0}); }

Piecewise hard_sigmoid(double alpha, double beta) {
  REQUIRE_OP(alpha > 0, "hard sigmoid of slope {}, expected > 0", alpha);
  return scalar_function("HardSigmoid", {-beta / alpha, (1 - beta) / alpha}, {0, alpha, 0}, {0, beta, 1});
}

Piecewise soft_threshold(double lambda) {
  REQUIRE_OP(lambda >= 0, "soft threshold {}, expected ≥ 0", lambda);
  return scalar_function("SoftThreshold", {-lambda, lambda}, {1, 0, 1}, {lambda, 0, -lambda});
}

template <class S>
OpOf<S> converted(const Op& op) {
  using To = OpOf<S>;
  return by_kind(
      op, alike<Input, Concat, Maximum>([](const auto& same) -> To { return same; }),
      [](const Dense& dense) -> To {
        return DenseOf<S>{dense.weight.cast<S>(), dense.bias.cast<S>()};
      },
      [](const Convolution& conv) -> To {
        return ConvolutionOf<S>{conv.window, conv.groups, conv.kernel.cast<S>(), conv.bias.cast<S>()};
      },
      [](const Scale& scale) -> To {
        return ScaleOf<S>{scale.factor.cast<S>(), scale.shift.cast<S>()};
      },
      [](const Select& select) -> To {
        return SelectOf<S>{select.index, select.fill.cast<S>()};
      },
      [](const Sum& sum) -> To {
        return SumOf<S>{{sum.factors.begin(), sum.factors.end()}};
      },
      [](const Piecewise& f) -> To {
        return PiecewiseOf<S>{f.kind, f.breaks.cast<S>(), f.slopes.cast<S>(), f.offsets.cast<S>()};
      });
}

template OpOf<float> converted<float>(const Op&);
template OpOf<double> converted<double>(const Op&);

}  // namespace unrect
