// Decisions that must not depend on rounding: doubles are rationals, so GMP settles them.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "unrect/base/types.hpp"

namespace unrect {

/// Sign (−1, 0, 1) of a·x + b: an error-bounded filter first, rational arithmetic where it cannot tell.
int sign_of_affine(const VectorRef& a, double b, const VectorRef& x);

/// Vectors in whole numbers (whole.hpp).
struct WholeRow;
struct WholeMultiple;

/// Farkas' lemma, settled exactly for G (k × d) and c (d): either c is in the cone of G's rows,
///     y ≥ 0 with Gᵀ y = c          (in_cone; `multipliers` y, at most d of them positive)
/// or a direction separates it,
///     v with G v ≤ 0, c·v > 0      (`direction`, scaled to max |v_j| = 1).
/// The decision is exact; the vectors are its rationals rounded to doubles.
struct FarkasAlternative {
  bool decided = true;  // false: the effort allowed was not enough, and nothing is claimed
  bool in_cone = false;
  Vector multipliers;  // k
  Vector direction;    // d
};

/// How much work an exact search may take, in products of machine words: some 10⁹ a second. The same everywhere, since
/// what is decided must not depend on the machine.
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// `start`: rows that are expected in the answer (a floating-point basis). If c is in their cone, one linear system
/// says so: solved modulo 2⁶¹ − 1, lifted (Dixon 1982) and checked in whole numbers. Else Schrijver 1986, Theorem 7.1,
/// with Bland's rule and whole-number pivots (Edmonds, Bareiss); O(kd + d²) operations a pivot.
/// Doubles are taken as they are. @throws Error kInvalidArgument for sizes that disagree, entries that are not finite.
FarkasAlternative farkas_alternative(const MatrixRef& generators, const VectorRef& target,
                                     std::span<const Index> start = {}, std::int64_t effort = kNoLimit);

}  // namespace unrect
