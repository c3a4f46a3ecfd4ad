#include "unrect/signal/greedy.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

/// Indices of the k largest |x_j|, ascending; ties to the smaller index.
std::vector<Index> largest(const VectorRef& x, Index k) {
  std::vector<Index> order(static_cast<std::size_t>(x.size()));
  std::iota(order.begin(), order.end(), Index{0});
  k = std::min(k, x.size());
  const auto before = [&](Index i, Index j) {
    const double a = std::abs(x(i)), b = std::abs(x(j));
    return a > b || (a == b && i < j);
  };
  std::nth_element(order.begin(), order.begin() + k, order.end(), before);
  order.resize(static_cast<std::size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

Vector restricted(const VectorRef& x, const std::vector<Index>& support) {
  Vector result = Vector::Zero(x.size());
  for (const Index j : support) result(j) = x(j);
  return result;
}

}  // namespace

std::string_view to_string(SolverStatus status) {
  switch (status) {
    case SolverStatus::kConverged:
      return "converged";
    case SolverStatus::kIterationLimit:
      return "iteration limit";
    case SolverStatus::kInfeasible:
      return "infeasible";
  }
  return "unknown";
}

struct Omp::Gram {
  explicit Gram(Index n) : columns(static_cast<std::size_t>(n)), made(static_cast<std::size_t>(n)) {}

  std::vector<Vector> columns;
  std::vector<std::once_flag> made;
};

Omp::Omp(Matrix atoms) : atoms_(std::move(atoms)) {
  UNRECT_REQUIRE(atoms_.size() > 0 && atoms_.allFinite(), ErrorCode::kInvalidArgument,
                 "dictionary of {} × {}, expected finite entries and at least 1 × 1", atoms_.rows(), atoms_.cols());
  const Vector norms = atoms_.colwise().norm().transpose();
  Index shortest = 0;
  UNRECT_REQUIRE(norms.minCoeff(&shortest) > 0, ErrorCode::kInvalidArgument, "atom {} is zero", shortest);
  inverse_norm_ = norms.cwiseInverse();
  gram_ = std::make_shared<Gram>(atoms_.cols());
}

const Vector& Omp::gram_column(Index atom) const {
  const auto at = static_cast<std::size_t>(atom);
  std::call_once(gram_->made[at], [&] { gram_->columns[at] = atoms_.transpose() * atoms_.col(atom); });
  return gram_->columns[at];
}

SparseResult Omp::solve(const VectorRef& y, const OmpOptions& options) const {
  UNRECT_REQUIRE(y.size() == atoms_.rows(), ErrorCode::kInvalidArgument, "signal of size {}, expected {}", y.size(),
                 atoms_.rows());
  UNRECT_REQUIRE(y.allFinite(), ErrorCode::kInvalidArgument, "a signal that is not finite");
  return solve(y, Vector(atoms_.transpose() * y), options);
}

Matrix Omp::solve_rows(const MatrixRef& signals, const OmpOptions& options) const {
  UNRECT_REQUIRE(signals.cols() == atoms_.rows(), ErrorCode::kInvalidArgument, "signals of size {}, expected {}",
                 signals.cols(), atoms_.rows());
  UNRECT_REQUIRE(signals.allFinite(), ErrorCode::kInvalidArgument, "signals that are not finite");
  const Matrix correlations = signals * atoms_;
  Matrix codes(signals.rows(), atoms_.cols());
  for (Index i = 0; i < signals.rows(); ++i) {
    codes.row(i) = solve(signals.row(i).transpose(), correlations.row(i).transpose(), options).x.transpose();
  }
  return codes;
}

SparseResult Omp::solve(const VectorRef& y, const VectorRef& correlation, const OmpOptions& options) const {
  const Index n = atoms_.cols(), most = std::min(atoms_.rows(), n);
  validate(options);
  UNRECT_REQUIRE(options.sparsity >= 1 && options.sparsity <= most, ErrorCode::kInvalidArgument,
                 "sparsity {}, expected 1 … {}", options.sparsity, most);
  Matrix factor(options.sparsity, n);   // row i: u_i = Aᵀ q_i
  Vector projection(options.sparsity);  // q_i · y
  Vector alpha = correlation;           // Aᵀ (y − A x)
  Vector weight = inverse_norm_;        // 0 for atoms that are in or depend on those that are
  std::vector<Index> support;
  double left = y.squaredNorm();  // ‖y − A x‖²
  const double enough = options.tolerance * options.tolerance;
  SparseResult result;
  bool exhausted = false;
  while (static_cast<Index>(support.size()) < options.sparsity && left > enough && !exhausted) {
    const auto k = static_cast<Index>(support.size());
    Index atom = 0;
    exhausted = alpha.cwiseProduct(weight).cwiseAbs().maxCoeff(&atom) <= 0;
    if (exhausted) break;
    weight(atom) = 0;
    const Vector& gram = gram_column(atom);
    const Vector along = factor.col(atom).head(k);
    const double square = gram(atom) - along.squaredNorm();
    if (square <= 1e-12 * gram(atom)) continue;  // the atom depends on those before
    factor.row(k) = gram.transpose();
    factor.row(k).noalias() -= along.transpose() * factor.topRows(k);
    factor.row(k) /= std::sqrt(square);
    projection(k) = alpha(atom) / std::sqrt(square);
    alpha -= projection(k) * factor.row(k).transpose();
    left -= projection(k) * projection(k);
    support.push_back(atom);
  }
  const auto k = static_cast<Index>(support.size());
  Matrix upper(k, k);
  for (Index j = 0; j < k; ++j) upper.col(j) = factor.col(support[static_cast<std::size_t>(j)]).head(k);
  const Vector coefficients = upper.triangularView<Eigen::Upper>().solve(projection.head(k));
  result.x = Vector::Zero(n);
  Vector error = -y;
  for (Index j = 0; j < k; ++j) {
    const Index atom = support[static_cast<std::size_t>(j)];
    result.x(atom) = coefficients(j);
    error += coefficients(j) * atoms_.col(atom);
  }
  result.residual = error.norm();
  result.iterations = static_cast<int>(k);
  result.status = exhausted ? SolverStatus::kIterationLimit : SolverStatus::kConverged;
  return result;
}

SparseResult cosamp(const MatrixRef& a, const VectorRef& y, Index sparsity, int max_iterations, double tolerance) {
  const Index m = a.rows(), n = a.cols();
  UNRECT_REQUIRE(y.size() == m, ErrorCode::kInvalidArgument, "signal of size {}, expected {}", y.size(), m);
  UNRECT_REQUIRE(sparsity >= 1 && 3 * sparsity <= m, ErrorCode::kInvalidArgument, "sparsity {}, expected 1 … {}",
                 sparsity, m / 3);
  UNRECT_REQUIRE(a.allFinite() && y.allFinite(), ErrorCode::kInvalidArgument, "equations that are not finite");
  SparseResult result;
  result.x = Vector::Zero(n);
  Vector error = y;
  result.residual = y.norm();
  for (int iteration = 1; iteration <= max_iterations; ++iteration) {
    std::vector<Index> candidates = largest(a.transpose() * error, 2 * sparsity);
    for (Index j = 0; j < n; ++j) {
      if (result.x(j) != 0) candidates.push_back(j);
    }
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    const Eigen::MatrixXd columns = a(Eigen::all, candidates);
    Vector fitted = Vector::Zero(n);
    fitted(candidates) = columns.colPivHouseholderQr().solve(y);
    const Vector x = restricted(fitted, largest(fitted, sparsity));
    const Vector next = y - a * x;
    result.iterations = iteration;
    const bool falls = next.norm() < result.residual * (1 - 1e-12);
    if (falls) {
      result.x = x;
      error = next;
      result.residual = next.norm();
    }
    if (!falls || result.residual <= tolerance * y.norm()) {
      result.status = SolverStatus::kConverged;
      break;
    }
  }
  return result;
}

SparseResult iht(const LinearOperator& a, const VectorRef& y, const IhtOptions& options) {
  validate(options);
  UNRECT_REQUIRE(options.sparsity >= 1 && options.sparsity <= a.cols(), ErrorCode::kInvalidArgument,
                 "sparsity {}, expected 1 … {}", options.sparsity, a.cols());
  UNRECT_REQUIRE(y.allFinite(), ErrorCode::kInvalidArgument, "a signal that is not finite");
  SparseResult result;
  result.x = Vector::Zero(a.cols());
  Vector error = y;  // y − A x
  std::vector<Index> support = largest(a.adjoint(y), options.sparsity);
  for (int iteration = 1; iteration <= options.max_iterations; ++iteration) {
    const Vector gradient = a.adjoint(error);
    double step = options.step;
    if (options.step == 0) {
      const Vector inside = restricted(gradient, support);
      const double curvature = a.apply(inside).squaredNorm();
      step = curvature > 0 ? inside.squaredNorm() / curvature : 1;
    }
    Vector x, change;
    std::vector<Index> next;
    for (;;) {
      x = result.x + step * gradient;
      next = largest(x, options.sparsity);
      x = restricted(x, next);
      change = x - result.x;
      if (options.step > 0 || next == support) break;
      // On another support the step must be short enough for the residual to fall.
      const double along = a.apply(change).squaredNorm();
      if (step * along <= 0.99 * change.squaredNorm()) break;
      step = std::min(0.5 * step, 0.99 * change.squaredNorm() / along);
    }
    result.iterations = iteration;
    if (!std::isfinite(x.squaredNorm())) break;  // too long a step: the last x that was any is the answer
    support = std::move(next);
    result.x = x;
    error = y - a.apply(x);
    if (change.norm() <= options.tolerance * x.norm()) {
      result.status = SolverStatus::kConverged;
      break;
    }
  }
  result.residual = error.norm();
  return result;
}

}  // namespace unrect
