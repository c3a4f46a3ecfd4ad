// Un-rectified training as a mixed-integer program, in the files that solvers read.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "unrect/lifted/chain.hpp"

namespace unrect {

/// min Σ cost · x, rows Σ coefficient · x = or ≤ right, lower ≤ x ≤ upper, some x whole numbers.
struct Mip {
  struct Variable {
    std::string name;
    double lower = 0, upper = 0;  // infinite: none
    double cost = 0;
    bool integer = false;
  };
  struct Row {
    std::string name;
    std::vector<std::pair<int, double>> terms;  // variable, coefficient
    bool equal = true;
    double right = 0;
  };
  std::vector<Variable> variables;
  std::vector<Row> rows;
};

/// min Σ|A_L − X| over the lifted variables and the first layer's W̃_1, each entry within `radius` of the chain's
/// (0: all weights fixed); the later layers are as given, so that no product of two variables is left. By c2 … c4
///   z = s⁺ − s⁻,  a = s⁺,  0 ≤ s⁺ ≤ M d,  0 ≤ s⁻ ≤ m (1 − d),  d ∈ {0, 1}
/// a unit and sample each, with M = max(0, z̄), m = max(0, −z̲) for bounds z̲ ≤ z ≤ z̄ by interval arithmetic from W̃_1's
/// box: valid, since no feasible point leaves them. Variables: w_j_k (W̃_1), p_l_i_j, q_l_i_j (s±), d_l_i_j, over_i_k
/// and under_i_k (the error's parts); l from 1, sample i, unit j from 0. @throws Error kInvalidArgument for shapes,
/// radius < 0.
Mip training_mip(const Chain& chain, const MatrixRef& inputs, const MatrixRef& targets, double radius);

/// Free-format MPS and CPLEX LP text; numbers read back to the same doubles.
std::string format_mps(const Mip& mip);
std::string format_lp(const Mip& mip);
/// By the name's ending, .mps or .lp. @throws Error kInvalidArgument for another, kFile.
void write_mip(const std::filesystem::path& path, const Mip& mip);

}  // namespace unrect
