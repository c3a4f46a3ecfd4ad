#include "unrect/signal/operator.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {

LinearOperator::LinearOperator(Index rows, Index cols, RowMap apply, RowMap adjoint)
    : rows_(rows), cols_(cols), apply_(std::move(apply)), adjoint_(std::move(adjoint)) {
  UNRECT_REQUIRE(rows >= 1 && cols >= 1, ErrorCode::kInvalidArgument, "operator of {} × {}, expected at least 1 × 1",
                 rows, cols);
}

LinearOperator::LinearOperator(Matrix matrix) : rows_(matrix.rows()), cols_(matrix.cols()) {
  UNRECT_REQUIRE(matrix.size() > 0, ErrorCode::kInvalidArgument, "operator of {} × {}, expected at least 1 × 1", rows_,
                 cols_);
  UNRECT_REQUIRE(matrix.allFinite(), ErrorCode::kInvalidArgument, "operator with entries that are not finite");
  matrix_ = std::make_shared<const Matrix>(std::move(matrix));
  apply_ = [shared = matrix_](const MatrixRef& x) -> Matrix { return x * shared->transpose(); };
  adjoint_ = [shared = matrix_](const MatrixRef& y) -> Matrix { return y * *shared; };
}

Matrix LinearOperator::apply_rows(const MatrixRef& samples) const {
  UNRECT_REQUIRE(samples.cols() == cols_, ErrorCode::kInvalidArgument, "sample of size {}, expected {}", samples.cols(),
                 cols_);
  return apply_(samples);
}

Matrix LinearOperator::adjoint_rows(const MatrixRef& samples) const {
  UNRECT_REQUIRE(samples.cols() == rows_, ErrorCode::kInvalidArgument, "sample of size {} for the adjoint, expected {}",
                 samples.cols(), rows_);
  return adjoint_(samples);
}

Vector LinearOperator::apply(const VectorRef& x) const {
  return apply_rows(Eigen::Map<const Matrix>(x.data(), 1, x.size())).transpose();
}

Vector LinearOperator::adjoint(const VectorRef& y) const {
  return adjoint_rows(Eigen::Map<const Matrix>(y.data(), 1, y.size())).transpose();
}

Matrix LinearOperator::to_matrix() const {
  if (matrix_) return *matrix_;
  constexpr Index kMostUnits = 256;  // at once
  Matrix result(rows_, cols_);
  for (Index begin = 0; begin < cols_; begin += kMostUnits) {
    const Index count = std::min(kMostUnits, cols_ - begin);
    Matrix units = Matrix::Zero(count, cols_);
    units.middleCols(begin, count).setIdentity();
    result.middleCols(begin, count) = apply_(units).transpose();
  }
  return result;
}

LinearOperator compose(const LinearOperator& first, const LinearOperator& second) {
  UNRECT_REQUIRE(first.cols() == second.rows(), ErrorCode::kInvalidArgument,
                 "composition of an operator on R^{} with one into R^{}", first.cols(), second.rows());
  return {first.rows(), second.cols(),
          [first, second](const MatrixRef& x) { return first.apply_rows(second.apply_rows(x)); },
          [first, second](const MatrixRef& y) { return second.adjoint_rows(first.adjoint_rows(y)); }};
}

LinearOperator transpose(const LinearOperator& a) {
  return {a.cols(), a.rows(), [a](const MatrixRef& x) { return a.adjoint_rows(x); },
          [a](const MatrixRef& y) { return a.apply_rows(y); }};
}

