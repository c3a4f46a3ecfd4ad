// Affine forms over parameters in rationals, which remember the inequalities that they follow from.
#pragma once

#include <gmpxx.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect::hull {

using Rational = mpq_class;
/// Σ coefficient · parameter
using Terms = std::vector<std::pair<Index, Rational>>;  // parameter and coefficient: ascending, none is zero
using Reasons = std::vector<Index>;                     // ascending: the inequalities that something follows from

/// terms + constant; `why`: the inequalities that make it so.
struct Affine {
  Terms terms;
  Rational constant;
  Reasons why;
};

struct Bound {
  Rational value;
  Reasons why;
};

/// lower ≤ form ≤ upper
struct Band {
  std::optional<Bound> lower, upper;

  bool closed() const { return lower && upper && lower->value == upper->value; }
};

struct ByTerms {
  bool operator()(const Terms& a, const Terms& b) const {
    return std::ranges::lexicographical_compare(a, b, [](const auto& x, const auto& y) {
      return x.first != y.first ? x.first < y.first : x.second < y.second;
    });
  }
};

using Bands = std::map<Terms, Band, ByTerms>;  // of forms whose first coefficient is 1

/// Both sets of reasons.
Reasons together(const Reasons& a, const Reasons& b);
/// a + factor · b
Terms sum(const Terms& a, const Rational& factor, const Terms& b);
/// Orders terms and adds up those of a parameter.
void gather(Terms& terms);
/// A parameter's term, or the end.
Terms::const_iterator find(const Terms& terms, Index d);
/// Puts `by` in the place of parameter d.
void substitute(Affine& form, Index d, const Affine& by);

/// The factor that makes these numbers whole, without a divisor in common.
Rational whole(const std::vector<const Rational*>& numbers);

/// The double nearest to x; how far off it is, times the weight, is added to `error`.
/// @throws Error kInvalidArgument, like those below, beyond the doubles.
double nearest(const Rational& x, const Rational& weight, Rational& error);
double rounded_up(const Rational& x);
double rounded_down(const Rational& x);

}  // namespace unrect::hull
