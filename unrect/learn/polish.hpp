// The last steps to a stationary point of a small problem.
#pragma once

#include "unrect/learn/lifted.hpp"

namespace unrect {

/// Levenberg–Marquardt on the true loss. Each step is taken on the smooth problem that the present activation pattern
/// fixes, and only if the true loss falls; it ends when every entry of the gradient is at most `tolerance`, after `steps`
/// steps, or where no step helps (at a kink). Cost of a step: O(N n_L P² + P³) for P weights and biases.
Chain polish(Chain chain, const Objective& objective, const MatrixRef& inputs, const MatrixRef& targets, int steps,
             double tolerance);

}  // namespace unrect
