#include "unrect/polytope/internal/linear_system.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "unrect/base/internal/product.hpp"

namespace unrect {
namespace {

// Arithmetic modulo the prime 2⁶¹ − 1.
constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;

std::uint64_t once_reduced(std::uint64_t a) { return a >= kPrime ? a - kPrime : a; }  // of a < 2 kPrime
std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  const Product ab = product(a, b);  // 2⁶¹ is 1
  return once_reduced((ab.low & kPrime) + (ab.high << 3 | ab.low >> 61));
}
std::uint64_t plus(std::uint64_t a, std::uint64_t b) { return once_reduced(a + b); }
std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : a + kPrime - b; }

std::uint64_t inverse_of(std::uint64_t a) {
  std::uint64_t power = 1;
  for (std::uint64_t exponent = kPrime - 2; exponent > 0; exponent >>= 1) {
    if (exponent & 1) power = times(power, a);
    a = times(a, a);
  }
  return power;
}

mpz_class whole(std::uint64_t x) {
  mpz_class z;
  mpz_import(z.get_mpz_t(), 1, 1, sizeof x, 0, 0, &x);
  return z;
}

std::uint64_t residue(const mpz_class& z, const mpz_class& prime) {
  mpz_class r;
  mpz_fdiv_r(r.get_mpz_t(), z.get_mpz_t(), prime.get_mpz_t());
  std::uint64_t x = 0;
  mpz_export(&x, nullptr, 1, sizeof x, 0, 0, r.get_mpz_t());
  return x;
}

// One system, in the course of its solution: modulo the prime first, then lifted (Dixon 1982).
class LinearSystem {
 public:
  LinearSystem(const std::vector<const WholeRow*>& rows, const WholeRow& target) : rows_(rows), target_(target) {}

  std::optional<WholeSolution> solve(std::int64_t& effort) {
    find_minor();
    const std::size_t r = unknowns_.size();
    if (r == 0) return std::nullopt;
    // Cramer and Hadamard bound the length of numerators and denominator.
    double bits = 2;
    std::size_t words = 1;
    for (const std::size_t e : equations_) {
      double largest = 1;
      for (const std::size_t u : unknowns_) {
        largest = std::max(largest, static_cast<double>(mpz_sizeinbase((*rows_[u])[e].get_mpz_t(), 2)));
        words = std::max(words, mpz_size((*rows_[u])[e].get_mpz_t()));
      }
      largest = std::max(largest, static_cast<double>(mpz_sizeinbase(target_[e].get_mpz_t(), 2)));
      bits += largest + 0.5 * std::log2(static_cast<double>(r)) + 1;
    }
    const auto steps = static_cast<std::int64_t>(2 * bits / 60) + 2;
    const auto size = static_cast<std::int64_t>(r);
    if (static_cast<double>(size) * static_cast<double>(size) *
            (static_cast<double>(size) + static_cast<double>(steps) * static_cast<double>(words + 4)) >
        static_cast<double>(effort)) {
      return std::nullopt;
    }
    invert();
    return lift(steps, effort, static_cast<std::int64_t>(words));
  }

 private:
  // Elimination modulo the prime: independent rows, the earlier ones first, and equations on which they are so.
  void find_minor() {
    const std::size_t s = rows_.size(), d = target_.size();
    std::vector<std::vector<std::uint64_t>> reduced;
    for (std::size_t i = 0; i < s; ++i) {
      std::vector<std::uint64_t> row(d);
      for (std::size_t j = 0; j < d; ++j) row[j] = sgn((*rows_[i])[j]) == 0 ? 0 : residue((*rows_[i])[j], prime_);
      for (std::size_t k = 0; k < reduced.size(); ++k) {
        const std::uint64_t factor = row[equations_[k]];
        if (factor == 0) continue;
        for (std::size_t j = 0; j < d; ++j) row[j] = minus(row[j], times(factor, reduced[k][j]));
      }
      std::size_t pivot = 0;
      while (pivot < d && row[pivot] == 0) ++pivot;
      if (pivot == d) continue;
      const std::uint64_t scale = inverse_of(row[pivot]);
      for (std::uint64_t& x : row) x = times(x, scale);
      unknowns_.push_back(i);
      equations_.push_back(pivot);
      reduced.push_back(std::move(row));
    }
  }

  const mpz_class& entry(std::size_t e, std::size_t u) const { return (*rows_[unknowns_[u]])[equations_[e]]; }

