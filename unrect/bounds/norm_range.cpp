#include "unrect/bounds/internal/norm_range.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/internal/upward.hpp"
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

// The least λ = estimate + slack ‖C‖_F², slack growing, that a factorisation proves to be above every eigenvalue of
// CᵀC, whose computed entries are off by γ ‖C‖_F² in all (Frobenius); infinite if there is none.
double certified_above(const Eigen::MatrixXd& gram, double frobenius, double error, double estimate, double slack) {
  for (; slack < 0.5; slack *= 8) {
    const double lambda = estimate + slack * frobenius;
    Eigen::MatrixXd test = -gram;
    test.diagonal().array() += lambda;
    // Scaling to a unit diagonal multiplies the doubt by the largest reciprocal of the diagonal.
    const double smallest = test.diagonal().minCoeff();
    if (smallest > 0 && is_surely_semidefinite(test, 4 * error * (frobenius + lambda) / smallest)) return lambda;
  }
  return kInfinity;
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
  const double lambda = certified_above(gram, frobenius, error, eigen.eigenvalues()[n - 1], 4 * error);
  const double above = std::min(std::sqrt(frobenius) * (1 + error), std::sqrt(lambda) * (1 + 4 * kEpsilon));
  return {std::max(0.0, std::ldexp(below, exponent) - radius) * (1 - 4 * kEpsilon),
          (std::ldexp(above, exponent) + radius) * (1 + 4 * kEpsilon)};
}

bool spectral(Norm from, Norm to) { return from == Norm::kTwo && to == Norm::kTwo; }

}  // namespace

NormRange norm_range(const MatrixRange& range, Norm from, Norm to) {
  if (!range.center.allFinite() || !range.radius.allFinite()) return {0, kInfinity};
  return spectral(from, to) ? spectral_range(range) : by_vectors(range, from, to);
}

double spectral_norm_bound(const MatrixRef& a) {
  constexpr Index kFactorised = 2048;  // what beyond has its Gram matrix factorised takes minutes
  if (a.size() == 0) return 0;
  if (!a.allFinite()) return kInfinity;
  const double largest = a.cwiseAbs().maxCoeff();
  if (largest == 0) return 0;
  const int exponent = std::ilogb(largest);
  // What underflows here is nothing beside an entry of at least 1, which the rounding of any sum covers.
  const Eigen::MatrixXd c = a.unaryExpr([&](double x) { return std::ldexp(x, -exponent); });
  Upper bound = length(Eigen::Map<const Vector>(c.data(), c.size())) * (1 + kEpsilon);
  Upper rows, columns;
  for (Index i = 0; i < c.rows(); ++i) rows = std::max(rows, sum_of(c.row(i)));
  for (Index j = 0; j < c.cols(); ++j) columns = std::max(columns, sum_of(c.col(j)));
  bound = std::min(bound, sqrt(rows * columns) * (1 + kEpsilon));
  const Index n = std::min(c.rows(), c.cols());
  if (n > 1 && n <= kFactorised) {
    const Eigen::MatrixXd gram =
        c.rows() < c.cols() ? Eigen::MatrixXd(c * c.transpose()) : Eigen::MatrixXd(c.transpose() * c);
    const double estimate = std::pow(spectral_norm(Matrix(c)), 2), frobenius = c.squaredNorm();
    const double error = gamma(4 * (c.rows() + c.cols()) + 32);
    // Enough for the factorisation to succeed as a rule: its own rounding is γ trace.
    const double slack = 4 * error + 8 * gamma(n + 2) * static_cast<double>(n) * estimate / frobenius;
    bound = std::min(bound, sqrt(Upper(certified_above(gram, frobenius, error, estimate, slack))));
  }
  return (bound * std::ldexp(1.0, exponent)).value();
}

bool spectral_norm_is_below(const Eigen::MatrixXd& a, double most) {
  const double error = gamma(4 * (a.rows() + a.cols()) + 32), frobenius = a.squaredNorm();
  const double lambda = most * most * (1 - 4 * kEpsilon);
  Eigen::MatrixXd test =
      a.rows() < a.cols() ? Eigen::MatrixXd(-a * a.transpose()) : Eigen::MatrixXd(-a.transpose() * a);
  test.diagonal().array() += lambda;
  const double smallest = test.diagonal().minCoeff();
  return smallest > 0 && is_surely_semidefinite(test, 4 * error * (frobenius + lambda) / smallest);
}

double spectral_norm_bound(const MatrixRange& range) {
  return (Upper(spectral_norm_bound(range.center)) + frobenius_length(range.radius)).value();
}

double nuclear_norm_bound(const MatrixRange& range) {
  if (range.center.size() == 0) return 0;
  if (!range.center.allFinite()) return kInfinity;
  const Upper rank = sqrt(Upper(static_cast<double>(std::min(range.center.rows(), range.center.cols()))));
  const Upper radius = rank * frobenius_length(range.radius);
  const double largest = range.center.cwiseAbs().maxCoeff();
  if (largest == 0) return radius.value();
  const int exponent = std::ilogb(largest);
  const Eigen::MatrixXd c = range.center.unaryExpr([&](double x) { return std::ldexp(x, -exponent); });
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(c, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::MatrixXd u = svd.matrixU() * svd.singularValues().asDiagonal();
  Upper sum;
  for (Index i = 0; i < u.cols(); ++i) sum += length(u.col(i)) * length(svd.matrixV().col(i));
  // The product is of u as it stands, k terms an entry; the difference, and a c of entries that underflowed, round
  // once.
  const Matrix rest = u * svd.matrixV().transpose() - c;
  const double rate = gamma(u.cols() + 8);
  const Upper doubt = Upper(rate) * (frobenius_length(u) * frobenius_length(svd.matrixV()) + frobenius_length(c));
  sum += rank * (frobenius_length(rest) + doubt);
  return (std::min(sum, rank * frobenius_length(c) * (1 + kEpsilon)) * std::ldexp(1.0, exponent) + radius).value();
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
