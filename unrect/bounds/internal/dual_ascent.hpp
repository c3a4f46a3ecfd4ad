// Tighter linear bounds: the lower lines' slopes and the splits' multipliers climb the dual of the relaxation.
#pragma once

#include <vector>

#include "unrect/bounds/internal/relaxation.hpp"

namespace unrect {

/// Some rows to be bounded from below: v·z of one stage + constant, each over a node of its own with splits of its own.
/// Every choice of slopes α ∈ [0, 1] and multipliers β ≥ 0, λ in the simplex is a bound (α-, β-CROWN: Xu et al. 2021,
/// Wang et al. 2021): rounding is paid for by the sweep, however the choice was found.
struct AscentRows {
  int stage = 0;
  NodeBatch nodes;                         // one a row; ranges already clipped by the splits
  std::vector<std::vector<Split>> splits;  // of each row
  std::vector<Vector> beta;                // of each split
  std::vector<Matrix> alpha;               // by stage, rows × units
  std::vector<Objectives> objectives;      // of each row: min over λ-combinations of these, over z of `stage`
  std::vector<Vector> lambda;              // of each row

  Vector value;   // the best bound so far
  Matrix corner;  // the box's corner that the last sweep ended in
  std::vector<Matrix>
      score;  // by stage, rows × units: how far the last sweep's lines are from the units at that corner
};

struct AscentOptions {
  int steps = 20;
  double alpha_rate = 0.25;
  double beta_rate = 0.1;
  double decay = 0.95;  // of the rates, a step
  double enough = 0;    // a row above it is left alone once all are
};

/// Raises rows.value by so many sweeps; keeps the best α, β, λ of each row.
void ascend(Relaxation& relaxation, AscentRows& rows, const AscentOptions& options);

/// Fills α with the slopes that are best in the middle, β with zeros and λ with equal weights, value with −∞.
void start_ascent(const Relaxation& relaxation, AscentRows& rows);

}  // namespace unrect
