// The atomic decomposition of a region's linear part (HH Theorem 5, maths 1.5).
#pragma once

#include <vector>

#include "unrect/region/factors.hpp"

namespace unrect {

/// κ_pq · w_p ⊗ ω_q: unit p of the last hidden layer, unit q of the first.
struct Atom {
  Index p = 0, q = 0;
  double coefficient = 0;  // κ_pq
  double weight = 0;       // |κ_pq| ‖w_p‖ ‖ω_q‖, the atom's norm
};

/// A_d = Σ_{p ∈ S_{L−1}} Σ_{q ∈ S_1} κ_pq w_p ⊗ ω_q with w_p column p of W_L, ω_q row q of W_1, and
/// K = (κ_pq) = D_{L−1} W_{L−1} D_{L−2} … W_2 D_1 (HH eq. 11). Holds K on the supports (its diagonal for L = 2, where
/// there is no more of it) and two factor matrices, never the atoms.
class AtomicDecomposition {
 public:
  /// Cost: the matrix products of K. @throws Error kInvalidArgument for L = 1: there is no hidden layer, hence no atom;
  /// kUnsupported where K has more than 2²⁷ entries (1 GB).
  explicit AtomicDecomposition(const Factors& factors);

  /// K restricted to the supports: |S_{L−1}| × |S_1|.
  Matrix coefficients() const { return is_diagonal_ ? Matrix(diagonal_.asDiagonal()) : coefficients_; }
  /// Calls visit(i, j, κ) for the coefficients ≠ 0, by rows i of coefficients(), then columns j.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (Index i = 0; i < static_cast<Index>(last_support_.size()); ++i) {
      const Index first = is_diagonal_ ? i : 0, end = is_diagonal_ ? i + 1 : coefficients_.cols();
      for (Index j = first; j < end; ++j) {
        const double kappa = is_diagonal_ ? diagonal_[i] : coefficients_(i, j);
        if (kappa != 0) visit(i, j, kappa);
      }
    }
  }
  const std::vector<Index>& last_support() const { return last_support_; }    // S_{L−1}
  const std::vector<Index>& first_support() const { return first_support_; }  // S_1
  /// Atoms with κ_pq ≠ 0.
  Index size() const { return size_; }

  /// The k atoms of largest norm, in that order; ties by (p, q).
  std::vector<Atom> top(Index k) const;
  /// Σ of the given atoms: n_L × n_0.
  Matrix sum(const std::vector<Atom>& atoms) const;
  /// A_d = sum of all atoms, as the product of the three factors.
  Matrix linear() const;
  /// ‖A_d − Σ of the first k atoms‖_F / ‖A_d‖_F for k = 0 … atoms.size(). Zeros where A_d = 0.
  Vector truncation_errors(const std::vector<Atom>& atoms) const;

 private:
  std::vector<Index> last_support_, first_support_;
  bool is_diagonal_ = false;
  Matrix coefficients_;  // unless diagonal
  Vector diagonal_;
  Matrix columns_;  // row i: column last_support_[i] of W_L
  Matrix rows_;     // row j: row first_support_[j] of W_1
  Index size_ = 0;
};

/// γ(x): the coefficients of W_L's columns, M(x) = Σ_p w_p γ_p(x) + b_L (maths 1.5). n_{L−1}; x itself where L = 1.
Vector column_coefficients(const Factors& factors, const VectorRef& x);

}  // namespace unrect
