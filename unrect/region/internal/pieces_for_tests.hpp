// A configuration as partitions have it.
#pragma once

#include <cstdint>
#include <vector>

#include "unrect/region/configuration.hpp"

namespace unrect {

/// Every unit's piece at x, layer after layer, by a forward pass in double.
inline std::vector<std::uint16_t> pieces_at(const Network& network, const Vector& x) {
  std::vector<std::uint16_t> flat;
  for (const auto& layer : trace(network, x).configuration.layers) flat.insert(flat.end(), layer.begin(), layer.end());
  return flat;
}

}  // namespace unrect
