// Vectors of doubles, or of a network's exact forms, in GMP's whole numbers.
#pragma once

#include <gmpxx.h>

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/polytope/exact.hpp"

namespace unrect {

/// A vector in whole numbers. For cones and half-spaces a positive multiple is as good as the vector itself.
struct WholeRow : std::vector<mpz_class> {
  using std::vector<mpz_class>::vector;
};

/// The vector times 2^exponent, the least power of two that makes it whole. @throws Error kInvalidArgument for entries
/// that are not finite.
struct WholeMultiple {
  WholeRow row;
  long exponent = 0;
};
WholeMultiple whole_multiple(const VectorRef& vector);

/// numerator / denominator, rounded once more or less than to nearest (relative error ≤ 3 ε), without over- or
/// underflow of the two by themselves.
double ratio(const mpz_class& numerator, const mpz_class& denominator);

/// The double nearest to x (get_d() cuts off); infinite beyond the doubles.
double nearest_double(const mpq_class& x);

/// Farkas' lemma for whole rows: multipliers are of these. @throws Error kInvalidArgument for sizes that disagree.
FarkasAlternative farkas_alternative(std::span<const WholeRow> generators, const WholeRow& target,
                                     std::span<const Index> start = {}, std::int64_t effort = kNoLimit);

}  // namespace unrect
