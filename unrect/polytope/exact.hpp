// Decisions that must not depend on rounding: doubles are rationals, so GMP settles them.
#pragma once

#include <span>

#include "unrect/base/types.hpp"

namespace unrect {

/// Sign (−1, 0, 1) of a·x + b: an error-bounded filter first, rational arithmetic where it cannot tell.
int sign_of_affine(const VectorRef& a, double b, const VectorRef& x);

/// Farkas' lemma, settled exactly for G (k × d) and c (d): either c is in the cone of G's rows,
///     y ≥ 0 with Gᵀ y = c          (in_cone; `multipliers` y, at most d of them positive)
/// or a direction separates it,
///     v with G v ≤ 0, c·v > 0      (`direction`, scaled to max |v_j| = 1).
/// The decision is exact; the vectors are its rationals rounded to doubles.
struct FarkasAlternative {
  bool in_cone = false;
  Vector multipliers;  // k
  Vector direction;    // d
};

/// `start`: rows that are expected in the answer (a floating-point basis), to save pivots.
/// Schrijver 1986, Theorem 7.1, with Bland's rule; O(kd + d²) rational operations a pivot.
/// @throws Error kInvalidArgument for sizes that disagree or entries that are not finite.
FarkasAlternative farkas_alternative(const MatrixRef& generators, const VectorRef& target,
                                     std::span<const Index> start = {});

}  // namespace unrect
