// The nodes of a network: affine maps and point-wise piecewise-linear functions (values are flat vectors, C
// order).
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// The extents of a value without its batch axis; {} is a scalar.
using Shape = std::vector<Index>;

/// Number of elements of a shape.
Index size_of(const Shape& shape);

/// The network's input, x itself. There is exactly one, node 0; several graph inputs stand in it end to end.
struct Input {
  Index size = 0;
};

/// y = W x + b; W: out × in, b: out.
template <class Scalar>
struct DenseOf {
  MatrixOf<Scalar> weight;
  VectorOf<Scalar> bias;
};

/// Extents and steps of a 2-D convolution or pooling window over (channels, height, width); 1-D ones have height 1.
struct Window {
  Index channels = 0, height = 0, width = 0;  // of the input
  Index kernel_height = 1, kernel_width = 1;
  Index stride_height = 1, stride_width = 1;
  Index dilation_height = 1, dilation_width = 1;
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;

  Index out_height() const {
    return out_extent(height, pad_top + pad_bottom, kernel_height, dilation_height, stride_height);
  }
  Index out_width() const {
    return out_extent(width, pad_left + pad_right, kernel_width, dilation_width, stride_width);
  }
  /// An output pixel sees its own input pixel alone.
  bool pointwise() const {
    return kernel_height == 1 && kernel_width == 1 && stride_height == 1 && stride_width == 1 && pad_top == 0 &&
           pad_left == 0 && pad_bottom == 0 && pad_right == 0;
  }

 private:
  static Index out_extent(Index in, Index pad, Index kernel, Index dilation, Index stride) {
    return (in + pad - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

/// y = K ∗ x + b, a cross-correlation with zero padding; kernel: out_channels × (channels/groups · kh · kw), bias:
/// out_channels.
template <class Scalar>
struct ConvolutionOf {
  Window window;
  Index groups = 1;
  MatrixOf<Scalar> kernel;
  VectorOf<Scalar> bias;
};

/// y = factor ⊙ x + shift.
template <class Scalar>
struct ScaleOf {
  VectorOf<Scalar> factor;
  VectorOf<Scalar> shift;
};

/// y_i = x_{index_i}, or fill_i where index_i < 0: transposes, slices, pads, constants.
template <class Scalar>
struct SelectOf {
  std::vector<Index> index;
  VectorOf<Scalar> fill;  // same length as index; 0 where unused
};

/// y = Σ_k factor_k x_k over the node's inputs, all of one size.
template <class Scalar>
struct SumOf {
  std::vector<Scalar> factors;
};

/// y = the node's inputs end to end.
struct Concat {};

/// y_i = slope_p z_i + offset_p on piece p, the number of breaks strictly below z_i. Rows: one for all units, or one a
/// unit. breaks: rows × (pieces − 1), increasing; slopes, offsets: rows × pieces; continuous.
template <class Scalar>
struct PiecewiseOf {
  std::string kind;  // the op's usual name: "Relu", "LeakyRelu", "Clip", …
  MatrixOf<Scalar> breaks;
  MatrixOf<Scalar> slopes;
  MatrixOf<Scalar> offsets;

  Index pieces() const { return slopes.cols(); }
  Index row_of(Index unit) const { return slopes.rows() == 1 ? 0 : unit; }
  bool is_relu() const {
    return slopes.rows() == 1 && slopes.cols() == 2 && slopes(0, 0) == 0 && slopes(0, 1) == 1 && breaks(0, 0) == 0;
  }
  Index piece(Index unit, Scalar z) const {
    const Index row = row_of(unit);
    Index p = 0;
    while (p < breaks.cols() && z > breaks(row, p)) ++p;
    return p;
  }
};

/// y_i = max over the slots j < width of x_{index(i, j)}; index is units × width, −1 for a slot outside the input.
struct Maximum {
  Index width = 0;
  std::vector<Index> index;

  Index units() const { return width == 0 ? 0 : static_cast<Index>(index.size()) / width; }
  /// The piece of a unit at the values x: the first slot that attains the maximum.
  template <class Scalar>
  Index top_slot(Index unit, const Scalar* x) const {
    const Index* const slots = index.data() + unit * width;
    Index best = -1;
    for (Index slot = 0; slot < width; ++slot) {
      if (slots[slot] >= 0 && (best < 0 || x[slots[slot]] > x[slots[best]])) best = slot;
    }
    return best;
  }
};

template <class Scalar>
using OpOf = std::variant<Input, DenseOf<Scalar>, ConvolutionOf<Scalar>, ScaleOf<Scalar>, SelectOf<Scalar>,
                          SumOf<Scalar>, Concat, PiecewiseOf<Scalar>, Maximum>;

using Dense = DenseOf<double>;
using Convolution = ConvolutionOf<double>;
using Scale = ScaleOf<double>;
using Select = SelectOf<double>;
using Sum = SumOf<double>;
using Piecewise = PiecewiseOf<double>;
using Op = OpOf<double>;

/// The op with its parameters rounded to Scalar.
template <class Scalar>
OpOf<Scalar> converted(const Op& op);
extern template OpOf<float> converted<float>(const Op&);
extern template OpOf<double> converted<double>(const Op&);

/// "Dense", "Convolution", …; a Piecewise node answers with its kind.
std::string name_of(const Op& op);
/// Numbers that can be learnt: weights, biases, factors and shifts.
Index parameters_of(const Op& op);

/// True for Piecewise and Maximum: the nodes whose units have a piece index in a configuration.
bool is_piecewise(const Op& op);

/// Checks that the op's parameters agree with each other and with inputs of these sizes; the size of its value.
/// @throws Error kInvalidArgument that says which extent is wrong and what was expected; for NaN or infinite weights,
/// too.
Index output_size(const Op& op, const std::vector<Index>& input_sizes);

Piecewise relu();
Piecewise leaky_relu(double slope);               // slope ≥ 0 or < 0: below zero
Piecewise parametric_relu(const Vector& slopes);  // one slope a unit
Piecewise clip(double low, double high);          // low ≤ high; ±infinity drops that side
Piecewise absolute();
Piecewise hard_sigmoid(double alpha, double beta);  // max(0, min(1, αz + β)), α > 0
Piecewise soft_threshold(double lambda);            // sign(z) max(|z| − λ, 0), λ ≥ 0

}  // namespace unrect
