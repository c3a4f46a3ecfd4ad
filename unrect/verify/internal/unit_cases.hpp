// A box with few undecided units, settled case by case: on either side of each, until one linear program decides.
#pragma once

#include "unrect/verify/internal/box_cuts.hpp"
#include "unrect/verify/internal/query.hpp"

namespace unrect {

struct UnitCases {
  bool refuted = false;
  std::uint64_t nodes = 0;
  Vector candidate;  // of the cases that stay open, the deepest point of the last one
};

/// Units are taken from the first stage on: what is before a unit is affine on its case then, and so the unit's own
/// side is a half-space up to rounding, which is on the side of more points. Gives up, undecided, after `budget` cases.
UnitCases settle_units(Relaxation& relaxation, const Query& query, const NodeBatch& node, int budget);

/// Units whose range holds a break, over all stages; those of maxima count as very many.
Index undecided_units(const BoundGraph& graph, const NodeBatch& nodes, Index row);

}  // namespace unrect
