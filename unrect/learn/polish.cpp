#include "unrect/learn/polish.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

namespace unrect {
namespace {

Index parameters(const Chain& chain) {
  Index count = 0;
  for (const Matrix& layer : chain.layers) count += layer.size();
  return count;
}

// The true loss, its gradient and its Gauss–Newton matrix: JᵀJ over the entries where f is curved, and the ridge.
struct Model {
  double value = 0;
  Vector gradient;
  Eigen::MatrixXd curvature;
};

Model model_at(const Chain& chain, const Objective& objective, const LiftedSamples& samples) {
  const Index count = parameters(chain);
  const Matrix output = split_output(chain, samples);
  Matrix slope(output.rows(), output.cols());
  Model model{loss<double>(objective.loss, output, samples.targets, slope), Vector::Zero(count),
              Eigen::MatrixXd::Zero(count, count)};
  const bool huber = objective.loss.kind == Loss::Kind::kHuber;
  Matrix jacobian(output.rows(), count);
  for (Index k = 0; k < output.cols(); ++k) {
    Matrix adjoint = Matrix::Zero(output.rows(), output.cols());  // ∂y_k/∂z_l
    adjoint.col(k).setOnes();
    Index end = count;
    for (std::size_t l = chain.layers.size(); l-- > 0;) {
      if (l < samples.layers.size()) adjoint = adjoint.cwiseProduct(samples.layers[l].d).eval();
      const Matrix& fed = samples.fed_to(l);
      end -= chain.layers[l].size();
      for (Index p = 0; p < adjoint.cols(); ++p) {
        const Index first = end + p * (fed.cols() + 1);
        jacobian.middleCols(first, fed.cols()) = fed.array().colwise() * adjoint.col(p).array();
        jacobian.col(first + fed.cols()) = adjoint.col(p);
      }
      if (l > 0) adjoint = (adjoint * chain.layers[l].leftCols(fed.cols())).eval();
    }
    model.gradient += jacobian.transpose() * slope.col(k);
    if (huber)  // beyond delta f is straight
      for (Index i = 0; i < output.rows(); ++i)
        if (std::abs(slope(i, k)) >= objective.loss.delta) jacobian.row(i).setZero();
    model.curvature.selfadjointView<Eigen::Lower>().rankUpdate(jacobian.transpose());
  }
  Index first = 0;
  for (const Matrix& layer : chain.layers)
    for (Index k = 0; k < layer.size(); ++k, ++first)
      if (k % layer.cols() + 1 < layer.cols()) {
        model.value += objective.ridge / 2 * layer.data()[k] * layer.data()[k];
        model.gradient[first] += objective.ridge * layer.data()[k];
        model.curvature(first, first) += objective.ridge;
      }
  return model;
}

double true_loss(const Chain& chain, const Objective& objective, const LiftedSamples& samples) {
  Matrix a = samples.inputs;
  double value = 0;
  for (std::size_t l = 0; l < chain.layers.size(); ++l) {
    const Matrix& layer = chain.layers[l];
    a = affine(layer, a);
    if (l < samples.layers.size()) a = a.cwiseMax(0).eval();
    value += objective.ridge / 2 * layer.leftCols(layer.cols() - 1).squaredNorm();
  }
  Matrix slope(a.rows(), a.cols());
  return value + loss<double>(objective.loss, a, samples.targets, slope);
}

Chain moved(Chain chain, const Vector& step) {
  Index first = 0;
  for (Matrix& layer : chain.layers) {
    layer += Eigen::Map<const Matrix>(step.data() + first, layer.rows(), layer.cols());
    first += layer.size();
  }
  return chain;
}

}  // namespace

Chain polish(Chain chain, const Objective& objective, const MatrixRef& inputs, const MatrixRef& targets, int steps,
             double tolerance) {
  double damping = 1e-3;  // relative to the curvature
  LiftedSamples samples = lift(chain, objective.loss, inputs, targets);
  Model model = model_at(chain, objective, samples);
  for (int step = 0; step < steps && model.gradient.cwiseAbs().maxCoeff() > tolerance; ++step) {
    const double scale = model.curvature.diagonal().mean();
    bool better = false;
    for (; damping < 1e8 && !better; damping = better ? std::max(damping / 8, 1e-12) : damping * 4) {
      Eigen::MatrixXd damped = model.curvature;
      damped.diagonal() *= 1 + damping;
      damped.diagonal().array() += 1e-3 * damping * scale + 1e-14;
      const Chain next = moved(chain, -damped.llt().solve(model.gradient));
      better = true_loss(next, objective, samples) < model.value;
      if (better) chain = next;
    }
    if (!better) break;
    samples = lift(chain, objective.loss, inputs, targets);
    model = model_at(chain, objective, samples);
  }
  return chain;
}

}  // namespace unrect
