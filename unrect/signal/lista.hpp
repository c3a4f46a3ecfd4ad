// ISTA unrolled: a ReLU network that finds sparse codes.
#pragma once

#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// One phase c ← soft(E y + S c, t) of learned ISTA (Gregor, LeCun 2010), codes of size n from signals of size m.
struct ListaPhase {
  Matrix from_signal;  // E, n × m
  Matrix from_code;    // S, n × n
  Vector threshold;    // t ≥ 0, n
};

/// The untrained network, `count` iterations of ISTA on ½‖A c − y‖² + λ‖c‖₁ from c = 0: E = sAᵀ, S = I − sAᵀA, t = sλ
/// with s = step, or 1/‖A‖² for step 0. @throws Error kInvalidArgument unless count ≥ 1, λ > 0, step ≥ 0, A finite.
std::vector<ListaPhase> ista_phases(const MatrixRef& a, double lambda, int count, double step = 0);

/// One signal a row to one code a row. @throws Error kInvalidArgument for phases that disagree in size; so does the
/// other.
Matrix lista_codes(const std::vector<ListaPhase>& phases, const MatrixRef& signals);

/// The same function as a chain of affine layers with ReLU between: since soft(v, t) = relu(v − t) − relu(−v − t) and y
/// = relu(y) − relu(−y), layers of 2n + 2m units carry code and signal along.
struct LayerChain {
  std::vector<Matrix> weights;  // out × in
  std::vector<Vector> biases;
};
LayerChain lista_chain(const std::vector<ListaPhase>& phases);

}  // namespace unrect
