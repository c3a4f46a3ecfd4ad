// What one node does to a batch (one sample, or one direction, a row): its value, its linear part, its adjoint.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/network/ops.hpp"

namespace unrect {

/// The node's value: y = f(x_1, …). inputs: N × size each; result N × output size.
template <class Scalar>
MatrixOf<Scalar> value(const OpOf<Scalar>& op, std::span<const MatrixOf<Scalar>* const> inputs);

/// The linear part of an affine node applied to directions: y = L v_1 …, without bias, shift or fill. Same shapes as
/// value().
template <class Scalar>
MatrixOf<Scalar> linear_part(const OpOf<Scalar>& op, std::span<const MatrixOf<Scalar>* const> inputs);

/// Adds Lᵀ u to the inputs' cotangents: u: N × output size, cotangents: N × size each.
template <class Scalar>
void add_adjoint(const OpOf<Scalar>& op, const MatrixOf<Scalar>& u, std::span<MatrixOf<Scalar>* const> cotangents);

/// The piece each unit of a Piecewise or Maximum node is on at one sample z (a row of values).
template <class Scalar>
std::vector<std::uint16_t> pieces_at(const OpOf<Scalar>& op, std::span<const Scalar> z);

extern template MatrixOf<float> value<float>(const OpOf<float>&, std::span<const MatrixOf<float>* const>);
extern template MatrixOf<double> value<double>(const OpOf<double>&, std::span<const MatrixOf<double>* const>);
extern template MatrixOf<double> linear_part<double>(const OpOf<double>&, std::span<const MatrixOf<double>* const>);
extern template void add_adjoint<double>(const OpOf<double>&, const MatrixOf<double>&,
                                         std::span<MatrixOf<double>* const>);
extern template std::vector<std::uint16_t> pieces_at<double>(const OpOf<double>&, std::span<const double>);

}  // namespace unrect
