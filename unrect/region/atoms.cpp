#include "unrect/region/atoms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/polytope/halfspaces.hpp"

namespace unrect {
namespace {

Index position(const std::vector<Index>& sorted, Index value) {
  return std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
}

}  // namespace

AtomicDecomposition::AtomicDecomposition(const Factors& f) {
  const int depth = f.depth();
  UNRECT_REQUIRE(depth >= 2, ErrorCode::kInvalidArgument, "a network without hidden layers has no atoms");
  first_support_ = f.support(1);
  last_support_ = f.support(depth - 1);
  const auto at = [](int l) { return static_cast<std::size_t>(l - 1); };
  std::vector<Index> support = first_support_;
  is_diagonal_ = depth == 2;
  diagonal_.resize(static_cast<Index>(support.size()));
  for (Index i = 0; i < diagonal_.size(); ++i) diagonal_[i] = f.diagonals[0][support[static_cast<std::size_t>(i)]];
  for (int l = 2; l < depth; ++l) {
    const std::vector<Index> next = f.support(l);
    UNRECT_REQUIRE(next.size() * first_support_.size() <= std::size_t{1} << 27, ErrorCode::kUnsupported,
                   "atoms: {} × {} coefficients, expected at most 2^27", next.size(), first_support_.size());
    Matrix step(static_cast<Index>(next.size()), static_cast<Index>(support.size()));
    for (Index i = 0; i < step.rows(); ++i) {
      const Index row = next[static_cast<std::size_t>(i)];
      for (Index j = 0; j < step.cols(); ++j) {
        step(i, j) = f.diagonals[at(l)][row] * f.weights[at(l)](row, support[static_cast<std::size_t>(j)]);
      }
    }
    coefficients_ = l == 2 ? Matrix(step * diagonal_.asDiagonal()) : Matrix(step * coefficients_);
    support = next;
  }
  size_ = is_diagonal_ ? (diagonal_.array() != 0).count() : (coefficients_.array() != 0).count();
  columns_.resize(static_cast<Index>(last_support_.size()), f.weights.back().rows());
  for (std::size_t i = 0; i < last_support_.size(); ++i) {
    columns_.row(static_cast<Index>(i)) = f.weights.back().col(last_support_[i]).transpose();
  }
  rows_.resize(static_cast<Index>(first_support_.size()), f.weights.front().cols());
  for (std::size_t j = 0; j < first_support_.size(); ++j) {
    rows_.row(static_cast<Index>(j)) = f.weights.front().row(first_support_[j]);
  }
}

std::vector<Atom> AtomicDecomposition::top(Index k) const {
  const Vector column_norms = unrect::row_norms(columns_), row_norms = unrect::row_norms(rows_);
  std::vector<Atom> atoms;
  atoms.reserve(static_cast<std::size_t>(size_));
  for_each([&](Index i, Index j, double kappa) {
    atoms.push_back({last_support_[static_cast<std::size_t>(i)], first_support_[static_cast<std::size_t>(j)], kappa,
                     std::abs(kappa) * column_norms[i] * row_norms[j]});
  });
  const auto heavier = [](const Atom& a, const Atom& b) {
    if (a.weight != b.weight) return a.weight > b.weight;
    return a.p != b.p ? a.p < b.p : a.q < b.q;
  };
  const auto count = std::min(atoms.size(), static_cast<std::size_t>(std::max<Index>(k, 0)));
  std::partial_sort(atoms.begin(), atoms.begin() + static_cast<std::ptrdiff_t>(count), atoms.end(), heavier);
  atoms.resize(count);
  return atoms;
}

Matrix AtomicDecomposition::sum(const std::vector<Atom>& atoms) const {
  Matrix total = Matrix::Zero(columns_.cols(), rows_.cols());
  for (const Atom& atom : atoms) {
    total += atom.coefficient * columns_.row(position(last_support_, atom.p)).transpose() *
             rows_.row(position(first_support_, atom.q));
  }
  return total;
}

Matrix AtomicDecomposition::linear() const {
  if (is_diagonal_) return columns_.transpose() * diagonal_.asDiagonal() * rows_;
  return columns_.transpose() * coefficients_ * rows_;
}

Vector AtomicDecomposition::truncation_errors(const std::vector<Atom>& atoms) const {
  Matrix rest = linear();
  const double norm = rest.stableNorm();
  Vector errors = Vector::Zero(static_cast<Index>(atoms.size()) + 1);
  if (norm == 0) return errors;
  errors[0] = 1;
  for (std::size_t k = 0; k < atoms.size(); ++k) {
    rest -= atoms[k].coefficient * columns_.row(position(last_support_, atoms[k].p)).transpose() *
            rows_.row(position(first_support_, atoms[k].q));
    errors[static_cast<Index>(k) + 1] = rest.stableNorm() / norm;
  }
  return errors;
}

Vector column_coefficients(const Factors& f, const VectorRef& x) {
  Vector a = x;
  for (std::size_t l = 0; l + 1 < f.weights.size(); ++l) {
    const Vector z = f.weights[l] * a + f.biases[l];
    a = f.diagonals[l].cwiseProduct(z) + f.offsets[l];
  }
  return a;
}

}  // namespace unrect
