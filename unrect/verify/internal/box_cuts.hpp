// What of a box can lie below affine minorants?
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// The points of a box with slope·x + constant ≤ 0 for every row. All answers err on the side of more points.
struct AffineRows {
  Matrix slopes;     // rows × inputs
  Vector constants;  // rows

  Index size() const { return slopes.rows(); }
};

/// Narrows a box to the box around its points below one row; false if there is none. O(inputs).
bool cut_box(const VectorRef& slope, double constant, Vector& low, Vector& high);

/// Narrows a box to the box around its points below all rows, by two linear programs a direction; false if there is
/// none.
bool shrink_box(const AffineRows& rows, Vector& low, Vector& high);

struct Deepest {
  double value = 0;  // ≤ min over the box of the largest row
  Vector point;      // where it is attained, up to rounding
  Vector weights;    // of the rows, ≥ 0: their sum that is at least that everywhere
};
/// One linear program.
Deepest deepest_point(const AffineRows& rows, const Vector& low, const Vector& high);

}  // namespace unrect
