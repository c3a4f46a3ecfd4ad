// The same function with fewer nodes.
#pragma once

#include "unrect/network/network.hpp"

namespace unrect {

/// Merges affine chains: element-wise scales (batch-norm, normalisation) into the matrices and convolutions beside
/// them, selections into each other and into matrices, matrix after matrix where that does not add weights, sums of
/// matrices of one input; drops dead nodes; lets equal matrices share their parameters. Convolutions stay convolutions.
/// Products are in double; the piecewise-linear nodes, hence configurations, are untouched.
Network fold(const Network& network);

}  // namespace unrect
