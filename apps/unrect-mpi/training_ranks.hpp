// Training on many ranks: the two exchanges that it needs.
#pragma once

#include "unrect/train/train.hpp"

namespace unrect {

/// This process among those of MPI_COMM_WORLD.
Ranks training_ranks();

}  // namespace unrect
