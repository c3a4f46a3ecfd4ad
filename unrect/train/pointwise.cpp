#include "unrect/train/internal/pointwise.hpp"

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

using Inputs = std::span<const FloatRef>;

void act(const ScaleOf<float>& scale, Inputs x, FloatOut y) {
  y = x[0].array().rowwise() * scale.factor.transpose().array();
  y.rowwise() += scale.shift.transpose();
}

void act(const SelectOf<float>& select, Inputs x, FloatOut y) {
  for (Index n = 0; n < y.rows(); ++n) {
    for (Index i = 0; i < y.cols(); ++i) {
      const Index from = select.index[static_cast<std::size_t>(i)];
      y(n, i) = from < 0 ? select.fill[i] : x[0](n, from);
    }
  }
}

void act(const SumOf<float>& sum, Inputs x, FloatOut y) {
  y = sum.factors[0] * x[0];
  for (std::size_t k = 1; k < x.size(); ++k) y += sum.factors[k] * x[k];
}

void act(const Concat&, Inputs x, FloatOut y) {
  Index begin = 0;
  for (const FloatRef& part : x) {
    y.middleCols(begin, part.cols()) = part;
    begin += part.cols();
  }
}

void act(const PiecewiseOf<float>& f, Inputs x, FloatOut y) {
  if (f.is_relu()) {
    y = x[0].cwiseMax(0.F);
    return;
  }
  for (Index n = 0; n < y.rows(); ++n) {
    for (Index i = 0; i < y.cols(); ++i) {
      const float z = x[0](n, i);
      const Index row = f.row_of(i), piece = f.piece(i, z);
      y(n, i) = f.slopes(row, piece) * z + f.offsets(row, piece);
    }
  }
}

void act(const Maximum& max, Inputs x, FloatOut y) {
  for (Index n = 0; n < y.rows(); ++n) {
    for (Index u = 0; u < y.cols(); ++u) {
      const Index slot = max.top_slot(u, x[0].row(n).data());
      y(n, u) = x[0](n, max.index[static_cast<std::size_t>(u * max.width + slot)]);
    }
  }
}

}  // namespace

void pointwise(const OpOf<float>& op, Inputs inputs, FloatOut y) {
  by_kind(op,
          alike<ScaleOf<float>, SelectOf<float>, SumOf<float>, Concat, PiecewiseOf<float>, Maximum>(
              [&](const auto& own) { act(own, inputs, y); }),
          alike<Input, DenseOf<float>, ConvolutionOf<float>>([](const auto&) {
            throw Error(ErrorCode::kInvalidArgument, "a node that is not pointwise; expected one without products");
          }));
}

}  // namespace unrect
