#include "unrect/signal/basis_pursuit.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/signal/internal/sparse_lp.hpp"

namespace unrect {
namespace {

void require(const MatrixRef& a, const VectorRef& y) {
  UNRECT_REQUIRE(a.size() > 0 && y.size() == a.rows(), ErrorCode::kInvalidArgument,
                 "signal of size {} for a matrix of {} × {}", y.size(), a.rows(), a.cols());
  UNRECT_REQUIRE(a.allFinite() && y.allFinite(), ErrorCode::kInvalidArgument, "equations that are not finite");
}

/// ‖x‖₁ − yᵀν for multipliers ν scaled until ‖Aᵀν‖_∞ ≤ 1.
double gap(const MatrixRef& a, const VectorRef& y, const Vector& x, const Vector& multipliers) {
  const double most = (a.transpose() * multipliers).cwiseAbs().maxCoeff();
  return x.lpNorm<1>() - y.dot(multipliers) / std::max(1.0, most);
}

/// The least change of v after which ‖s ∘ (v − w)‖ ≤ radius: −λ s² (v − w) / (1 + λs²) with the λ ≥ 0 that makes it
/// so, by Newton's method on 1/‖·‖, which is concave in λ: from 0 it never goes too far.
Vector to_ball(const Vector& v, const Vector& s, const Vector& w, double radius) {
  const Vector off = v - w;
  const Eigen::ArrayXd square = s.array().square(), weighted = square * off.array().square();
  if (radius <= 1e-12 * std::sqrt(weighted.sum())) return -off;
  if (weighted.sum() <= radius * radius) return Vector::Zero(v.size());
  double lambda = 0;
  for (int step = 0; step < 100; ++step) {
    const Eigen::ArrayXd shrink = 1 / (1 + lambda * square);
    const double norm2 = (weighted * shrink.square()).sum(), norm = std::sqrt(norm2);
    if (norm <= radius * (1 + 1e-12)) break;
    // d(1/‖·‖)/dλ = Σ weighted s² shrink³ / ‖·‖³
    lambda += (1 / radius - 1 / norm) * norm2 * norm / (weighted * square * shrink.cube()).sum();
  }
  return -(lambda * square / (1 + lambda * square) * off.array()).matrix();
}

}  // namespace

SparseResult basis_pursuit_lp(const MatrixRef& a, const VectorRef& y) {
  require(a, y);
  const Index m = a.rows(), n = a.cols();
  SparseRows program;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      if (a(i, j) == 0) continue;
      program.entries.push_back({i, j, a(i, j)});
      program.entries.push_back({i, n + j, -a(i, j)});
    }
  }
  program.row_lower = y;
  program.row_upper = y;
  program.lower = Vector::Zero(2 * n);
  program.upper = Vector::Constant(2 * n, std::numeric_limits<double>::infinity());
  const LpResult solved = SparseLp(program).minimize(Vector::Ones(2 * n));
  SparseResult result;
  result.iterations = solved.pivots;
  result.x = Vector::Zero(n);
  if (solved.x.size() == 2 * n) result.x = solved.x.head(n) - solved.x.tail(n);
  result.residual = (a * result.x - y).norm();
  if (solved.status == LpStatus::kInfeasible) {
    result.status = SolverStatus::kInfeasible;
  } else {
    result.duality_gap = gap(a, y, result.x, -solved.row_duals);
    result.status = solved.status == LpStatus::kOptimal ? SolverStatus::kConverged : SolverStatus::kIterationLimit;
  }
  return result;
}

BasisPursuit::BasisPursuit(Matrix a) : a_(std::move(a)) {
  require(a_, Vector::Zero(a_.rows()));
  // What A sees, by a decomposition that tells its rank, then the singular values of the little that is left.
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> factors(a_.transpose());
  if (factors.rank() == 0) {
    left_ = Matrix(a_.rows(), 0);
    right_ = Matrix(a_.cols(), 0);
    return;
  }
  const Matrix range = factors.householderQ() * Eigen::MatrixXd::Identity(a_.cols(), factors.rank());
  const Eigen::BDCSVD<Eigen::MatrixXd> small(a_ * range, Eigen::ComputeThinU | Eigen::ComputeThinV);
  left_ = small.matrixU();
  values_ = small.singularValues();
  right_ = range * small.matrixV();
}

SparseResult BasisPursuit::solve(const VectorRef& y, const AdmmOptions& options) const {
  require(a_, y);
  validate(options);
  const Vector seen = left_.transpose() * y;
  const Vector fixed = seen.cwiseQuotient(values_);
  const Vector start = right_ * fixed;
  SparseResult result;
  result.x = start;
  result.residual = (a_ * start - y).norm();
  if (result.residual > std::max(1e-9 * y.norm(), options.residual)) {
    result.status = SolverStatus::kInfeasible;
    return result;
  }
  // What no x changes of the residual is not there to be spent.
  const double radius =
      std::sqrt(std::max(0.0, options.residual - result.residual) * (options.residual + result.residual));
  double penalty = options.penalty;
  if (penalty == 0) penalty = start.norm() > 0 ? 1 / start.cwiseAbs().maxCoeff() : 1;
  Vector x = start, z = start, u = Vector::Zero(start.size());
  for (int iteration = 1; iteration <= options.max_iterations; ++iteration) {
    x = z - u;
    x += right_ * to_ball(right_.transpose() * x, values_, fixed, radius);
    const Vector before = z;
    const Vector sum = x + u;
    z = soft_threshold(sum, 1 / penalty);
    u += x - z;
    result.iterations = iteration;
    if (iteration % 10 != 0 && iteration != options.max_iterations) continue;
    // ρu is a subgradient at z; its part in the range of Aᵀ, made feasible, is the dual point Aᵀν.
    const Vector w = penalty * (right_.transpose() * u);
    const double most = (right_ * w).cwiseAbs().maxCoeff();
    const double dual = fixed.dot(w) - radius * w.cwiseQuotient(values_).norm();
    result.duality_gap = x.lpNorm<1>() - dual / std::max(1.0, most);
    if (result.duality_gap <= options.tolerance * x.lpNorm<1>()) {
      result.status = SolverStatus::kConverged;
      break;
    }
    if (options.penalty == 0 && iteration <= 500) {  // balance the two residuals (Boyd et al. 3.4.1), then leave it
      const double apart = (x - z).norm(), moved = (z - before).norm();
      const double factor = apart > 5 * moved ? 2 : moved > 5 * apart ? 0.5 : 1;
      penalty *= factor;
      u /= factor;
    }
  }
  result.x = x;
  result.residual = (a_ * x - y).norm();
  return result;
}

SparseResult basis_pursuit_admm(const MatrixRef& a, const VectorRef& y, const AdmmOptions& options) {
  return BasisPursuit(a).solve(y, options);
}

}  // namespace unrect
