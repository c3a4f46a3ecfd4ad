// How wrong the value of an affine form at a point can be.
#pragma once

namespace unrect {

/// Factor that makes a bound computed in doubles hold in spite of its own roundings: n sums and products of numbers
/// that are not negative come out at least 1 − n u times what they are, u = 2⁻⁵³ (Higham 2002, lemma 3.1), and 1.01 (1
/// − n u) ≥ 1 as long as n ≤ 8·10¹³.
inline constexpr double kRoundedUp = 1.01;

/// The value of a form at a point is off by at most error + gradient · (the point's own displacement).
struct Doubt {
  double error = 0, gradient = 0;

  double at(double delta) const { return error + gradient * delta; }
  /// For an edge whose ends have values |a| + |b| = size: how far its zero can be off, as a share of its length.
  double along(double size, double delta) const {
    const double doubt = at(delta);
    return size > 3 * doubt ? doubt / (size - 2 * doubt) : 1.0;
  }
  /// Whether a new vertex owes its displacement to the form itself: solving for it would gain little.
  bool inherent(double delta) const { return gradient * delta < 4 * error; }
};

}  // namespace unrect