  // The minor's inverse modulo the prime, by Gauss and Jordan.
  void invert() {
    const std::size_t r = unknowns_.size();
    std::vector<std::vector<std::uint64_t>> m(r, std::vector<std::uint64_t>(2 * r, 0));
    for (std::size_t e = 0; e < r; ++e) {
      for (std::size_t u = 0; u < r; ++u) m[e][u] = sgn(entry(e, u)) == 0 ? 0 : residue(entry(e, u), prime_);
      m[e][r + e] = 1;
    }
    for (std::size_t k = 0; k < r; ++k) {
      std::size_t pivot = k;
      while (m[pivot][k] == 0) ++pivot;  // there is one: the rows are independent on these equations
      std::swap(m[pivot], m[k]);
      const std::uint64_t scale = inverse_of(m[k][k]);
      for (std::uint64_t& x : m[k]) x = times(x, scale);
      for (std::size_t i = 0; i < r; ++i) {
        const std::uint64_t factor = m[i][k];
        if (i == k || factor == 0) continue;
        for (std::size_t j = k; j < 2 * r; ++j) m[i][j] = minus(m[i][j], times(factor, m[k][j]));
      }
    }
    inverse_.assign(r, std::vector<std::uint64_t>(r));
    for (std::size_t k = 0; k < r; ++k)
      std::copy_n(m[k].begin() + static_cast<std::ptrdiff_t>(r), r, inverse_[k].begin());
  }

  // The solution modulo 2, 4, 8, … powers of the prime, until a fraction read off it fits.
  std::optional<WholeSolution> lift(std::int64_t steps, std::int64_t& effort, std::int64_t words) {
    const std::size_t r = unknowns_.size();
    WholeRow rest(r), y(r), digit(r);
    for (std::size_t e = 0; e < r; ++e) rest[e] = target_[equations_[e]];
    mpz_class modulus = 1;
    std::vector<std::uint64_t> residues(r);
    for (std::int64_t step = 1; step <= steps; ++step) {
      effort -= static_cast<std::int64_t>(r * r) * (words + 4);
      for (std::size_t e = 0; e < r; ++e) residues[e] = residue(rest[e], prime_);
      for (std::size_t u = 0; u < r; ++u) {
        std::uint64_t sum = 0;
        for (std::size_t e = 0; e < r; ++e) sum = plus(sum, times(inverse_[u][e], residues[e]));
        digit[u] = whole(sum);
        mpz_addmul(y[u].get_mpz_t(), digit[u].get_mpz_t(), modulus.get_mpz_t());
      }
      modulus *= prime_;
      if ((step & (step - 1)) == 0 || step == steps) {
        if (std::optional<WholeSolution> found = read_off(y, modulus)) return found;
      }
      for (std::size_t e = 0; e < r; ++e) {
        for (std::size_t u = 0; u < r; ++u)
          mpz_submul(rest[e].get_mpz_t(), entry(e, u).get_mpz_t(), digit[u].get_mpz_t());
        mpz_divexact(rest[e].get_mpz_t(), rest[e].get_mpz_t(), prime_.get_mpz_t());
      }
    }
    return std::nullopt;
  }

  // Fractions n / d with d ≤ √(m / 2) that are y modulo m, over one denominator; checked in all equations.
  std::optional<WholeSolution> read_off(const WholeRow& y, const mpz_class& modulus) const {
    const mpz_class limit = sqrt(mpz_class(modulus / 2));
    WholeSolution s{WholeRow(rows_.size()), 1};
    WholeRow numerators(y.size());
    for (std::size_t u = 0; u < y.size(); ++u) {
      mpz_class value = y[u] * s.denominator % modulus;
      if (2 * value > modulus) value -= modulus;
      if (abs(value) > limit) {
        // Euclid, halfway.
        mpz_class a = modulus, b = value < 0 ? mpz_class(value + modulus) : value, p = 0, q = 1, quotient;
        while (b > limit) {
          mpz_tdiv_qr(quotient.get_mpz_t(), a.get_mpz_t(), a.get_mpz_t(), b.get_mpz_t());
          p -= quotient * q;
          std::swap(a, b);
          std::swap(p, q);
        }
        if (sgn(q) < 0) {
          q = -q;
          b = -b;
        }
        s.denominator *= q;
        if (s.denominator > limit) return std::nullopt;
        for (std::size_t before = 0; before < u; ++before) numerators[before] *= q;
        value = b;
      }
      numerators[u] = value;
    }
    for (std::size_t u = 0; u < y.size(); ++u) s.numerators[unknowns_[u]] = numerators[u];
    for (std::size_t j = 0; j < target_.size(); ++j) {
      mpz_class sum = -s.denominator * target_[j];
      for (const std::size_t i : unknowns_)
        mpz_addmul(sum.get_mpz_t(), s.numerators[i].get_mpz_t(), (*rows_[i])[j].get_mpz_t());
      if (sgn(sum) != 0) return std::nullopt;
    }
    return s;
  }

  const std::vector<const WholeRow*>& rows_;
  const WholeRow& target_;
  const mpz_class prime_ = whole(kPrime);
  std::vector<std::size_t> unknowns_, equations_;  // of the minor: places in rows_, in target_
  std::vector<std::vector<std::uint64_t>> inverse_;
};

}  // namespace

std::optional<WholeSolution> solve(const std::vector<const WholeRow*>& rows, const WholeRow& target,
                                   std::int64_t& effort) {
  return LinearSystem(rows, target).solve(effort);
}

}  // namespace unrect
