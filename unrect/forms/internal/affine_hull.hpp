// The affine hull of a domain: what its inequalities leave free, found in rationals.
#pragma once

#include <memory>

#include "unrect/forms/domain.hpp"

namespace unrect {

/// The points x = o + U t of a box of t that satisfy inequalities on x, written over their affine hull.
///
/// Implicit equalities are those inequalities that hold with equality at every point. Bounds of one form from both
/// sides that meet are some; the others are the support of the multipliers that prove max r = 0 over a·x + r ≤ b, by
/// the simplex method in rationals, unless a point that a floating-point program finds is strictly inside. Each
/// equality is solved for a parameter whose coefficient is a power of two, which Euclid's steps between columns make
/// where there is none: the result is dyadic if the hull holds a dyadic point at all. Cost: O(non-zeros) rational
/// operations and one DenseLp over the parameters that several-term inequalities speak of; for each equality found
/// O(non-zeros of the inequalities that it meets) more.
class AffineHull {
 public:
  /// All of a box. Inputs of zero width are equalities.
  explicit AffineHull(const Box& inputs);
  explicit AffineHull(const Domain& domain);
  ~AffineHull();

  /// Adds G x ≤ h. @throws Error kInvalidArgument for a wrong width.
  void add(const Halfspaces& inputs);
  /// Puts the set into a domain, whose `rounding` grows by that of its new numbers.
  /// @throws Error kInvalidArgument, naming inequalities that contradict each other, for no point; naming the point if
  /// there is but one; if the set is thinner than the rounding of its numbers to doubles.
  void write(Domain& domain);

 private:
  class System;
  std::unique_ptr<System> system_;
};

}  // namespace unrect
