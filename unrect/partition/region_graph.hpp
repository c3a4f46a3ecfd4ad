// How the regions of a partition hang together: neighbours, pieces of the function, ancestors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "unrect/forms/stages.hpp"
#include "unrect/partition/partition.hpp"

namespace unrect {

/// The dual graph: pairs of regions that share a facet.
struct Adjacency {
  std::vector<std::array<std::uint32_t, 2>> pairs;  // smaller index first; sorted
  std::vector<std::uint32_t> units;                 // that switch from one side to the other (columns of pieces):
  std::vector<std::uint64_t> starts;                // pair i's from starts[i] to starts[i + 1]
  std::uint64_t unpaired = 0;                       // facets inside the domain seen from one side only: 0, always
};

/// Pairs the two sides of every facet by its key. O(facets · log + pairs · units) time, 16 bytes a facet beside the
/// result. @throws Error kInvalidArgument for a partition without Columns::keys.
Adjacency adjacency(const Partition& partition);

/// The affine pieces of y(t): connected sets of regions with one map.
struct DistinctMaps {
  std::vector<std::uint32_t> of_region;  // numbered in the order of their first regions
  std::uint64_t count = 0;
  std::uint64_t exact_decisions = 0;  // pairs that rounding left open, settled in rationals
};

/// Maps on both sides of a facet are told apart by their Jacobians, where those differ by more than rounding can make
/// them (StageFilter). Otherwise they are equal if no unit that switches has a path to the output through active units
/// — the Jacobians differ by the units' downstream gain times their gradient — and else it is decided in rationals.
/// @throws Error kInvalidArgument for a partition without maps, of another refinement, or with facets of one side only.
DistinctMaps distinct_maps(const Refinement& refinement, const Partition& partition, const Adjacency& adjacency);

/// C_1, …, C_L: the cells of C_l are runs of regions, because the partition is in the order of the refinement.
struct RefinementTree {
  /// first_region[l][i]: where cell i of C_{l+1} begins; one more at the end: all regions. The last is 0, 1, 2, …
  std::vector<std::vector<std::uint32_t>> first_region;
  /// parents[l][i]: the cell of C_l that cell i of C_{l+1} lies in; for l = 0, the domain: 0.
  std::vector<std::vector<std::uint32_t>> parents;
};

/// first_unit: of each layer in a flat configuration, and all units at the end (Stages). O(regions · units).
RefinementTree refinement_tree(const Partition& partition, const std::vector<Index>& first_unit);

}  // namespace unrect
