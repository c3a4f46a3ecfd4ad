// Branch and bound for few inputs: boxes of inputs, halved.
#pragma once

#include "unrect/verify/internal/search.hpp"

namespace unrect {

/// A node is a box. It is refuted if for each unsafe polytope a row's proved minimum over it is positive. Before a box
/// is halved the rows' affine minorants cut off what cannot be unsafe; it is halved in every direction that matters,
/// and the pair with the better bounds is kept (strong branching: some five times the bounds, a hundredth of the
/// nodes). Depth first, in rounds of a fixed number of boxes, so that the answer does not depend on threads.
SearchOutcome search_boxes(const SearchTask& task);

}  // namespace unrect
