// What is to be made largest or smallest: a sum of outputs.
#pragma once

#include <string_view>

#include "unrect/base/types.hpp"

namespace unrect {

/// direction · y + constant.
struct Objective {
  Vector direction;
  double constant = 0;
};

/// Reads sums and differences of outputs, multiples of them and numbers: "y0 - y1", "2*Y_0 + 0.5*y3 - 1". Numbers are
/// the nearest doubles, and what is said twice is added in double.
/// @throws Error kInvalidArgument naming the place and what was expected there, an output that the network does not
/// have, or a sum without one.
Objective parse_objective(std::string_view text, Index outputs);

}  // namespace unrect
