// Linear maps by what they do: never stored unless they are given as a matrix.
#pragma once

#include <functional>
#include <memory>

#include "unrect/base/rng.hpp"
#include "unrect/base/types.hpp"

namespace unrect {

/// A : R^cols → R^rows with its adjoint. Both work on many samples at once, one a row: X ↦ X Aᵀ and Y ↦ Y A.
class LinearOperator {
 public:
  using RowMap = std::function<Matrix(const MatrixRef&)>;

  /// `apply` takes N × cols to N × rows, `adjoint` back. @throws Error kInvalidArgument unless rows, cols ≥ 1.
  LinearOperator(Index rows, Index cols, RowMap apply, RowMap adjoint);
  /// A given matrix, rows × cols. @throws Error kInvalidArgument for an empty one or entries that are not finite.
  explicit LinearOperator(Matrix matrix);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

  /// @throws Error kInvalidArgument for another size; so do all four.
  Vector apply(const VectorRef& x) const;
  Vector adjoint(const VectorRef& y) const;
  Matrix apply_rows(const MatrixRef& samples) const;
  Matrix adjoint_rows(const MatrixRef& samples) const;

  /// The matrix itself, rows × cols: cols applications unless it was given as one.
  Matrix to_matrix() const;

 private:
  Index rows_, cols_;
  RowMap apply_, adjoint_;
  std::shared_ptr<const Matrix> matrix_;  // where it was given
};

/// x ↦ first(second(x)). @throws Error kInvalidArgument for sizes.
LinearOperator compose(const LinearOperator& first, const LinearOperator& second);
LinearOperator transpose(const LinearOperator& a);
/// Of images, height × width as one row each: `columns` (· × height) on every column, then `rows` (· × width) on every
/// row, X ↦ C X Rᵀ.
LinearOperator separable(const LinearOperator& columns, const LinearOperator& rows);

/// max over `trials` random pairs of |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖‖y‖ + ‖x‖‖Aᵀy‖): rounding for a true adjoint.
double adjoint_defect(const LinearOperator& a, Rng rng, int trials = 3);

/// The extreme eigenvalues of AᵀA.
struct GramSpectrum {
  double smallest = 0;
  double largest = 0;
  double error = 0;  // an eigenvalue lies this close to each
};

/// By Lanczos' method with full reorthogonalisation from a random start: at most `steps` products with A and Aᵀ, exact
/// (to rounding) where steps ≥ cols. Stops once both Ritz residuals are below tolerance · largest.
GramSpectrum gram_spectrum(const LinearOperator& a, Rng rng, Index steps = 200, double tolerance = 1e-10);

}  // namespace unrect
