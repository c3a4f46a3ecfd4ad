// Networks of every kind of node, to try what works on any network.
#pragma once

#include <cstdint>

#include "unrect/network/network.hpp"

namespace unrect {

/// A dozen nodes of any kind, convolutions and piecewise functions in all their forms, some with shared parameters,
/// some that nothing reads, with names that others have as well or that no file should hold.
Network random_graph(std::uint64_t seed);

}  // namespace unrect
