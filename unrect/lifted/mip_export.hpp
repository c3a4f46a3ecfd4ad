// Un-rectified training as a mixed-integer program.
#pragma once

#include "unrect/lifted/chain.hpp"
#include "unrect/polytope/mip.hpp"

namespace unrect {

/// min Σ|A_L − X| over the lifted variables and the first layer's W̃_1, each entry within `radius` of the chain's
/// (0: all weights fixed); the later layers are as given, so that no product of two variables is left. By c2 … c4
///   z = s⁺ − s⁻,  a = s⁺,  0 ≤ s⁺ ≤ M d,  0 ≤ s⁻ ≤ m (1 − d),  d ∈ {0, 1}
/// a unit and sample each, with M = max(0, z̄), m = max(0, −z̲) for bounds z̲ ≤ z ≤ z̄ by interval arithmetic from W̃_1's
/// box: valid, since no feasible point leaves them. Variables: w_j_k (W̃_1), p_l_i_j, q_l_i_j (s±), d_l_i_j, over_i_k
/// and under_i_k (the error's parts); l from 1, sample i, unit j from 0. @throws Error kInvalidArgument for shapes,
/// radius < 0.
Mip training_mip(const Chain& chain, const MatrixRef& inputs, const MatrixRef& targets, double radius);

}  // namespace unrect
