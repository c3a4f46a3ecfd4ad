#include "unrect/polytope/exact.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/polytope/internal/linear_system.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min();

// Sign of a·x (n terms, each exact up to `ulps` roundings) if rounding leaves no doubt, else 2.
int filtered_sign(const double* a, const double* x, Index n, int ulps) {
  double value = 0;
  double size = 0;
  for (Index j = 0; j < n; ++j) {
    const double term = a[j] * x[j];
    value += term;
    size += std::abs(term) + kTiny;
  }
  const double error = static_cast<double>(n + 2 + ulps) * kEpsilon * size + static_cast<double>(n) * kTiny;
  return value > error ? 1 : (value < -error ? -1 : 2);
}

mpz_class dot(const WholeRow& a, const WholeRow& b) {
  mpz_class sum;
  for (std::size_t j = 0; j < a.size(); ++j) {
    if (sgn(a[j]) != 0 && sgn(b[j]) != 0) mpz_addmul(sum.get_mpz_t(), a[j].get_mpz_t(), b[j].get_mpz_t());
  }
  return sum;
}

// The basis of Schrijver's proof: d independent vectors, rows of G or (index −1 − j) unit vectors that hold a place.
// The inverse and the target's weights are whole numbers over one denominator, the basis' determinant but for its sign:
// every entry is a minor, so that divisions are exact.
class Basis {
 public:
  Basis(std::span<const WholeRow> generators, const WholeRow& target)
      : g_(generators),
        d_(static_cast<Index>(target.size())),
        members_(at(d_)),
        adjugate_(at(d_ * d_)),
        weights_(target),
        w_(at(d_)) {
    for (Index j = 0; j < d_; ++j) {
      members_[at(j)] = -1 - j;
      adjugate_[at(j * d_ + j)] = 1;
    }
  }

  Index member(Index slot) const { return members_[at(slot)]; }
  int sign_of_weight(Index slot) const { return sgn(weights_[at(slot)]) * sgn(denominator_); }
  double weight(Index slot) const { return ratio(weights_[at(slot)], denominator_); }
  /// A multiple > 0 of the vector orthogonal to the other members with a product of `sign` with this one.
  void edge(Index slot, int sign, WholeRow& out) const {
    for (Index j = 0; j < d_; ++j) {
      out[at(j)] = adjugate_[at(j * d_ + slot)];
      if (sign * sgn(denominator_) < 0) mpz_neg(out[at(j)].get_mpz_t(), out[at(j)].get_mpz_t());
    }
  }
  std::int64_t work() const { return work_; }

  // Puts the row in the place of a unit vector, if it is independent of the rows that are in already.
  void insert(Index row) {
    price(row);
    for (Index k = 0; k < d_; ++k) {
      if (members_[at(k)] < 0 && sgn(w_[at(k)]) != 0) return pivot(k, row);
    }
  }

  void replace(Index slot, Index row) {
    price(row);
    pivot(slot, row);
  }

 private:
  // row · denominator = Σ w_k · member k
  void price(Index row) {
    const WholeRow& g = g_[at(row)];
    for (Index k = 0; k < d_; ++k) {
      w_[at(k)] = 0;
      for (Index j = 0; j < d_; ++j) {
        const mpz_class& entry = adjugate_[at(j * d_ + k)];
        if (sgn(g[at(j)]) == 0 || sgn(entry) == 0) continue;
        mpz_addmul(w_[at(k)].get_mpz_t(), g[at(j)].get_mpz_t(), entry.get_mpz_t());
        count(g[at(j)], entry);
      }
    }
  }

  void pivot(Index slot, Index row) {
    const mpz_class& p = w_[at(slot)];
    const auto eliminate = [&](mpz_class* entries) {
      const mpz_class& e = entries[slot];
      for (Index k = 0; k < d_; ++k) {
        mpz_class& x = entries[k];
        const bool there = sgn(e) != 0 && sgn(w_[at(k)]) != 0;
        if (k == slot || (sgn(x) == 0 && !there)) continue;
        count(x, p);
        x *= p;
        if (there) {
          mpz_submul(x.get_mpz_t(), e.get_mpz_t(), w_[at(k)].get_mpz_t());
          count(e, w_[at(k)]);
        }
        mpz_divexact(x.get_mpz_t(), x.get_mpz_t(), denominator_.get_mpz_t());
      }
    };
    eliminate(weights_.data());
    for (Index j = 0; j < d_; ++j) eliminate(adjugate_.data() + j * d_);
    denominator_ = p;
    members_[at(slot)] = row;
  }

