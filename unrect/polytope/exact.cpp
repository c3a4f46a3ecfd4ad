#include "unrect/polytope/exact.hpp"

#include <fmt/format.h>
#include <gmpxx.h>

#include <cmath>
#include <limits>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min();

// Sign of a·x (n terms, x exact up to `ulps` roundings each) if rounding leaves no doubt, else 2.
template <class A, class X>
int filtered_sign(const A& a, const X& x, Index n, int ulps) {
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

// The basis of Schrijver's proof: d independent vectors, rows of G or (index −1 − j) unit vectors that hold a place.
class Basis {
 public:
  Basis(const MatrixRef& generators, const VectorRef& target)
      : g_(generators), d_(target.size()), members_(d_), inverse_(d_ * d_), weights_(d_), w_(d_) {
    for (Index j = 0; j < d_; ++j) {
      members_[j] = -1 - j;
      inverse_[j * d_ + j] = 1;
      weights_[j] = target[j];
    }
  }

  Index member(Index slot) const { return members_[slot]; }
  const mpq_class& weight(Index slot) const { return weights_[slot]; }  // target = Σ weight · member
  const mpq_class& edge(Index j, Index slot) const { return inverse_[j * d_ + slot]; }

  // Puts the row in the place of a unit vector, if it is independent of the rows that are in already.
  void insert(Index row) {
    price(row);
    Index slot = -1;
    double best = 0;
    for (Index k = 0; k < d_; ++k) {
      if (members_[k] < 0 && sgn(w_[k]) != 0 && std::abs(w_[k].get_d()) > best) best = std::abs(w_[slot = k].get_d());
    }
    if (slot >= 0) pivot(slot, row);
  }

  void replace(Index slot, Index row) {
    price(row);
    pivot(slot, row);
  }

 private:
  // row = Σ w_k · member k
  void price(Index row) {
    for (Index k = 0; k < d_; ++k) {
      w_[k] = 0;
      for (Index j = 0; j < d_; ++j) {
        if (g_(row, j) != 0 && sgn(inverse_[j * d_ + k]) != 0) w_[k] += g_(row, j) * inverse_[j * d_ + k];
      }
    }
  }

  void pivot(Index slot, Index row) {
    const mpq_class step = weights_[slot] / w_[slot];
    for (Index k = 0; k < d_; ++k) {
      if (k != slot && sgn(w_[k]) != 0) weights_[k] -= step * w_[k];
    }
    weights_[slot] = step;
    for (Index j = 0; j < d_; ++j) {
      mpq_class& entry = inverse_[j * d_ + slot];
      if (sgn(entry) == 0) continue;
      entry /= w_[slot];
      for (Index k = 0; k < d_; ++k) {
        if (k != slot && sgn(w_[k]) != 0) inverse_[j * d_ + k] -= entry * w_[k];
      }
    }
    members_[slot] = row;
  }

  const MatrixRef& g_;
  Index d_;
  std::vector<Index> members_;
  std::vector<mpq_class> inverse_, weights_, w_;
};

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

FarkasAlternative farkas_alternative(const MatrixRef& generators, const VectorRef& target,
                                     std::span<const Index> start) {
  const Index d = target.size();
  const Index k = generators.rows();
  UNRECT_REQUIRE(generators.cols() == d, ErrorCode::kInvalidArgument,
                 "farkas alternative: {} columns but a target of {}; expected the same", generators.cols(), d);
  UNRECT_REQUIRE(generators.allFinite() && target.allFinite(), ErrorCode::kInvalidArgument,
                 "farkas alternative: an entry is not finite");
  Basis basis(generators, target);
  for (const Index row : start) {
    UNRECT_REQUIRE(row >= 0 && row < k, ErrorCode::kInvalidArgument, "farkas alternative: start row {} of {}", row, k);
    basis.insert(row);
  }
  FarkasAlternative result;
  std::vector<mpq_class> v(d);
  std::vector<double> rounded(d);
  for (;;) {
    // A unit vector that carries weight goes first, then the first row whose weight is negative.
    Index slot = -1;
    for (Index s = 0; s < d; ++s) {
      const int sign = sgn(basis.weight(s));
      if (sign == 0 || (sign > 0 && basis.member(s) >= 0)) continue;
      if (slot < 0 || basis.member(s) < basis.member(slot)) slot = s;
    }
    if (slot < 0) {
      result.in_cone = true;
      result.multipliers = Vector::Zero(k);
      for (Index s = 0; s < d; ++s) {
        if (basis.member(s) >= 0) result.multipliers[basis.member(s)] = basis.weight(s).get_d();
      }
      return result;
    }
    // v: orthogonal to the other members, c·v > 0, scaled to max |v_j| = 1.
    mpq_class largest = 0;
    for (Index j = 0; j < d; ++j) {
      v[j] = basis.edge(j, slot);
      if (cmp(abs(v[j]), largest) > 0) largest = abs(v[j]);
    }
    if (sgn(basis.weight(slot)) < 0) largest = -largest;
    for (Index j = 0; j < d; ++j) {
      v[j] /= largest;
      rounded[j] = v[j].get_d();
    }
    Index entering = -1;
    for (Index i = 0; i < k && entering < 0; ++i) {
      int sign = filtered_sign(generators.row(i), rounded, d, 2);
      if (sign == 2) {
        mpq_class exact = 0;
        for (Index j = 0; j < d; ++j) {
          if (generators(i, j) != 0) exact += generators(i, j) * v[j];
        }
        sign = sgn(exact);
      }
      if (sign > 0) entering = i;
    }
    if (entering < 0) {
      result.direction = Eigen::Map<const Vector>(rounded.data(), d);
      return result;
    }
    basis.replace(slot, entering);
  }
}

}  // namespace unrect
