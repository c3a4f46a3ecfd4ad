#include "unrect/signal/lasso.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

/// min ½‖A x − y‖² + λ Σ w|x| for all rows of `signals`.
class Problem {
 public:
  Problem(const LinearOperator& a, const MatrixRef& signals, const LassoOptions& options)
      : a_(a), y_(signals), options_(options), correlation_(a.adjoint_rows(signals)) {
    weights_ = options.weights.size() > 0 ? options.weights : Vector::Ones(a.cols()).eval();
    step_ = options.step;
    if (step_ == 0) {
      const GramSpectrum spectrum = gram_spectrum(a, Rng(0), 100, 1e-4);
      const double square = spectrum.largest + spectrum.error;
      step_ = square > 0 ? 1 / (1.001 * square) : 1;
    }
  }

  /// max_j |Aᵀy|_j / w_j over all signals: the smallest λ with x = 0.
  double largest_lambda() const {
    return (correlation_.array().rowwise() / weights_.transpose().array()).abs().maxCoeff();
  }

  /// Goes on from x; returns the iterations.
  int run(double lambda, double tolerance, Matrix& x) {
    const Index count = y_.rows();
    const Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> thresholds =
        (step_ * lambda * weights_).transpose().replicate(count, 1).array();
    Matrix z = x;
    Vector momentum = Vector::Ones(count);
    for (int iteration = 1; iteration <= options_.max_iterations; ++iteration) {
      const Matrix ahead = z + step_ * a_.adjoint_rows(y_ - a_.apply_rows(z));
      const Matrix next = soft_threshold(ahead, thresholds);
      for (Index i = 0; i < count; ++i) {
        const double t = momentum(i);
        double following = 0.5 * (1 + std::sqrt(1 + 4 * t * t));
        double factor = options_.accelerated ? (t - 1) / following : 0;
        if ((z.row(i) - next.row(i)).dot(next.row(i) - x.row(i)) > 0) {  // momentum leads uphill
          following = 1;
          factor = 0;
        }
        z.row(i) = next.row(i) + factor * (next.row(i) - x.row(i));
        momentum(i) = following;
      }
      x = next;
      if (iteration % 10 == 0 || iteration == options_.max_iterations) {
        update(lambda, x);
        if ((gap_.array() <= tolerance * 0.5 * y_.rowwise().squaredNorm().array()).all()) return iteration;
      }
    }
    return options_.max_iterations;
  }

  /// Residuals and gaps at x. Dual: max ½‖y‖² − ½‖y − θ‖² subject to |Aᵀθ|_j ≤ λ w_j.
  void update(double lambda, const Matrix& x) {
    const Matrix error = y_ - a_.apply_rows(x);
    const Matrix scores = a_.adjoint_rows(error);
    residual_ = error.rowwise().norm();
    gap_.resize(y_.rows());
    for (Index i = 0; i < y_.rows(); ++i) {
      const double most = (scores.row(i).transpose().array() / weights_.array()).abs().maxCoeff();
      const double shrink = most > lambda ? lambda / most : 1;
      const double primal =
          0.5 * error.row(i).squaredNorm() + lambda * (x.row(i).transpose().array().abs() * weights_.array()).sum();
      const double dual = 0.5 * y_.row(i).squaredNorm() - 0.5 * (y_.row(i) - shrink * error.row(i)).squaredNorm();
      gap_(i) = primal - dual;
    }
  }

  const Vector& residual() const { return residual_; }
  const Vector& gap() const { return gap_; }

 private:
  const LinearOperator& a_;
  const Matrix y_;
  const LassoOptions& options_;
  const Matrix correlation_;
  Vector weights_;
  double step_ = 0;
  Vector residual_, gap_;
};

}  // namespace

std::vector<SparseResult> lasso_rows(const LinearOperator& a, const MatrixRef& signals, const LassoOptions& options) {
  validate(options);
  UNRECT_REQUIRE(options.lambda > 0, ErrorCode::kInvalidArgument, "lambda is {}; expected a number > 0",
                 options.lambda);
  UNRECT_REQUIRE(options.weights.size() == 0 || options.weights.size() == a.cols(), ErrorCode::kInvalidArgument,
                 "{} weights, expected none or {}", options.weights.size(), a.cols());
  UNRECT_REQUIRE(signals.allFinite(), ErrorCode::kInvalidArgument, "signals that are not finite");
  if (signals.rows() == 0) return {};
  Problem problem(a, signals, options);
  Matrix x = Matrix::Zero(signals.rows(), a.cols());
  int iterations = 0;
  const double start = problem.largest_lambda();
  for (int stage = 1; stage <= options.continuation && start > options.lambda; ++stage) {
    const double part = static_cast<double>(stage) / (options.continuation + 1);
    iterations += problem.run(start * std::pow(options.lambda / start, part), 1e-2, x);
  }
  iterations += problem.run(options.lambda, options.tolerance, x);
  std::vector<SparseResult> results(static_cast<std::size_t>(signals.rows()));
  for (Index i = 0; i < signals.rows(); ++i) {
    SparseResult& result = results[static_cast<std::size_t>(i)];
    result.x = x.row(i).transpose();
    result.residual = problem.residual()(i);
    result.duality_gap = problem.gap()(i);
    result.iterations = iterations;
    const bool small = result.duality_gap <= options.tolerance * 0.5 * signals.row(i).squaredNorm();
    result.status = small ? SolverStatus::kConverged : SolverStatus::kIterationLimit;
  }
  return results;
}

SparseResult lasso(const LinearOperator& a, const VectorRef& y, const LassoOptions& options) {
  return lasso_rows(a, Eigen::Map<const Matrix>(y.data(), 1, y.size()), options)[0];
}

}  // namespace unrect
