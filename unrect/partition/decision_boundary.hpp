// Where a network over a plane changes its decision.
#pragma once

#include <vector>

#include "unrect/partition/explore.hpp"

namespace unrect {

/// A piece of the decision boundary inside one region: y_first = y_second, and no output is larger.
struct BoundarySegment {
  Eigen::Vector2d from, to;    // t
  int first = 0, second = -1;  // first < second; −1: the number zero, for a network with one output
};

/// All of the decision boundary over a two-dimensional domain, in the order of the refinement: where the two largest
/// outputs are equal, or where the only one is zero. Up to rounding of the maps and vertices. Where the boundary runs
/// along a facet it comes once; a whole region of equal largest outputs has no boundary inside.
/// @throws Error kInvalidArgument for a domain that is no plane or a refinement with incidence (its polygons have no
/// order), kCancelled if the progress callback says stop.
std::vector<BoundarySegment> decision_boundary(const Refinement& refinement, const Context& context = {});

}  // namespace unrect
