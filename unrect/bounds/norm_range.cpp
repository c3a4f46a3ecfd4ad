#include "unrect/bounds/internal/norm_range.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/polytope/halfspaces.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double gamma(Index terms) { return static_cast<double>(terms) * kEpsilon; }

// What a norm made of vectors' norms can be off by: stableNorm() scales, and so rounds a few times more.
double relative_error(const MatrixRange& range) { return gamma(4 * (range.center.rows() + range.center.cols()) + 32); }

NormRange by_vectors(const MatrixRange& range, Norm from, Norm to) {
  const double center = induced_norm(range.center, from, to), radius = induced_norm(range.radius, from, to);
  const double error = relative_error(range);
  return {std::max(0.0, center * (1 - error) - radius * (1 + error)), (center + radius) * (1 + error)};
}

// The smaller Gram matrix of a scaled center, and its eigenvector to the largest eigenvalue.
NormRange spectral_range(const MatrixRange& range) {
  const double radius = range.radius.stableNorm() * (1 + relative_error(range));
  const double largest = range.center.size() == 0 ? 0 : range.center.cwiseAbs().maxCoeff();
  if (!std::isfinite(largest) || !std::isfinite(radius)) return {0, kInfinity};
  if (largest == 0) return {0, radius};
  const int exponent = std::ilogb(largest);
  const Eigen::MatrixXd c = range.center.unaryExpr([&](double x) { return std::ldexp(x, -exponent); });
  const Eigen::MatrixXd tall = c.rows() < c.cols() ? Eigen::MatrixXd(c.transpose()) : c;
  const Index n = tall.cols();
  const Eigen::MatrixXd gram = tall.transpose() * tall;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(gram);
  const Vector v = eigen.eigenvectors().col(n - 1);
  const double error = relative_error(range), length = v.norm();
  // Two roundings of each of ‖C v‖ and ‖v‖, and of C v itself relative to |C||v|.
  const double below = ((tall * v).norm() - error * (tall.cwiseAbs() * v.cwiseAbs()).norm()) / length * (1 - error);
  // ‖computed Gram − exact Gram‖_F ≤ γ ‖C‖_F².
  const double frobenius = tall.squaredNorm();
  double above = std::sqrt(frobenius) * (1 + error);
  for (double slack = 4 * error; slack < 0.5; slack *= 8) {
    const double lambda = eigen.eigenvalues()[n - 1] + slack * frobenius;
    Eigen::MatrixXd test = -gram;
    test.diagonal().array() += lambda;
    // Scaling to a unit diagonal multiplies the doubt by the largest reciprocal of the diagonal.
    const double smallest = test.diagonal().minCoeff();
    if (!(smallest > 0) || !is_surely_semidefinite(test, 4 * error * (frobenius + lambda) / smallest)) continue;
    above = std::min(above, std::sqrt(lambda) * (1 + 4 * kEpsilon));
    break;
  }
  return {std::max(0.0, std::ldexp(below, exponent) - radius) * (1 - 4 * kEpsilon),
          (std::ldexp(above, exponent) + radius) * (1 + 4 * kEpsilon)};
}

bool spectral(Norm from, Norm to) { return from == Norm::kTwo && to == Norm::kTwo; }

}  // namespace

NormRange norm_range(const MatrixRange& range, Norm from, Norm to) {
  if (!range.center.allFinite() || !range.radius.allFinite()) return {0, kInfinity};
  return spectral(from, to) ? spectral_range(range) : by_vectors(range, from, to);
}

bool norm_is_at_most(const MatrixRange& range, Norm from, Norm to, double most) {
  if (!range.center.allFinite() || !range.radius.allFinite()) return false;
  if (!spectral(from, to)) return by_vectors(range, from, to).high <= most;
  const double radius = range.radius.stableNorm() * (1 + relative_error(range));
  if (radius > most) return false;
  const double frobenius = range.center.stableNorm() * (1 + relative_error(range));
  if ((frobenius + radius) * (1 + 4 * kEpsilon) <= most) return true;
  // The largest row or column is no longer than the norm.
  const double longest = std::max(row_norms(range.center).maxCoeff(), 0.0);
  if (longest > most) return false;
  return spectral_range(range).high <= most;
}

bool is_surely_semidefinite(const Eigen::MatrixXd& matrix, double doubt) {
  const Index n = matrix.rows();
  Eigen::MatrixXd scaled(n, n);
  Vector scale(n);
  for (Index i = 0; i < n; ++i) {
    const double d = matrix(i, i);
    if (!(d > 0) || !std::isfinite(d)) return false;
    scale[i] = std::ldexp(1.0, -static_cast<int>(std::floor(0.5 * std::ilogb(d))));
  }
  for (Index j = 0; j < n; ++j) {
    for (Index i = j; i < n; ++i) scaled(i, j) = matrix(i, j) * scale[i] * scale[j];
  }
  // A factorisation that succeeds on A is one of A + Δ with ‖Δ‖₂ ≤ γ_{n+1}/(1 − γ_{n+1}) trace(A).
  const double shift = doubt * (1 + 4 * kEpsilon) + 2 * gamma(n + 2) * scaled.diagonal().sum();
  scaled.diagonal().array() -= shift * (1 + 4 * kEpsilon);
  // The subtraction rounds entries of at most 4.
  scaled.diagonal().array() -= 8 * kEpsilon;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(scaled);
  return cholesky.info() == Eigen::Success && cholesky.matrixLLT().diagonal().allFinite();
}

}  // namespace unrect
