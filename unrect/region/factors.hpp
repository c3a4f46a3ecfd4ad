// A region's affine map as a product of matrices, where the network is a chain (maths 1.2).
#pragma once

#include <vector>

#include "unrect/region/region.hpp"

namespace unrect {

/// M(x) = W_L D_{L−1} W_{L−1} … D_1 W_1 x + …, the un-rectified representation.
struct Factors {
  std::vector<Matrix> weights;    // W_1 … W_L; n_l × n_{l−1}
  std::vector<Vector> biases;     // b_1 … b_L
  std::vector<Vector> diagonals;  // d_1 … d_{L−1}; 0 or 1 for ReLUs, slopes or relaxed values in general
  std::vector<Vector> offsets;    // of the pieces: a_l = D_l z_l + e_l; zero for ReLUs
  // ‖W_l − the network's own‖_F at most, where a product of affine nodes was rounded; none: all are the network's own.
  std::vector<double> weight_errors{};

  int depth() const { return static_cast<int>(weights.size()); }
  /// S_l = supp(d_l), l = 1 … L−1.
  std::vector<Index> support(int l) const;
};

/// The factors of a region of a chain of affine and point-wise nodes; convolutions and selections become matrices of at
/// most `max_elements`. A chain that begins or ends with a rectifier gets an identity there.
/// @throws Error kUnsupported naming the node that is not part of a chain (residual sums, maxima) or is too large.
Factors factors(const Region& region, Index max_elements = Index{1} << 21);

}  // namespace unrect
