#include "unrect/lifted/internal/polish.hpp"

#include <Eigen/Cholesky>
#include <Eigen/QR>
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

Model model_at(const Chain& chain, const LearningObjective& objective, const LiftedSamples& samples) {
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

double true_loss(const Chain& chain, const LearningObjective& objective, const LiftedSamples& samples) {
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

// A unit on a kink at one sample: z is held at 0.
struct Pin {
  std::size_t layer;
  Index at;  // sample · n_l + unit
};

std::vector<Pin> near_kinks(const LiftedSamples& samples, double distance) {
  std::vector<Pin> pins;
  for (std::size_t l = 0; l < samples.layers.size(); ++l)
    for (Index k = 0; k < samples.layers[l].z.size(); ++k)
      if (std::abs(samples.layers[l].z.data()[k]) < distance) pins.push_back({l, k});
  return pins;
}

// ∂z/∂(all weights) of the pinned units, a row each.
Matrix pin_slopes(const Chain& chain, const LiftedSamples& samples, const std::vector<Pin>& pins) {
  Matrix result = Matrix::Zero(static_cast<Index>(pins.size()), parameters(chain));
  for (Index p = 0; p < result.rows(); ++p) {
    const Pin& pin = pins[static_cast<std::size_t>(p)];
    const Index units = chain.layers[pin.layer].rows();
    const Index sample = pin.at / units;
    Index end = 0;
    for (std::size_t l = 0; l <= pin.layer; ++l) end += chain.layers[l].size();
    Vector adjoint = Vector::Unit(units, pin.at % units);
    for (std::size_t l = pin.layer + 1; l-- > 0;) {
      const Matrix& fed = samples.fed_to(l);
      end -= chain.layers[l].size();
      for (Index j = 0; j < adjoint.size(); ++j) {
        result.row(p).segment(end + j * (fed.cols() + 1), fed.cols()) = adjoint[j] * fed.row(sample);
        result(p, end + j * (fed.cols() + 1) + fed.cols()) = adjoint[j];
      }
      if (l > 0)
        adjoint = (chain.layers[l].leftCols(fed.cols()).transpose() * adjoint)
                      .cwiseProduct(samples.layers[l - 1].d.row(sample).transpose())
                      .eval();
    }
  }
  return result;
}

// A pin's force ν = d ∂f/∂a tells its slope d. Sets it, clipped to [0, 1], and the multipliers with it, and returns the
// pin whose force leaves [0, ∂f/∂a] by most, its d put to the side where the loss falls; −1 if none does.
int set_slopes(const Chain& chain, const Loss& kind, const std::vector<Pin>& pins, const Vector& force,
               double tolerance, LiftedSamples& samples) {
  int worst = -1;
  double most = tolerance;
  for (std::size_t l = samples.layers.size(); l-- > 0;) {  // a slope changes ∂f/∂a of the layers before
    set_adjoint_multipliers(chain, kind, samples);
    LiftedLayer& layer = samples.layers[l];
    for (std::size_t p = 0; p < pins.size(); ++p) {
      if (pins[p].layer != l) continue;
      const double pull = -layer.rho * layer.u[1].data()[pins[p].at];
      const double nu = force[static_cast<Index>(p)];
      double& d = layer.d.data()[pins[p].at];
      d = std::abs(pull) > 1e-300 ? std::clamp(nu / pull, 0.0, 1.0) : 0.0;
      if (std::max(-nu, nu - pull) <= most) continue;
      most = std::max(-nu, nu - pull);
      worst = static_cast<int>(p);
      d = nu > pull ? 1 : 0;
    }
  }
  set_adjoint_multipliers(chain, kind, samples);
  return worst;
}

// argmin gᵀp + ½ pᵀHp with C p = −z:  p = −H⁻¹(g + Cᵀν),  (C H⁻¹Cᵀ) ν = z − C H⁻¹g.
Vector pinned_step(const Eigen::MatrixXd& curvature, const Vector& gradient, const Matrix& slopes, const Vector& z) {
  const Eigen::LLT<Eigen::MatrixXd> factor(curvature);
  const Vector free = factor.solve(gradient);
  if (z.size() == 0) return -free;
  const Eigen::MatrixXd moves = factor.solve(slopes.transpose());
  const Vector force = (slopes * moves).completeOrthogonalDecomposition().solve(z - slopes * free);
  return -free - moves * force;
}

}  // namespace

Polished polish(const Chain& start, const LearningObjective& objective, const MatrixRef& inputs,
                const MatrixRef& targets, int steps, double tolerance, const std::function<bool()>& stopped) {
  double damping = 1e-3;    // relative to the curvature
  double distance = 1e-10;  // of a kink that pins
  bool release = true;
  Polished result{start, lift(start, objective.loss, inputs, targets)};
  for (int step = 0; step <= steps; ++step) {
    Chain& chain = result.chain;
    LiftedSamples& samples = result.samples;
    std::vector<Pin> pins = near_kinks(samples, distance);
    Model model;
    Matrix slopes;
    // With the pins' forces by least squares, let go of pins that only hold the loss up.
    while (true) {
      for (const Pin& pin : pins) samples.layers[pin.layer].d.data()[pin.at] = 0;
      model = model_at(chain, objective, samples);
      if (pins.empty()) break;
      slopes = pin_slopes(chain, samples, pins);
      const Vector force = slopes.transpose().completeOrthogonalDecomposition().solve(-model.gradient);
      const int worst = set_slopes(chain, objective.loss, pins, force, tolerance, samples);
      if (worst < 0 || !release || (stopped && stopped())) break;
      pins.erase(pins.begin() + worst);
    }
    Vector residual = model.gradient;
    Vector z(static_cast<Index>(pins.size()));
    if (!pins.empty()) {
      residual += slopes.transpose() * slopes.transpose().completeOrthogonalDecomposition().solve(-model.gradient);
      for (std::size_t p = 0; p < pins.size(); ++p)
        z[static_cast<Index>(p)] = samples.layers[pins[p].layer].z.data()[pins[p].at];
    } else {
      slopes.resize(0, residual.size());
    }
    if (step == steps || (stopped && stopped()) || residual.cwiseAbs().maxCoeff() <= tolerance) break;

    const double scale = model.curvature.diagonal().mean();
    bool better = false;
    while (!better && damping < 1e8) {
      Eigen::MatrixXd damped = model.curvature;
      damped.diagonal() *= 1 + damping;
      damped.diagonal().array() += 1e-3 * damping * scale + 1e-14;
      Chain next = moved(chain, pinned_step(damped, model.gradient, slopes, z));
      better = true_loss(next, objective, samples) < model.value;
      if (better) chain = std::move(next);
      damping = better ? std::max(damping / 8, 1e-12) : damping * 4;
    }
    if (better) {
      samples = lift(chain, objective.loss, inputs, targets);
      release = true;
      continue;
    }
    // Stuck: at a kink not yet pinned, or just let go of one in vain.
    damping = 1e-3;
    if (distance < 1e-5)
      distance *= 10;
    else if (release)
      release = false;
    else
      break;
  }
  return result;
}

}  // namespace unrect
