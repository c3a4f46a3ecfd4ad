#include "unrect/lifted/lifted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/team.hpp"
#include "unrect/lifted/internal/blocks.hpp"

namespace unrect {
namespace {

constexpr double kAtKink = 1e-6;

void require_shapes(const Chain& chain, const Loss& loss, const MatrixRef& inputs, const MatrixRef& targets) {
  UNRECT_REQUIRE(!chain.layers.empty(), ErrorCode::kInvalidArgument, "a chain without layers; expected at least one");
  for (std::size_t l = 1; l < chain.layers.size(); ++l)
    UNRECT_REQUIRE(chain.layers[l].cols() == chain.layers[l - 1].rows() + 1, ErrorCode::kInvalidArgument,
                   "layer {} has {} columns; expected {} units before it and a bias", l + 1, chain.layers[l].cols(),
                   chain.layers[l - 1].rows());
  UNRECT_REQUIRE(inputs.rows() == targets.rows() && inputs.rows() > 0, ErrorCode::kInvalidArgument,
                 "{} rows of inputs beside {} of targets; expected equally many, at least one", inputs.rows(),
                 targets.rows());
  UNRECT_REQUIRE(inputs.cols() == chain.input_size() && targets.cols() == chain.output_size(),
                 ErrorCode::kInvalidArgument, "samples {} → {} for a chain {} → {}", inputs.cols(), targets.cols(),
                 chain.input_size(), chain.output_size());
  const bool squared = loss.kind == Loss::Kind::kSquared;
  const bool huber = loss.kind == Loss::Kind::kHuber && chain.relu_output;
  UNRECT_REQUIRE(squared || huber, ErrorCode::kUnsupported,
                 "a lifted problem takes the squared loss, or Huber's with a ReLU output; others have no closed form");
}

double largest(const Matrix& matrix) {
  return matrix.size() == 0 ? 0 : matrix.cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
}

// Λᵀ [a_prev, 1].
Matrix outer(const Matrix& adjoint, const Matrix& fed) {
  Matrix result(adjoint.cols(), fed.cols() + 1);
  result.leftCols(fed.cols()).noalias() = adjoint.transpose() * fed;
  result.rightCols(1) = adjoint.colwise().sum().transpose();
  return result;
}

double ridge_term(const Chain& chain, double ridge) {
  double sum = 0;
  for (const Matrix& layer : chain.layers) sum += layer.leftCols(layer.cols() - 1).squaredNorm();
  return ridge / 2 * sum;
}

// ∂f/∂A_L at the split output; adds f to `value`.
Matrix output_gradient(const Chain& chain, const Loss& kind, const LiftedSamples& samples, double& value) {
  const Matrix output = split_output(chain, samples);
  Matrix gradient(output.rows(), output.cols());
  value += loss<double>(kind, output, samples.targets, gradient);
  return gradient;
}

// ∂𝓛/∂W̃_l without the ridge: −λ1ᵀ[a_prev, 1], or ∇fᵀ[a_prev, 1] for an affine last layer.
Matrix weight_gradient(const LiftedSamples& samples, const Matrix& output, std::size_t l) {
  if (l == samples.layers.size()) return outer(output, samples.fed_to(l));
  return outer(-samples.layers[l].rho * samples.layers[l].u[0], samples.fed_to(l));
}

// One block's part of the residuals.
struct Part {
  std::vector<double> sums;    // split f, true f, ambiguous, then all ∂𝓛/∂W̃_l and all ∂(true loss)/∂W̃_l
  std::vector<double> maxima;  // c1 … c4, primal, stationarity, dual, complementarity
};

void append(std::vector<double>& values, const Matrix& matrix) {
  values.insert(values.end(), matrix.data(), matrix.data() + matrix.size());
}

Part part_of(const Chain& chain, const Loss& kind, const LiftedSamples& samples) {
  Part part{{0, 0, 0}, std::vector<double>(8, 0.0)};
  const Matrix output = output_gradient(chain, kind, samples, part.sums[0]);
  double& primal = part.maxima[4];
  double& stationarity = part.maxima[5];
  double& dual = part.maxima[6];
  double& complementarity = part.maxima[7];
  for (std::size_t l = 0; l < samples.layers.size(); ++l) {
    const LiftedLayer& layer = samples.layers[l];
    const std::array<Matrix, 4> c = constraints(chain, samples, l);
    for (std::size_t i = 0; i < 4; ++i) part.maxima[i] = largest_of({part.maxima[i], largest(c[i])});

    // g_A = λ2 − λ1(next) W(next), or with ∇f where the loss looks at a.
    Matrix g = layer.rho * layer.u[1];
    if (l + 1 == chain.layers.size())
      g += output;
    else if (l + 1 == samples.layers.size())
      g += output * chain.layers[l + 1].leftCols(layer.a.cols());
    else
      g -= samples.layers[l + 1].rho * samples.layers[l + 1].u[0] * chain.layers[l + 1].leftCols(layer.a.cols());
    stationarity = largest_of({stationarity, largest(g)});

    for (Index k = 0; k < layer.z.size(); ++k) {
      const double z = layer.z.data()[k];
      const double d = layer.d.data()[k];
      const double s_plus = layer.s_plus.data()[k];
      const double s_minus = layer.s_minus.data()[k];
      const double l1 = layer.rho * layer.u[0].data()[k];
      const double l2 = layer.rho * layer.u[1].data()[k];
      const double l3 = layer.rho * layer.u[2].data()[k];
      const double l4 = layer.rho * layer.u[3].data()[k];
      const double g_z = l1 + d * (l3 - l2) + (1 - d) * l4;
      const double g_d = z * (l3 - l2 - l4);
      primal = largest_of({primal, -d, d - 1, -s_plus, -s_minus});
      stationarity = largest_of({stationarity, std::abs(g_z)});
      dual = largest_of({dual, l3, -l4});  // g_s⁺ = −λ3, g_s⁻ = λ4
      complementarity =
          largest_of({complementarity, std::abs(s_plus * l3), std::abs(s_minus * l4), d * g_d, (d - 1) * g_d});
      part.sums[2] += std::abs(z) < kAtKink && d > 0.01 && d < 0.99;
    }
  }
  primal = largest_of({primal, part.maxima[0], part.maxima[1], part.maxima[2], part.maxima[3]});
  for (std::size_t l = 0; l < chain.layers.size(); ++l) append(part.sums, weight_gradient(samples, output, l));
  const LiftedSamples feasible = lift(chain, kind, samples.inputs, samples.targets);
  const Matrix true_output = output_gradient(chain, kind, feasible, part.sums[1]);
  for (std::size_t l = 0; l < chain.layers.size(); ++l) append(part.sums, weight_gradient(feasible, true_output, l));
  return part;
}

}  // namespace

Matrix affine(const Matrix& layer, const Matrix& fed) {
  Matrix z = layer.rightCols(1).transpose().replicate(fed.rows(), 1);
  z.noalias() += fed * layer.leftCols(fed.cols()).transpose();
  return z;
}

LiftedSamples lift(const Chain& chain, const Loss& kind, const MatrixRef& inputs, const MatrixRef& targets,
                   double rho) {
  require_shapes(chain, kind, inputs, targets);
  LiftedSamples samples{inputs, targets, {}};
  const std::size_t relus = chain.layers.size() - (chain.relu_output ? 0 : 1);
  samples.layers.reserve(relus);  // fed_to() must stay where it is
  for (std::size_t l = 0; l < relus; ++l) {
    LiftedLayer layer;
    layer.z = affine(chain.layers[l], samples.fed_to(l));
    layer.a = layer.z.cwiseMax(0);
    layer.d = (layer.z.array() > 0).cast<double>();
    layer.s_plus = layer.a;
    layer.s_minus = layer.a - layer.z;
    layer.rho = rho;
    samples.layers.push_back(std::move(layer));
  }
  set_adjoint_multipliers(chain, kind, samples);
  return samples;
}

void set_adjoint_multipliers(const Chain& chain, const Loss& kind, LiftedSamples& samples) {
  const std::size_t relus = samples.layers.size();
  double value = 0;
  Matrix adjoint = output_gradient(chain, kind, samples, value);  // ∂f/∂a_l, layer by layer
  if (!chain.relu_output && relus > 0)
    adjoint = (adjoint * chain.layers[relus].leftCols(chain.layers[relus].cols() - 1)).eval();
  for (std::size_t l = relus; l-- > 0;) {
    LiftedLayer& layer = samples.layers[l];
    const Matrix delta = adjoint.cwiseProduct(layer.d);  // Λ_l
    layer.u[0] = -delta / layer.rho;
    layer.u[1] = -adjoint / layer.rho;
    layer.u[2] = (layer.d.array() == 0).select(layer.u[1].array().min(0), 0.0);
    layer.u[3] = (layer.d.array() == 1).select((-layer.u[1].array()).max(0), 0.0);
    if (l > 0) adjoint = delta * chain.layers[l].leftCols(chain.layers[l].cols() - 1);
  }
}

std::array<Matrix, 4> constraints(const Chain& chain, const LiftedSamples& samples, std::size_t l) {
  const LiftedLayer& layer = samples.layers[l];
  const Matrix t = layer.d.cwiseProduct(layer.z);
  return {layer.z - affine(chain.layers[l], samples.fed_to(l)), layer.a - t, t - layer.s_plus,
          layer.z - t + layer.s_minus};
}

Matrix split_output(const Chain& chain, const LiftedSamples& samples) {
  if (chain.relu_output) return samples.layers.back().a;
  return affine(chain.layers.back(), samples.fed_to(samples.layers.size()));
}

double augmented_lagrangian(const Chain& chain, const LearningObjective& objective, const LiftedSamples& samples) {
  double value = ridge_term(chain, objective.ridge);
  output_gradient(chain, objective.loss, samples, value);
  for (std::size_t l = 0; l < samples.layers.size(); ++l) {
    const std::array<Matrix, 4> c = constraints(chain, samples, l);
    for (std::size_t i = 0; i < 4; ++i)
      value += samples.layers[l].rho / 2 * (c[i] + samples.layers[l].u[i]).squaredNorm();
  }
  return value;
}

double KktResiduals::kkt() const { return largest_of({primal, stationarity, dual, complementarity}); }

double KktResiduals::gradient_norm() const {
  double sum = 0;
  for (const double norm : gradient) sum += norm * norm;
  return std::sqrt(sum);
}

KktResiduals kkt_residuals(const Chain& chain, const LearningObjective& objective,
                           const std::vector<LiftedSamples>& blocks, int threads, const Reduce& reduce) {
  std::vector<Part> parts(blocks.size());
  Team(threads).run(static_cast<int>(blocks.size()), [&](int block) {
    const auto i = static_cast<std::size_t>(block);
    parts[i] = part_of(chain, objective.loss, blocks[i]);
  });
  std::vector<Matrix> sums;
  std::vector<double> maxima(parts.front().maxima.size(), 0.0);
  for (const Part& part : parts) {
    sums.push_back(Eigen::Map<const Matrix>(part.sums.data(), 1, static_cast<Index>(part.sums.size())));
    for (std::size_t i = 0; i < maxima.size(); ++i) maxima[i] = largest_of({maxima[i], part.maxima[i]});
  }
  Matrix sum = tree_sum(std::move(sums));
  if (reduce) reduce({sum.data(), static_cast<std::size_t>(sum.size())}, maxima);

  const double ridge = ridge_term(chain, objective.ridge);
  KktResiduals result;
  result.split_loss = sum(0) + ridge;
  result.true_loss = sum(1) + ridge;
  result.ambiguous = static_cast<Index>(sum(2));
  for (std::size_t i = 0; i < 4; ++i) result.violation[i] = maxima[i];
  result.primal = maxima[4];
  result.stationarity = maxima[5];
  result.dual = maxima[6];
  result.complementarity = maxima[7];
  const double* next = sum.data() + 3;
  for (const bool true_loss : {false, true})
    for (const Matrix& layer : chain.layers) {
      Matrix gradient = Eigen::Map<const Matrix>(next, layer.rows(), layer.cols());
      next += layer.size();
      gradient.leftCols(layer.cols() - 1) += objective.ridge * layer.leftCols(layer.cols() - 1);
      if (true_loss)
        result.gradient.push_back(gradient.norm());
      else
        result.stationarity = largest_of({result.stationarity, largest(gradient)});
    }
  return result;
}

}  // namespace unrect
