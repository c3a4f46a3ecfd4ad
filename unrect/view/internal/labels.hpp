// Where labels go so that none hides another.
#pragma once

#include <vector>

namespace unrect {

struct LabelBox {
  double x = 0, y = 0;           // its centre
  double width = 0, height = 0;  // both sides included
};

/// True if the insides of the two meet.
bool overlap(const LabelBox& a, const LabelBox& b);

struct Leader {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

/// The line from a label's point to the nearest point of the box that it got.
Leader leader_to(const LabelBox& label, const LabelBox& placed);

/// For each label — x, y is the point that it names, width and height its size — the box in which to write it: beside
/// its point, on the side away from the other points, farther off only where it must be to meet no box placed before
/// and to stay within `frame`; lines from far labels to their points avoid each other and the boxes. Greedy, in the
/// order given, three times over; when no place is free the label stays beside its point. Cost: O(n²) times some
/// hundred places tried.
std::vector<LabelBox> place_labels(const std::vector<LabelBox>& labels, const LabelBox& frame);

}  // namespace unrect
