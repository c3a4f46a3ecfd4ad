// Where a unit changes its piece, or the domain ends.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// The hyperplane where a unit changes its piece: z_row(t) = threshold, or z_row(t) = z_other(t) for a maximum; or a
/// side of the domain (stage −1, row: 2d for t_d = lower_d, 2d + 1 for t_d = upper_d, then the constraints).
struct Hyperplane {
  int stage = -1;
  Index row = 0;
  Index other = -1;
  double threshold = 0;
  Index piece = 0;  // of the unit, below the threshold
  Index unit = 0;   // of the layer, whose piece changes: the row, but for a maximum

  bool operator==(const Hyperplane&) const = default;
};

/// The closed side of a wall where sign · (the function that is zero on it) ≥ 0.
struct WallSide {
  Hyperplane wall;
  int sign = 1;
};

}  // namespace unrect
