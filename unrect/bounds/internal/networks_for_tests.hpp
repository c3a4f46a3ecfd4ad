// Small networks of every kind of node.
#pragma once

#include "unrect/base/rng.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

/// Two or three inputs, up to three layers of up to seven units: matrices, scales, selections, sums, concatenations,
/// and a convolution now and then; every piecewise-linear function that has a builder, and maxima. Two outputs.
Network network_of_every_kind(Rng rng);

}  // namespace unrect
