// The exact optimum of tiny training problems, by brute force over activation patterns: what trainers are measured by.
#pragma once

#include <vector>

#include "unrect/lifted/chain.hpp"

namespace unrect {

/// The patterns [X w + b > 0] that (w, b) can produce on the rows of `inputs`, closed: each with the generators of its
/// cone
/// {(w, b) : (2D − I)[X, 1](w; b) ≥ 0}, one a column.
struct Dichotomy {
  Vector d;           // N, each 0 or 1
  Matrix generators;  // (n_0 + 1) × rays
};

/// All of them, each with an interior. A ray lies on n_0 of the N hyperplanes {(w, b) : wᵀx_i + b = 0}, so C(N, n_0)
/// candidates are tried. @throws Error kInvalidArgument if [X, 1] has not full column rank (the cones would hold
/// lines).
std::vector<Dichotomy> dichotomies(const MatrixRef& inputs);

struct ShallowOptimum {
  double loss = 0;  // min ½‖A_L − X‖²
  Chain chain;      // attains it: output weights ±1 or 0
};

/// The global optimum of a one-hidden-layer ReLU network of `units` units with one affine output, squared loss, no
/// ridge. Exact: v·relu(wᵀx + b) = ±relu(|v|(wᵀx + b)), so for each choice of patterns and signs the output is linear
/// in the scaled weights on a product of cones, and non-negative least squares in the cones' generators finds its
/// optimum. Cost: C(2K + n − 1, n) such problems for K patterns. @throws Error kInvalidArgument as dichotomies(), or
/// for targets of more than one column.
ShallowOptimum shallow_optimum(const MatrixRef& inputs, const MatrixRef& targets, Index units);

/// argmin ‖Bx − y‖ over x ≥ 0 (Lawson & Hanson 1974, active sets).
Vector nonnegative_least_squares(const Matrix& b, const Vector& y);

}  // namespace unrect
