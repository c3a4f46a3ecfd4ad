// Norms of matrices and of layers.
#pragma once

#include "unrect/network/network.hpp"

namespace unrect {

/// ‖A‖₂, the largest singular value. Cost: O(min(m, n)² max(m, n)); Lanczos beyond a few hundred rows and columns.
double spectral_norm(const MatrixRef& a);

/// ‖A‖_*, the sum of the singular values.
double nuclear_norm(const MatrixRef& a);

enum class Norm { kOne, kTwo, kInfinity };

/// max ‖A x‖_to / ‖x‖_from where it can be computed exactly: 1→q by columns, p→∞ by rows, 2→2.
/// @throws Error kUnsupported for ∞→1, ∞→2 and 2→1: computing them is NP-hard (Hendrickx and Olshevsky 2010; Steinberg
/// 2005).
double induced_norm(const MatrixRef& a, Norm from, Norm to);

/// ‖L‖₂ of an affine node's linear part as an operator, for a convolution by Lanczos on LᵀL with the layer and its
/// adjoint (relative error about 1e-10), never as a matrix. @throws Error kInvalidArgument for a piecewise-linear node.
double operator_norm(const Node& node, const Network& network);

}  // namespace unrect
