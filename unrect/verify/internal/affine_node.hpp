// An affine node as what it is made of: y = W x + b.
#pragma once

#include <vector>

#include "unrect/network/network.hpp"

namespace unrect {

/// y_row += weight · x_column of the node `source`.
struct AffineTerm {
  int source = 0;
  Index row = 0, column = 0;
  double weight = 0;
};

/// A matrix and a vector, or terms over several nodes.
struct AffineNode {
  const Matrix* weight = nullptr;  // the node's own; null: terms
  std::vector<AffineTerm> terms;
  Vector bias;
};

/// Nothing but zeros for the input and for nodes that are not affine.
AffineNode affine_node(const Network& network, int v);

}  // namespace unrect
