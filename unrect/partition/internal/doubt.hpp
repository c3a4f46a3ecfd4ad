// How wrong the value of an affine form at a point can be.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/types.hpp"

namespace unrect {

/// Factor that makes a bound computed in doubles hold in spite of its own roundings: n sums and products of numbers
/// that are not negative come out at least 1 − n u times what they are, u = 2⁻⁵³ (Higham 2002, lemma 3.1), and 1.01 (1
/// − n u) ≥ 1 as long as n ≤ 8·10¹³.
inline constexpr double kRoundedUp = 1.01;

/// What a threshold adds to the error of a form's value if it is taken off the constant before k products are added to
/// that: it is rounded k + 1 times, by u = ε/2 of its size each. (Up to three parameters, 4 u.)
inline double threshold_rounding(double threshold, Index k) {
  return static_cast<double>(std::max<Index>(4, k + 1)) / 2 * std::numeric_limits<double>::epsilon() *
         std::abs(threshold);
}

/// The value of a form at a point is off by at most error + gradient · (the point's own displacement).
struct Doubt {
  double error = 0, gradient = 0;

  double at(double delta) const { return error + gradient * delta; }
  /// For an edge whose ends have values of opposite signs, |a| + |b| = size: how far its zero, at the share |a| / size
  /// of its length, can be off as a share. With values off by D: by |δa b − a δb| / (size · size*) ≤ D / (size − 2 D).
  /// The zero lies on the edge, so that no more than 1 is possible.
  double along(double size, double delta) const {
    const double doubt = at(delta);
    return size > 3 * doubt ? doubt / (size - 2 * doubt) : 1.0;
  }
  /// Whether a new vertex owes most of its displacement to the form itself, and not to that of the edge's ends: solving
  /// for it would gain little. A choice of speed alone.
  bool inherent(double delta) const { return gradient * delta < 4 * error; }
};

}  // namespace unrect
