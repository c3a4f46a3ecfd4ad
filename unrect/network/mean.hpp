// The mean of several networks, as one network.
#pragma once

#include <vector>

#include "unrect/network/network.hpp"

namespace unrect {

/// x ↦ 1/K Σ_k f_k(x): the networks side by side on one input. (fold() lets equal matrices share their parameters.)
/// @throws Error kInvalidArgument for none, or where inputs or outputs differ in size.
Network mean(const std::vector<Network>& networks);

}  // namespace unrect