namespace {

/// Each row, a height × width image, transposed.
Matrix transpose_images(const Matrix& images, Index height, Index width) {
  Matrix turned(images.rows(), images.cols());
  for (Index i = 0; i < images.rows(); ++i) {
    Eigen::Map<Matrix>(turned.row(i).data(), width, height) =
        Eigen::Map<const Matrix>(images.row(i).data(), height, width).transpose();
  }
  return turned;
}

/// N × (height · width) images through `columns` and `rows`, forward or adjoint.
Matrix both_ways(const MatrixRef& images, const LinearOperator& columns, const LinearOperator& rows, bool forward) {
  const auto run = [forward](const LinearOperator& a, const Matrix& lines) {
    return forward ? a.apply_rows(lines) : a.adjoint_rows(lines);
  };
  const Index count = images.rows();
  const Index height = forward ? columns.cols() : columns.rows();
  const Index width = forward ? rows.cols() : rows.rows();
  Matrix lines = images;
  lines.resize(count * height, width);
  lines = run(rows, lines);
  const Index new_width = lines.cols();
  lines.resize(count, height * new_width);
  lines = transpose_images(lines, height, new_width);
  lines.resize(count * new_width, height);
  lines = run(columns, lines);
  const Index new_height = lines.cols();
  lines.resize(count, new_width * new_height);
  return transpose_images(lines, new_width, new_height);
}

}  // namespace

LinearOperator separable(const LinearOperator& columns, const LinearOperator& rows) {
  return {columns.rows() * rows.rows(), columns.cols() * rows.cols(),
          [columns, rows](const MatrixRef& x) { return both_ways(x, columns, rows, true); },
          [columns, rows](const MatrixRef& y) { return both_ways(y, columns, rows, false); }};
}

double adjoint_defect(const LinearOperator& a, Rng rng, int trials) {
  double worst = 0;
  for (int t = 0; t < trials; ++t) {
    const Vector x = rng.normal_vector(a.cols());
    const Vector y = rng.normal_vector(a.rows());
    const Vector ax = a.apply(x);
    const Vector aty = a.adjoint(y);
    const double scale = ax.norm() * y.norm() + x.norm() * aty.norm();
    if (scale > 0) worst = std::max(worst, std::abs(ax.dot(y) - x.dot(aty)) / scale);
  }
  return worst;
}

GramSpectrum gram_spectrum(const LinearOperator& a, Rng rng, Index steps, double tolerance) {
  UNRECT_REQUIRE(steps >= 1, ErrorCode::kInvalidArgument, "{} Lanczos steps, expected at least 1", steps);
  const Index n = a.cols();
  steps = std::min(steps, n);
  Eigen::MatrixXd basis(n, steps);
  Vector diagonal(steps), off(steps);
  Vector v = rng.normal_vector(n).normalized();
  // Takes the span of the first k + 1 directions out of w.
  const auto project_out = [&basis](Index k, Vector& w) {
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough (Parlett)
      const Vector along = basis.leftCols(k + 1).transpose() * w;
      w.noalias() -= basis.leftCols(k + 1) * along;
    }
  };
  GramSpectrum result;
  for (Index k = 0; k < steps; ++k) {
    basis.col(k) = v;
    Vector w = a.adjoint(a.apply(v));
    diagonal(k) = v.dot(w);
    project_out(k, w);
    const double beta = w.norm();
    off(k) = beta;
    const bool last = k + 1 == steps;
    if (k % 10 == 9 || last || beta <= 1e-300) {
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> ritz;
      ritz.computeFromTridiagonal(diagonal.head(k + 1), off.head(k));
      result.smallest = std::max(0.0, ritz.eigenvalues()(0));
      result.largest = ritz.eigenvalues()(k);
      const double left = n == k + 1 ? 0 : beta;
      result.error = left * std::max(std::abs(ritz.eigenvectors()(k, 0)), std::abs(ritz.eigenvectors()(k, k)));
      if (result.error <= tolerance * result.largest) break;
    }
    // An invariant subspace is found: go on in a fresh direction, uncoupled.
    if (beta <= 1e-13 * std::max(1e-300, diagonal.head(k + 1).maxCoeff())) {
      w = rng.normal_vector(n);
      project_out(k, w);
      off(k) = 0;
    }
    v = w.normalized();
  }
  return result;
}

}  // namespace unrect
