// A ball of the ℓ2 or ℓ1 norm that cuts a box.
#pragma once

#include "unrect/network/norms.hpp"

namespace unrect {

/// {x : ‖x − center‖ ≤ radius}; kTwo or kOne, since a ball of the maximum norm is a box.
struct NormBall {
  Norm norm = Norm::kTwo;
  Vector center;
  double radius = 0;
};

/// min slope · x over low ≤ x ≤ high within the ball.
struct BallMinimum {
  double value = 0;  // ≤ the minimum, every rounding paid for; very large if box and ball have no common point
  Vector point;      // where it is attained, up to rounding
};
/// The dual: for every μ ≥ 0 the minimum is at least slope·center − μ r + Σ_j min_d slope_j d + μ|d| over
/// low ≤ center + d ≤ high (ℓ2: μ d²/2 and μ r²/2); μ is where the minimiser has length r. O(inputs · log inputs).
BallMinimum minimum_over(const VectorRef& slope, const VectorRef& low, const VectorRef& high, const NormBall& ball);

/// ‖d‖ in the norm.
double length(Norm norm, const VectorRef& d);
/// The nearest point of the ball by its own norm (ℓ1: after the Euclidean one; Duchi et al. 2008), between x and center
/// in every coordinate.
Vector projected(const VectorRef& x, const NormBall& ball);

}  // namespace unrect
