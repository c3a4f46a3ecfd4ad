// How a search by halving went, for whoever proves its answer afterwards.
#pragma once

#include <vector>

#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// Boxes that a search kept; node 0 is the domain.
struct SearchTree {
  struct Node {
    Box box;                     // after everything was cut off that was found to be safe
    Index input = -1;            // it was halved along; −1: it was not
    double at = 0;               // … here
    int below = -1, above = -1;  // the halves that were kept; −1: refuted
  };
  std::vector<Node> nodes;
};

}  // namespace unrect
