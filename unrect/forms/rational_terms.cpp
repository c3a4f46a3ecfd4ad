#include "unrect/forms/internal/rational_terms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect::hull {
namespace {

double truncated(const Rational& x) {
  const double value = x.get_d();
  UNRECT_REQUIRE(std::isfinite(value), ErrorCode::kInvalidArgument,
                 "domain: a number of some 2^{} on the way to its affine hull, expected doubles",
                 mpz_sizeinbase(x.get_num_mpz_t(), 2));
  return value;
}

}  // namespace

Reasons together(const Reasons& a, const Reasons& b) {
  Reasons all;
  std::ranges::set_union(a, b, std::back_inserter(all));
  return all;
}

Terms sum(const Terms& a, const Rational& factor, const Terms& b) {
  Terms out;
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() || y != b.end()) {
    if (y == b.end() || (x != a.end() && x->first < y->first)) {
      out.push_back(*x++);
    } else if (x == a.end() || y->first < x->first) {
      out.emplace_back(y->first, factor * y->second);
      ++y;
    } else {
      Rational both = x->second + factor * y->second;
      if (sgn(both) != 0) out.emplace_back(x->first, std::move(both));
      ++x;
      ++y;
    }
  }
  return out;
}

void gather(Terms& terms) {
  std::ranges::stable_sort(terms, {}, &Terms::value_type::first);
  Terms out;
  for (auto& [d, a] : terms) {
    if (!out.empty() && out.back().first == d) {
      out.back().second += a;
    } else {
      out.emplace_back(d, std::move(a));
    }
  }
  std::erase_if(out, [](const auto& term) { return sgn(term.second) == 0; });
  terms = std::move(out);
}

Terms::const_iterator find(const Terms& terms, Index d) {
  const auto it = std::ranges::lower_bound(terms, d, {}, &Terms::value_type::first);
  return it != terms.end() && it->first == d ? it : terms.end();
}

void substitute(Affine& form, Index d, const Affine& by) {
  const auto term = find(form.terms, d);
  if (term == form.terms.end()) return;
  const Rational factor = term->second;
  form.terms.erase(term);
  form.terms = sum(form.terms, factor, by.terms);
  form.constant += factor * by.constant;
  form.why = together(form.why, by.why);
}

Rational whole(const std::vector<const Rational*>& numbers) {
  mpz_class denominator = 1, divisor = 0;
  for (const Rational* x : numbers) denominator = lcm(denominator, x->get_den());
  for (const Rational* x : numbers) divisor = gcd(divisor, mpz_class(x->get_num() * (denominator / x->get_den())));
  Rational factor(denominator, divisor == 0 ? mpz_class(1) : divisor);
  factor.canonicalize();
  return factor;
}

double nearest(const Rational& x, const Rational& weight, Rational& error) {
  truncated(x);
  const double value = nearest_double(x);
  if (value != x) error += abs(x - value) * weight;
  return value;
}

double rounded_up(const Rational& x) {
  const double value = truncated(x);
  return value >= x ? value : std::nextafter(value, std::numeric_limits<double>::infinity());
}

double rounded_down(const Rational& x) { return -rounded_up(-x); }

}  // namespace unrect::hull
