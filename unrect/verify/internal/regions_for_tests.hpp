// Properties in a line, and what holds over a domain by listing all of its regions.
#pragma once

#include <cstdint>
#include <vector>

#include "unrect/network/network.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/polytope/halfspaces.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {

/// max direction · M(x) over a box of some width in every input: one linear program a region.
double largest_by_regions(const Network& network, const Box& box, const Vector& direction);

/// The distance from a point of the plane to the nearest one of the box at which another output is as large as
/// `label`'s: each region's polygon, cut by what the outputs say. Infinite if there is none.
double distance_by_regions(const Network& network, const Box& box, const Vector& x, Index label, Norm norm);

/// One case: a box, without rows over inputs.
Property property_of(const Network& network, const Box& box, std::vector<Halfspaces> unsafe);
/// {y : direction · y ≥ threshold}.
Halfspaces at_least(const Vector& direction, double threshold);

/// How often a random test is repeated: as usual, or as often as UNRECT_ROUNDS says.
std::uint64_t rounds(std::uint64_t usual);

/// {x : |x_j| ≤ reach for all j}.
Box cube(Index dimension, double reach);

}  // namespace unrect