  void count(const mpz_class& a, const mpz_class& b) {
    work_ += 8 + static_cast<std::int64_t>(mpz_size(a.get_mpz_t()) * mpz_size(b.get_mpz_t()));
  }

  std::span<const WholeRow> g_;
  Index d_;
  std::vector<Index> members_;
  std::vector<mpz_class> adjugate_;  // row j, slot k
  WholeRow weights_, w_;
  mpz_class denominator_ = 1;
  std::int64_t work_ = 0;
};

// Rows as doubles, each in proportion, the largest entry in [1/2, 1): off by one rounding.
Matrix rounded(std::span<const WholeRow> rows, Index d) {
  Matrix out(static_cast<Index>(rows.size()), d);
  for (Index i = 0; i < out.rows(); ++i) {
    const WholeRow& row = rows[at(i)];
    const auto largest = std::ranges::max_element(
        row, [](const mpz_class& a, const mpz_class& b) { return mpz_cmpabs(a.get_mpz_t(), b.get_mpz_t()) < 0; });
    long top = 0;
    if (largest != row.end()) mpz_get_d_2exp(&top, largest->get_mpz_t());
    for (Index j = 0; j < d; ++j) {
      long exponent = 0;
      const double mantissa = mpz_get_d_2exp(&exponent, row[at(j)].get_mpz_t());
      out(i, j) = std::ldexp(mantissa, static_cast<int>(std::max(exponent - top, -3000L)));
    }
  }
  return out;
}

}  // namespace

int sign_of_affine(const VectorRef& a, double b, const VectorRef& x) {
  UNRECT_REQUIRE(a.size() == x.size(), ErrorCode::kInvalidArgument, "sign of a·x + b: a has {} entries, x has {}",
                 a.size(), x.size());
  double value = b;
  double size = std::abs(b);
  for (Index j = 0; j < a.size(); ++j) {
    const double term = a[j] * x[j];
    value += term;
    size += std::abs(term);
  }
  const double error = static_cast<double>(a.size() + 2) * (kEpsilon * size + kTiny);
  if (value > error) return 1;
  if (value < -error) return -1;
  mpq_class exact = b;
  for (Index j = 0; j < a.size(); ++j) exact += mpq_class(a[j]) * mpq_class(x[j]);
  return sgn(exact);
}

WholeMultiple whole_multiple(const VectorRef& vector) {
  UNRECT_REQUIRE(vector.allFinite(), ErrorCode::kInvalidArgument, "exact arithmetic: an entry is not finite");
  WholeMultiple out{WholeRow(at(vector.size())), 0};
  bool any = false;
  for (const double x : vector) {
    if (x == 0) continue;
    int e = 0;
    std::frexp(x, &e);
    out.exponent = any ? std::max(out.exponent, 53L - e) : 53L - e;
    any = true;
  }
  for (Index j = 0; j < vector.size(); ++j) {
    if (vector[j] == 0) continue;
    int e = 0;
    mpz_class& z = out.row[at(j)];
    mpz_set_d(z.get_mpz_t(), std::ldexp(std::frexp(vector[j], &e), 53));
    mpz_mul_2exp(z.get_mpz_t(), z.get_mpz_t(), static_cast<mp_bitcnt_t>(e - 53 + out.exponent));
  }
  return out;
}

double nearest_double(const mpq_class& x) {
  const double cut = x.get_d();
  if (!std::isfinite(cut) || cut == x) return cut;
  const double next = std::nextafter(cut, sgn(x) * std::numeric_limits<double>::infinity());
  return std::isfinite(next) && abs(next - x) < abs(x - cut) ? next : cut;
}

double ratio(const mpz_class& numerator, const mpz_class& denominator) {
  long top = 0, bottom = 0;
  const double a = mpz_get_d_2exp(&top, numerator.get_mpz_t());
  const double b = mpz_get_d_2exp(&bottom, denominator.get_mpz_t());
  return std::ldexp(a / b, static_cast<int>(std::clamp(top - bottom, -3000L, 3000L)));
}

