// ExplicitAl behind train(): samples in, network and iteration log out.
#pragma once

#include "unrect/train/train.hpp"

namespace unrect {

/// The validation set, which may be empty, is for the log alone. @throws Error kUnsupported for networks that are no
/// chains, losses other than squared, checkpoints, budgets, early stopping, fixed nodes, new samples and ranks.
TrainResult train_explicitly(const Network& start, const Samples& samples, const Samples& validation,
                             const TrainOptions& options, const Context& context, const Ranks& ranks,
                             const Watch& watch = {});

}  // namespace unrect
