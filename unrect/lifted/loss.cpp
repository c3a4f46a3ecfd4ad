#include "unrect/lifted/loss.hpp"

#include <cmath>

namespace unrect {
namespace {

// −Σ x log softmax(y) = Σx · log Σ exp(y − max) − Σ x (y − max); its gradient is softmax(y) Σx − x.
template <class Outputs, class Targets, class Gradient>
double cross_entropy(const Outputs& outputs, const Targets& targets, Gradient&& gradient) {
  using Scalar = typename Gradient::Scalar;
  const Scalar top = outputs.maxCoeff();
  gradient = (outputs.array() - top).exp().matrix();
  const Scalar total = gradient.sum();
  const Scalar mass = targets.sum();
  const double value = static_cast<double>(mass) * std::log(static_cast<double>(total)) -
                       static_cast<double>((targets.array() * (outputs.array() - top)).sum());
  gradient = gradient * (mass / total) - targets;
  return value;
}

}  // namespace

std::string_view name_of(Loss::Kind kind) {
  switch (kind) {
    case Loss::Kind::kSquared:
      return "squared";
    case Loss::Kind::kHuber:
      return "huber";
    case Loss::Kind::kCrossEntropy:
      return "cross-entropy";
    default:
      return "log-squared";
  }
}

template <class Scalar>
double loss(const Loss& kind, const MatrixRefOf<Scalar>& outputs, const MatrixRefOf<Scalar>& targets,
            Eigen::Ref<MatrixOf<Scalar>, 0, Eigen::OuterStride<>> gradient) {
  double sum = 0;
  const Scalar delta = static_cast<Scalar>(kind.delta);
  // A row is summed in Scalar (few entries, one vectorised pass), the rows in double.
  for (Index i = 0; i < outputs.rows(); ++i) {
    switch (kind.kind) {
      case Loss::Kind::kSquared:
        gradient.row(i) = outputs.row(i) - targets.row(i);
        sum += 0.5 * static_cast<double>(gradient.row(i).squaredNorm());
        break;
      case Loss::Kind::kHuber:
        gradient.row(i) = (outputs.row(i) - targets.row(i)).cwiseMax(-delta).cwiseMin(delta);
        // With g the clipped error e: f = g(e − g/2).
        sum += static_cast<double>(
            (gradient.row(i).array() * (outputs.row(i) - targets.row(i) - gradient.row(i) / 2).array()).sum());
        break;
      case Loss::Kind::kCrossEntropy:
        sum += cross_entropy(outputs.row(i), targets.row(i), gradient.row(i));
        break;
      case Loss::Kind::kLogSquared: {
        gradient.row(i) = outputs.row(i) - targets.row(i);
        const double scale = kind.delta * static_cast<double>(outputs.cols());
        const double ratio = static_cast<double>(gradient.row(i).squaredNorm()) / scale;
        gradient.row(i) *= static_cast<Scalar>(1 / (1 + ratio));
        sum += 0.5 * scale * std::log1p(ratio);
        break;
      }
    }
  }
  return sum;
}

template double loss<float>(const Loss&, const MatrixRefOf<float>&, const MatrixRefOf<float>&,
                            Eigen::Ref<MatrixOf<float>, 0, Eigen::OuterStride<>>);
template double loss<double>(const Loss&, const MatrixRefOf<double>&, const MatrixRefOf<double>&,
                             Eigen::Ref<MatrixOf<double>, 0, Eigen::OuterStride<>>);

double squared_error(const MatrixRefOf<float>& outputs, const MatrixRefOf<float>& targets) {
  double sum = 0;
  for (Index i = 0; i < outputs.rows(); ++i)
    sum += static_cast<double>((outputs.row(i) - targets.row(i)).squaredNorm());
  return sum;
}

}  // namespace unrect
