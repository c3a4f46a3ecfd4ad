// Sums, products and roots that are rounded up: a bound computed with them is one in doubles, too.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "unrect/base/types.hpp"

namespace unrect {

/// A number ≥ 0 that is at least the one it stands for. Each operation gives its result where a double is it, the next
/// double above where none is, and for products and roots below 2⁻⁹⁰⁰. What overflows is infinite, and no number where
/// that meets 0.
class Upper {
 public:
  Upper(double value = 0) : value_(value) {}  // a number is a bound of itself
  double value() const { return value_; }

  friend Upper operator+(Upper a, Upper b) {
    const double sum = a.value_ + b.value_, rest = sum - a.value_;
    return (a.value_ - (sum - rest)) + (b.value_ - rest) > 0 ? above(sum) : sum;  // Knuth's exact error of a sum
  }
  friend Upper operator*(Upper a, Upper b) {
    const double product = a.value_ * b.value_;
    if (product < kSafe) return a.value_ == 0 || b.value_ == 0 ? product : above(product);
    return std::fma(a.value_, b.value_, -product) > 0 ? above(product) : product;
  }
  Upper& operator+=(Upper other) { return *this = *this + other; }
  Upper& operator*=(Upper other) { return *this = *this * other; }
  friend bool operator<(Upper a, Upper b) { return a.value_ < b.value_; }
  friend Upper sqrt(Upper a) {
    const double root = std::sqrt(a.value_);
    if (a.value_ < kSafe) return a.value_ == 0 ? 0 : above(root);
    return std::fma(root, root, -a.value_) < 0 ? above(root) : root;
  }

 private:
  static constexpr double kSafe = 0x1p-900;  // below it the error of a product may be no double

  static double above(double x) {
    return x < std::numeric_limits<double>::infinity() ? std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) + 1) : x;
  }

  double value_;
};

/// Σ |x_i|, rounded up.
template <class Vector>
Upper sum_of(const Vector& x) {
  Upper sum;
  for (Index i = 0; i < x.size(); ++i) sum += std::abs(x[i]);
  return sum;
}

/// ‖x‖₂, rounded up; an infinite one where an entry is no number.
template <class Vector>
Upper length(const Vector& x) {
  double largest = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(x[i]));
  }
  if (largest == 0) return 0;
  // A power of two keeps the squares in range; what that loses of the smallest entries is rounded up.
  const bool safe = largest > 0x1p-300 && largest < 0x1p400;
  const double scale = safe ? 1 : largest < 1 ? 0x1p600 : 0x1p-600, back = safe ? 1 : largest < 1 ? 0x1p-600 : 0x1p600;
  Upper sum;
  for (Index i = 0; i < x.size(); ++i) {
    const Upper entry = Upper(std::abs(x[i])) * scale;
    sum += entry * entry;
  }
  return sqrt(sum) * back;
}

/// ‖row i‖₂ for every i, rounded up.
inline Vector row_lengths(const MatrixRef& m) {
  Vector lengths(m.rows());
  for (Index i = 0; i < m.rows(); ++i) lengths[i] = length(m.row(i)).value();
  return lengths;
}

/// ‖A‖_F, rounded up.
inline Upper frobenius_length(const MatrixRef& m) { return length(row_lengths(m)); }

}  // namespace unrect
