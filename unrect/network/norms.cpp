#include "unrect/network/norms.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <cmath>
#include <functional>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

constexpr Index kDenseLimit = 384;  // beyond it Lanczos is quicker than the full eigenvalue problem

// The largest eigenvalue of a symmetric positive semi-definite operator by Lanczos with full reorthogonalisation.
double largest_eigenvalue(Index size, const std::function<Vector(const Vector&)>& apply) {
  const Index steps = std::min<Index>(size, 1000);
  Eigen::MatrixXd basis(size, steps);
  Vector diagonal(steps), below(steps);
  Vector v = Rng(20240229).normal_vector(size).normalized();
  double value = 0;
  for (Index k = 0; k < steps; ++k) {
    basis.col(k) = v;
    Vector w = apply(v);
    diagonal[k] = v.dot(w);
    for (int twice = 0; twice < 2; ++twice) {
      w -= basis.leftCols(k + 1) * (basis.leftCols(k + 1).transpose() * w);
    }
    below[k] = w.norm();
    const bool exhausted = below[k] <= 1e-14 * std::max(value, diagonal[0]);
    if (k % 5 == 4 || exhausted || k + 1 == steps) {
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> ritz;
      ritz.computeFromTridiagonal(diagonal.head(k + 1), below.head(k));
      value = ritz.eigenvalues()[k];
      // The Ritz value's error is at most residual² / gap; the residual itself bounds it without knowing the gap.
      const double residual = below[k] * std::abs(ritz.eigenvectors()(k, k));
      if (residual <= 1e-10 * value || exhausted || k + 1 == steps) {
        value += residual;  // Ritz values approach from below
        break;
      }
    }
    v = w / below[k];
  }
  return std::max(value, 0.0);
}

}  // namespace

double spectral_norm(const MatrixRef& a) {
  if (a.size() == 0) return 0;
  if (a.rows() == 1 || a.cols() == 1) return a.stableNorm();
  const double scale = a.cwiseAbs().maxCoeff();  // keeps the Gram matrix from over- and underflow
  if (scale == 0 || !std::isfinite(scale)) return scale;
  const Matrix b = a / scale;
  const bool wide = b.rows() < b.cols();
  if (std::min(b.rows(), b.cols()) <= kDenseLimit) {
    const Matrix gram = wide ? Matrix(b * b.transpose()) : Matrix(b.transpose() * b);
    const Eigen::SelfAdjointEigenSolver<Matrix> eigen(gram, Eigen::EigenvaluesOnly);
    return scale * std::sqrt(std::max(0.0, eigen.eigenvalues()[gram.rows() - 1]));
  }
  return scale *
         std::sqrt(largest_eigenvalue(b.cols(), [&](const Vector& v) -> Vector { return b.transpose() * (b * v); }));
}

double nuclear_norm(const MatrixRef& a) {
  if (a.size() == 0) return 0;
  return Eigen::BDCSVD<Eigen::MatrixXd>(a).singularValues().sum();
}

double induced_norm(const MatrixRef& a, Norm from, Norm to) {
  if (a.size() == 0) return 0;
  const auto norm_of = [](const auto& v, Norm norm) {
    if (norm == Norm::kOne) return v.cwiseAbs().sum();
    if (norm == Norm::kTwo) return v.stableNorm();
    return v.cwiseAbs().maxCoeff();
  };
  double largest = 0;
  if (from == Norm::kOne) {
    for (Index j = 0; j < a.cols(); ++j) largest = std::max(largest, norm_of(a.col(j), to));
    return largest;
  }
  if (to == Norm::kInfinity) {
    const Norm dual = from == Norm::kTwo ? Norm::kTwo : Norm::kOne;
    for (Index i = 0; i < a.rows(); ++i) largest = std::max(largest, norm_of(a.row(i), dual));
    return largest;
  }
  if (from == Norm::kTwo && to == Norm::kTwo) return spectral_norm(a);
  throw Error(ErrorCode::kUnsupported, fmt::format("the {}→{} norm is NP-hard to compute; expected 1→q, p→∞ or 2→2",
                                                   from == Norm::kTwo ? "2" : "∞", to == Norm::kOne ? "1" : "2"));
}

}  // namespace unrect
