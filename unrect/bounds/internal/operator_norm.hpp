// The norm of an affine node as an operator.
#pragma once

#include "unrect/network/network.hpp"

namespace unrect {

/// At least ‖L‖₂ of an affine node's linear part, rounding included. Of a dense one, and of a convolution with at most
/// 1024 inputs or outputs: certified on the matrix (spectral_norm_bound). Of a larger convolution the least of
/// √(‖L‖₁‖L‖_∞) and max_ω ‖K̂(ω)‖₂, the norm on a torus that holds the image and its margin; K̂(ω): the transform of the
/// kernel, out_channels × (channels · strides), each certified. @throws Error kInvalidArgument for a piecewise-linear
/// node.
double operator_norm_bound(const Node& node, const Network& network);

}  // namespace unrect
