// Which piece every piecewise-linear unit is on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/network/network.hpp"

namespace unrect {

/// One piece index a unit, layer by layer (Network::layers()); for a ReLU the d of maths 1.2: 1 if z > 0, else 0.
struct Configuration {
  std::vector<std::vector<std::uint16_t>> layers;

  bool operator==(const Configuration&) const = default;
};

/// A unit of a layer; both count from 0.
struct Unit {
  int layer = 0;
  Index index = 0;

  bool operator==(const Unit&) const = default;
};

/// What a forward pass at x sees. pre_activations[l]: the values that layer l's node reads.
struct Trace {
  Configuration configuration;
  std::vector<Vector> pre_activations;
  Vector output;
};

/// One forward pass in double. @throws Error kInvalidArgument for a wrong size, a value that is not finite, and where
/// the network overflows.
Trace trace(const Network& network, const VectorRef& x);

/// Units within `tolerance` · (1 + max|z| of their layer) of a break (for a maximum: of a tie), where either piece
/// gives the same map (maths 1.2).
std::vector<Unit> boundary_units(const Network& network, const Trace& trace, double tolerance = 1e-12);

/// Sets the configuration to the one at x by the network's own numbers: error-bounded doubles, exact signs where they
/// cannot tell, as trace() does not. Returns the units that are at a break (for a maximum: of a tie), exactly.
/// @throws Error kInvalidArgument for another network's configuration. Cost: one forward pass, about the network's
/// weights in exact products if a unit is in doubt.
std::vector<Unit> settle_pieces(const Network& network, const VectorRef& x, Configuration& configuration);

/// Reads "0110,10": one character (0–9) a unit, layers separated by commas, spaces or slashes.
/// @throws Error kInvalidArgument naming the layer whose length or piece does not fit the network.
Configuration parse_configuration(const Network& network, std::string_view text);

/// @throws Error kInvalidArgument unless the configuration has this network's layers, widths and pieces.
void check_configuration(const Network& network, const Configuration& configuration);

}  // namespace unrect
