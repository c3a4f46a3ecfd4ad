// A region's linear part with what rounding may have done to it.
#pragma once

#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/region/factors.hpp"

namespace unrect {

/// A W for every A in the range.
MatrixRange product(const MatrixRange& a, const Matrix& w);
/// A diag(d) for every A in the range.
MatrixRange product(const MatrixRange& a, const Vector& d);
/// A + 1 bᵀ for every A in the range.
MatrixRange shifted(MatrixRange a, const Vector& b);

/// A_d of the network's own numbers, any graph: backwards from its outputs, with a running error that each node's
/// absolute values carry on. Cost: 2 n_L backward passes, twice their memory.
MatrixRange linear_range(const Region& region);

/// J_1 … J_L: J_L = I, J_l = W_L D_{L−1} … W_{l+1} D_l.
std::vector<MatrixRange> jacobian_ranges(const Factors& factors);

}  // namespace unrect
