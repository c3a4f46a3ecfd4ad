// ExplicitAl behind train(): samples in, network and iteration log out.
#pragma once

#include "unrect/learn/train.hpp"

namespace unrect {

/// @throws Error kUnsupported for networks that are no chains, losses other than squared, checkpoints, budgets, early
/// stopping and ranks.
TrainResult train_explicitly(const Network& start, const Samples& samples, const TrainOptions& options,
                             const Context& context, const Ranks& ranks);

}  // namespace unrect
