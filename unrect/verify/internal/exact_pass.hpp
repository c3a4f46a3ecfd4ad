// The network's output at one point without rounding: weights and inputs are doubles, so everything is a dyadic
// rational.
#pragma once

#include <utility>
#include <vector>

#include "unrect/forms/stages.hpp"
#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// One pass: O(the network's weights) products of whole numbers.
/// @throws Error kInvalidArgument for sizes that disagree.
class ExactPass {
 public:
  explicit ExactPass(const Stages& stages) : stages_(&stages) {}

  /// For each polytope the sign of the smallest slack: 1 if M(x) is inside {y : G y ≤ h}, 0 on its boundary, −1
  /// outside.
  std::vector<int> sides(const VectorRef& x, const std::vector<Halfspaces>& polytopes) const;
  /// direction · M(x) + constant, rounded down and rounded up: equal where it is a double.
  std::pair<double, double> value(const VectorRef& x, const VectorRef& direction, double constant) const;

 private:
  const Stages* stages_;
};

/// Sign of the smallest slack of x itself: 1 inside, 0 on the boundary, −1 outside; exact.
int exact_side(const VectorRef& x, const Halfspaces& rows);

}  // namespace unrect
