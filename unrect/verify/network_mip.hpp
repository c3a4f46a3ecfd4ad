// The un-rectified network as a mixed-integer program, for other solvers.
#pragma once

#include <optional>

#include "unrect/network/network.hpp"
#include "unrect/polytope/mip.hpp"
#include "unrect/verify/objective.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {

struct NetworkMipOptions {
  std::optional<Objective> objective;  // of the outputs
  bool maximize = false;
  bool unsafe = false;   // only inputs whose outputs are unsafe
  bool relaxed = false;  // every whole number may be any number between its bounds
};

/// Which variables are which, and what became of the units.
struct NetworkMip {
  Mip mip;
  int inputs = 0;        // variables 0 … inputs − 1 are x_j
  int first_output = 0;  // the outputs are the variables from here on
  int outputs = 0;
  int objective = -1;  // the variable that has its value; −1: none
  Index units = 0;     // of the piecewise-linear layers
  Index stable = 0;    // those on one piece all over the domain
  Index binaries = 0;  // d and what tells cases apart, relaxed or not
};

/// x_j inputs, z_l_i what unit i of layer l reads, a_l_i its value, d_l_i its side, y_k outputs (l from 1, the others
/// from 0); `objective` where there is one, which is minimized, or its negative. A rectifier with z̲ < 0 < z̄ is
/// un-rectified (HH eq. 7, TH: a = d ∘ z) with proved bounds z̲ ≤ z ≤ z̄ (rounding included):
///   a ≥ 0,  a ≥ z,  a ≤ z − z̲ (1 − d),  a ≤ z̄ d,  d ∈ {0, 1}
/// Any other piecewise-linear unit has a z_l_i_p and a d_l_i_p a piece [t_p, t_{p+1}] within the bounds:
///   z = Σ z_p,  a = Σ (slope_p z_p + offset_p d_p),  t_p d_p ≤ z_p ≤ t_{p+1} d_p,  Σ d_p = 1
/// A maximum has a d_l_i_j for each value z_j that can be the largest:
///   a ≥ z_j,  a ≤ z_j + M_j (1 − d_j),  Σ d_j = 1,  M_j = max_{k≠j} z̄_k − z̲_j rounded up
/// Units on one piece have no d, and no a where it is 0 or z. v_s_i are sums that rounding keeps from being put into
/// the next ones. Coefficients are the network's own numbers; biases, and weights of links that meet, are added in
/// double.
/// Several cases of `domain` are told apart by c_k, their unsafe sets by u_k_p. Without an objective all costs are 0.
/// @throws Error kInvalidArgument for sizes that disagree, a domain without an input, bounds that overflow.
NetworkMip network_mip(const Network& network, const Property& domain, const NetworkMipOptions& options = {});

}  // namespace unrect