FarkasAlternative farkas_alternative(std::span<const WholeRow> generators, const WholeRow& target,
                                     std::span<const Index> start, std::int64_t effort) {
  const auto d = static_cast<Index>(target.size());
  const auto k = static_cast<Index>(generators.size());
  for (const WholeRow& row : generators) {
    UNRECT_REQUIRE(row.size() == target.size(), ErrorCode::kInvalidArgument,
                   "farkas alternative: {} columns but a target of {}; expected the same", row.size(), target.size());
  }
  for (const Index row : start) {
    UNRECT_REQUIRE(row >= 0 && row < k, ErrorCode::kInvalidArgument, "farkas alternative: start row {} of {}", row, k);
  }
  FarkasAlternative result;
  if (!start.empty()) {
    std::vector<const WholeRow*> rows;
    rows.reserve(start.size());
    for (const Index row : start) rows.push_back(&generators[at(row)]);
    const std::optional<WholeSolution> y = solve(rows, target, effort);
    if (y && std::ranges::none_of(y->numerators, [](const mpz_class& n) { return sgn(n) < 0; })) {
      result.in_cone = true;
      result.multipliers = Vector::Zero(k);
      for (std::size_t i = 0; i < start.size(); ++i)
        result.multipliers[start[i]] += ratio(y->numerators[i], y->denominator);
      return result;
    }
  }
  Basis basis(generators, target);
  for (const Index row : start) {
    if (basis.work() > effort) break;
    basis.insert(row);
  }
  const Matrix images = rounded(generators, d);
  std::vector<WholeRow> edge(1, WholeRow(at(d)));
  for (;;) {
    // A unit vector that carries weight goes first, then the first row whose weight is negative.
    Index slot = -1;
    for (Index s = 0; s < d; ++s) {
      const int sign = basis.sign_of_weight(s);
      if (sign == 0 || (sign > 0 && basis.member(s) >= 0)) continue;
      if (slot < 0 || basis.member(s) < basis.member(slot)) slot = s;
    }
    if (slot < 0) {
      result.in_cone = true;
      result.multipliers = Vector::Zero(k);
      for (Index s = 0; s < d; ++s) {
        if (basis.member(s) >= 0) result.multipliers[basis.member(s)] = basis.weight(s);
      }
      return result;
    }
    if (basis.work() > effort) {
      result.decided = false;
      return result;
    }
    // v: orthogonal to the other members, c·v > 0.
    basis.edge(slot, basis.sign_of_weight(slot), edge[0]);
    const Matrix v = rounded(edge, d);
    Index entering = -1;
    for (Index i = 0; i < k && entering < 0; ++i) {
      int sign = filtered_sign(images.data() + i * d, v.data(), d, 4);
      if (sign == 2) sign = sgn(dot(generators[at(i)], edge[0]));
      if (sign > 0) entering = i;
    }
    if (entering < 0) {
      result.direction = v.row(0).transpose() / v.cwiseAbs().maxCoeff();
      return result;
    }
    basis.replace(slot, entering);
  }
}

FarkasAlternative farkas_alternative(const MatrixRef& generators, const VectorRef& target, std::span<const Index> start,
                                     std::int64_t effort) {
  UNRECT_REQUIRE(generators.cols() == target.size(), ErrorCode::kInvalidArgument,
                 "farkas alternative: {} columns but a target of {}; expected the same", generators.cols(),
                 target.size());
  std::vector<WholeRow> rows;
  std::vector<long> exponents;
  for (Index i = 0; i < generators.rows(); ++i) {
    WholeMultiple row = whole_multiple(generators.row(i).transpose());
    rows.push_back(std::move(row.row));
    exponents.push_back(row.exponent);
  }
  const WholeMultiple whole_target = whole_multiple(target);
  FarkasAlternative result = farkas_alternative(rows, whole_target.row, start, effort);
  for (Index i = 0; i < result.multipliers.size(); ++i) {
    result.multipliers[i] =
        std::ldexp(result.multipliers[i], static_cast<int>(exponents[at(i)] - whole_target.exponent));
  }
  return result;
}

}  // namespace unrect
