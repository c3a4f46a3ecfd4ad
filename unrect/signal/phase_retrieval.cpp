#include "unrect/signal/phase_retrieval.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

void require(const MatrixRef& a, const VectorRef& y) {
  UNRECT_REQUIRE(a.rows() >= a.cols() && a.cols() >= 1 && a.allFinite(), ErrorCode::kInvalidArgument,
                 "matrix of {} × {}, expected at least as many rows as columns, all finite", a.rows(), a.cols());
  UNRECT_REQUIRE(y.size() == a.rows() && y.allFinite() && y.minCoeff() >= 0, ErrorCode::kInvalidArgument,
                 "{} sizes, expected {}, all finite and ≥ 0", y.size(), a.rows());
}

/// y with the signs of v; 0 counts as positive.
Vector signed_like(const VectorRef& y, const Vector& v) { return (v.array() < 0).select(-y, y); }

SparseResult run(const MatrixRef& a, const VectorRef& y, const VectorRef& start, const PhaseOptions& options,
                 bool multipliers) {
  require(a, y);
  UNRECT_REQUIRE(start.size() == a.cols() && start.allFinite(), ErrorCode::kInvalidArgument,
                 "start of size {}, expected {}, all finite", start.size(), a.cols());
  validate(options);
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> factors(a);
  const Eigen::MatrixXd q = factors.householderQ() * Eigen::MatrixXd::Identity(a.rows(), factors.rank());
  // Everything happens in the range of A: v = A x, and projecting on it is Q Qᵀ. x itself is found at the end.
  Vector v = a * start, best = v, u = Vector::Zero(y.size());
  SparseResult result;
  result.residual = (v.cwiseAbs() - y).norm();
  for (int k = 1; k <= options.max_iterations && result.residual > options.tolerance * y.norm(); ++k) {
    const Vector z = signed_like(y, v + u);
    if (multipliers) u += v - z;
    const Vector next = q * (q.transpose() * (z - u));
    const bool still = !multipliers && next == v;
    v = next;
    result.iterations = k;
    const double residual = (v.cwiseAbs() - y).norm();
    if (residual < result.residual) {
      result.residual = residual;
      best = v;
    }
    if (still) break;
  }
  result.x = factors.solve(best);
  if (result.residual <= options.tolerance * y.norm()) result.status = SolverStatus::kConverged;
  return result;
}

}  // namespace

Vector spectral_start(const MatrixRef& a, const VectorRef& y, int iterations) {
  require(a, y);
  const double mean = y.squaredNorm() / static_cast<double>(y.size());
  const Vector weights = (y.array().square() <= 9 * mean).select(y.array().square(), 0.0);
  Vector x = Rng(0).normal_vector(a.cols()).normalized();
  for (int k = 0; k < iterations; ++k) {
    const Vector next = a.transpose() * weights.cwiseProduct(a * x);
    if (next.norm() == 0) break;
    x = next.normalized();
  }
  const double row = a.squaredNorm() / static_cast<double>(a.size());  // mean square of an entry
  return row > 0 ? Vector(x * std::sqrt(mean / row)) : Vector::Zero(a.cols());
}

SparseResult phase_retrieval(const MatrixRef& a, const VectorRef& y, const VectorRef& start,
                             const PhaseOptions& options) {
  return run(a, y, start, options, true);
}

SparseResult alternating_projections(const MatrixRef& a, const VectorRef& y, const VectorRef& start,
                                     const PhaseOptions& options) {
  return run(a, y, start, options, false);
}

}  // namespace unrect
