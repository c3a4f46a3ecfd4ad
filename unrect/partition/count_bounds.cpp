#include "unrect/partition/count_bounds.hpp"

#include <fmt/format.h>
#include <gmpxx.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

void check(Index k, const std::vector<Index>& widths) {
  UNRECT_REQUIRE(k >= 1, ErrorCode::kInvalidArgument, "count bounds: a domain of {} dimensions; expected 1 or more", k);
  for (const Index n : widths)
    UNRECT_REQUIRE(n >= 0, ErrorCode::kInvalidArgument, "count bounds: a layer of {} units; expected 0 or more", n);
}

mpz_class binomial(Index n, Index j) {
  mpz_class out;
  mpz_bin_uiui(out.get_mpz_t(), static_cast<unsigned long>(n), static_cast<unsigned long>(j));
  return out;
}

// Σ_{j=0}^{d} C(n, j).
mpz_class binomials_up_to(Index n, Index d) {
  mpz_class term = 1;
  mpz_class sum = 1;
  for (Index j = 1; j <= std::min(d, n); ++j) {
    term *= n - j + 1;
    mpz_divexact_ui(term.get_mpz_t(), term.get_mpz_t(), static_cast<unsigned long>(j));
    sum += term;
  }
  return sum;
}

enum class Rounding { kDown, kUp };

BigCount big_count(const mpz_class& count, Rounding rounding) {
  long exponent = 0;
  const double mantissa = mpz_get_d_2exp(&exponent, count.get_mpz_t());  // cut off, in [0.5, 1)
  BigCount out;
  out.log10 = std::log10(mantissa) + static_cast<double>(exponent) * std::log10(2.0);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  out.value = exponent > std::numeric_limits<double>::max_exponent ? kInfinity : count.get_d();
  if (rounding == Rounding::kUp && out.value < kInfinity && cmp(count, out.value) > 0)
    out.value = std::nextafter(out.value, kInfinity);
  return out;
}

}  // namespace

BigCount zaslavsky(Index k, Index n) {
  check(k, {n});
  return big_count(binomials_up_to(n, k), Rounding::kUp);
}

BigCount montufar_2014_lower(Index k, const std::vector<Index>& widths) {
  check(k, widths);
  mpz_class count = 1;
  const Index inputs = widths.empty() ? 0 : std::min(k, std::ranges::min(widths));
  for (std::size_t l = 0; l + 1 < widths.size() && inputs > 0; ++l) {
    mpz_class folds;
    mpz_ui_pow_ui(folds.get_mpz_t(), static_cast<unsigned long>(widths[l] / inputs),
                  static_cast<unsigned long>(inputs));
    count *= folds;
  }
  if (inputs > 0) count *= binomials_up_to(widths.back(), inputs);
  return big_count(count, Rounding::kDown);
}

BigCount raghu_2017_upper(Index k, const std::vector<Index>& widths) {
  check(k, widths);
  mpz_class count = 1;
  for (const Index n : widths) count *= binomials_up_to(n, k);
  return big_count(count, Rounding::kUp);
}

BigCount montufar_2017_upper(Index k, const std::vector<Index>& widths) {
  check(k, widths);
  mpz_class count = 1;
  Index d = k;
  for (const Index n : widths) {
    d = std::min(d, n);
    count *= binomials_up_to(n, d);
  }
  return big_count(count, Rounding::kUp);
}

BigCount serra_2018_upper(Index k, const std::vector<Index>& widths) {
  check(k, widths);
  // ways[d]: Σ over (j_1, …, j_l) with min(k, n_1 − j_1, …, n_l − j_l) = d.
  const Index units = widths.empty() ? 0 : std::ranges::max(widths);
  std::vector<mpz_class> ways(static_cast<std::size_t>(std::min(k, units)) + 1);
  ways.back() = 1;
  for (const Index n : widths) {
    std::vector<mpz_class> choose(ways.size());
    for (std::size_t j = 0; j < ways.size(); ++j) choose[j] = binomial(n, static_cast<Index>(j));
    std::vector<mpz_class> next(ways.size());
    for (Index d = 0; d < static_cast<Index>(ways.size()); ++d) {
      for (Index j = 0; j <= std::min(d, n); ++j) {
        next[static_cast<std::size_t>(std::min(d, n - j))] +=
            ways[static_cast<std::size_t>(d)] * choose[static_cast<std::size_t>(j)];
      }
    }
    ways = std::move(next);
  }
  mpz_class count = 0;
  for (const mpz_class& w : ways) count += w;
  return big_count(count, Rounding::kUp);
}

}  // namespace unrect
