// Regions on many ranks. Rank 0 holds the state and hands out subtrees; whoever has none left asks for more. Which rank
// does which subtree changes nothing: every result is a function of its subtree alone.
#pragma once

#include "unrect/partition/explore.hpp"

namespace unrect {

/// What explore() does, on all ranks of MPI_COMM_WORLD. Returns on rank 0 alone; the others end their process.
void explore_on_ranks(const Refinement& refinement, Exploration& state, const ExploreOptions& options,
                      const Context& context);

}  // namespace unrect
