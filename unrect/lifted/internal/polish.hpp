// The last steps to a stationary point of a small problem.
#pragma once

#include <functional>

#include "unrect/lifted/lifted.hpp"

namespace unrect {

struct Polished {
  Chain chain;
  LiftedSamples samples;  // the feasible point above it; where z = 0, d in [0, 1] is the slope that balances the forces
};

/// Levenberg–Marquardt on the true loss. Each step is taken on the smooth problem that the present activation pattern
/// fixes, and only if the true loss falls. Minima often lie on kinks: units × samples with |z| ≈ 0 are pinned there
/// (C p = −z), with forces ν; a pin is let go when its d = ν / (∂f/∂a) leaves [0, 1] and the loss falls beside it.
/// Ends when ‖g + Cᵀν‖_∞ ≤ `tolerance`, after `steps` steps, where none helps, or once `stopped`
/// says so. Cost of a step: O(N n_L P² + P³) for
/// P weights and biases.
Polished polish(const Chain& start, const LearningObjective& objective, const MatrixRef& inputs,
                const MatrixRef& targets, int steps, double tolerance, const std::function<bool()>& stopped = {});

}  // namespace unrect
