#include "unrect/signal/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/progress_report.hpp"
#include "unrect/signal/total_variation.hpp"

namespace unrect {
namespace {

/// ½‖A x − y‖² over images: step, gradient steps, and who is told of the progress.
class Fidelity {
 public:
  Fidelity(const LinearOperator& a, const VectorRef& y, Index height, Index width, double step, const Context& context)
      : a_(a), y_(y), height_(height), width_(width), step_(step), report_(context) {
    UNRECT_REQUIRE(height >= 1 && width >= 1 && a.cols() == height * width, ErrorCode::kInvalidArgument,
                   "operator on {} pixels for an image of {} × {}", a.cols(), height, width);
    UNRECT_REQUIRE(y.size() == a.rows() && y.allFinite(), ErrorCode::kInvalidArgument,
                   "{} measurements, expected {}, all finite", y.size(), a.rows());
    if (step == 0) {
      const GramSpectrum spectrum = gram_spectrum(a, Rng(0), 30, 1e-2);
      const double norm = spectrum.largest + spectrum.error;
      step_ = norm > 0 ? 1 / (1.02 * norm) : 1;
    }
  }

  double step() const { return step_; }
  Vector error(const Matrix& x) const { return y_ - a_.apply(Eigen::Map<const Vector>(x.data(), x.size())); }
  Matrix back(const Vector& error) const {
    const Vector image = a_.adjoint(error);
    return Eigen::Map<const Matrix>(image.data(), height_, width_);
  }
  /// x + t Aᵀ(y − A x)
  Matrix descend(const Matrix& x) const { return x + step_ * back(error(x)); }
  Matrix start() const { return step_ * back(y_); }

  bool cancelled(int done, int total) {
    return report_.stops({"iterations", static_cast<double>(done), static_cast<double>(total)});
  }

 private:
  const LinearOperator& a_;
  const Vector y_;
  Index height_, width_;
  double step_;
  ProgressReport report_;
};

/// The falling weight at a part of the way in [0, 1].
double geometric(double first, double last, double part) { return first * std::pow(last / first, std::min(1.0, part)); }

}  // namespace

RecoveryResult recover_tv(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                          const TvOptions& options, const Context& context) {
  validate(options);
  Fidelity fidelity(a, y, height, width, options.step, context);
  TvDenoiser denoiser(height, width);
  RecoveryResult result;
  Matrix& x = result.image;
  x = fidelity.start();
  Matrix z = x;
  double t = 1;
  for (int k = 0; k < options.iterations && !fidelity.cancelled(k, options.iterations); ++k) {
    const double part = k / (0.7 * options.iterations);
    const double lambda = geometric(options.first_lambda, options.last_lambda, part);
    const Matrix next = denoiser.denoise(fidelity.descend(z), fidelity.step() * lambda, options.inner_iterations);
    double following = 0.5 * (1 + std::sqrt(1 + 4 * t * t));
    double momentum = (t - 1) / following;
    if ((z - next).cwiseProduct(next - x).sum() > 0) {  // it leads uphill
      following = 1;
      momentum = 0;
    }
    z = next + momentum * (next - x);
    t = following;
    const double change = (next - x).norm();
    x = next;
    result.iterations = k + 1;
    if (part >= 1 && change <= options.tolerance * x.norm()) {
      result.status = SolverStatus::kConverged;
      break;
    }
  }
  result.residual = fidelity.error(x).norm();
  return result;
}

RecoveryResult recover_by_threshold(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                                    ImageThreshold shrink, const ThresholdOptions& options, const Context& context) {
  validate(options);
  Fidelity fidelity(a, y, height, width, options.step, context);
  Rng rng(context.seed);
  RecoveryResult result;
  result.image = fidelity.start();
  for (int k = 0; k < options.iterations && !fidelity.cancelled(k, options.iterations); ++k) {
    const double part = static_cast<double>(k) / (options.iterations - 1);
    const double threshold = geometric(options.first_threshold, options.last_threshold, part);
    result.image = shrink(fidelity.descend(result.image), threshold, rng);
    result.iterations = k + 1;
  }
  if (result.iterations == options.iterations) result.status = SolverStatus::kConverged;
  result.residual = fidelity.error(result.image).norm();
  return result;
}

}  // namespace unrect
