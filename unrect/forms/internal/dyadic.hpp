// Numbers such as doubles are: a whole number times a power of two. Their sums and products are such numbers again.
#pragma once

#include <gmpxx.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace unrect {

/// mantissa · 2^exponent, of any size: exact.
struct Dyadic {
  Dyadic() = default;
  /// A double as it is. Its 53 digits reach GMP as a double: a long has 32 bits on some systems.
  explicit Dyadic(double value) {
    if (value == 0) return;
    int e = 0;
    mantissa = std::ldexp(std::frexp(value, &e), 53);
    exponent = e - 53;
  }

  void add(const mpz_class& m, long e) {
    if (sgn(m) == 0) return;
    if (sgn(mantissa) == 0) {
      mantissa = m;
      exponent = e;
    } else if (e >= exponent) {
      mantissa += m << static_cast<mp_bitcnt_t>(e - exponent);
    } else {
      mantissa <<= static_cast<mp_bitcnt_t>(exponent - e);
      mantissa += m;
      exponent = e;
    }
  }
  void add(const Dyadic& x) { add(x.mantissa, x.exponent); }
  void add_product(Dyadic a, const Dyadic& b) {
    if (sgn(a.mantissa) == 0 || sgn(b.mantissa) == 0) return;
    a.mantissa *= b.mantissa;
    add(a.mantissa, a.exponent + b.exponent);
  }
  void add_product(double a, const Dyadic& b) {
    if (a != 0 && sgn(b.mantissa) != 0) add_product(Dyadic(a), b);
  }

  void negate() { mpz_neg(mantissa.get_mpz_t(), mantissa.get_mpz_t()); }
  Dyadic minus(const Dyadic& x) const {
    Dyadic out = *this;
    out.add(mpz_class(-x.mantissa), x.exponent);
    return out;
  }
  int sign() const { return sgn(mantissa); }
  /// Rounded down and rounded up.
  std::pair<double, double> enclosure() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity(), kMost = std::numeric_limits<double>::max();
    long scale = 0;
    const double leading = mpz_get_d_2exp(&scale, mantissa.get_mpz_t());
    double near = std::ldexp(leading, static_cast<int>(std::clamp(scale + exponent, -5000L, 5000L)));
    near = std::clamp(near, -kMost, kMost);
    const int side = minus(Dyadic(near)).sign();
    return {side < 0 ? std::nextafter(near, -kInfinity) : near, side > 0 ? std::nextafter(near, kInfinity) : near};
  }

  mpz_class mantissa;
  long exponent = 0;
};

}  // namespace unrect
