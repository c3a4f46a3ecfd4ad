#include "unrect/lifted/explicit_al.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/progress_report.hpp"
#include "unrect/base/internal/team.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/internal/blocks.hpp"
#include "unrect/lifted/internal/polish.hpp"
#include "unrect/network/norms.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;
using Blocks = ExplicitAlOptions::Blocks;

constexpr int kPolishBetweenRounds = 40;

// What A_l answers to above it: (weight, Z + U1 − b) of the next layer's c1, or of the squared loss itself.
struct Above {
  double weight = 1;
  Matrix target;
};

Above above(const Chain& chain, const LiftedSamples& samples, std::size_t next) {
  const bool split = next < samples.layers.size();
  Above result{split ? samples.layers[next].rho : 1.0,
               split ? Matrix(samples.layers[next].z + samples.layers[next].u[0]) : samples.targets};
  result.target.rowwise() -= chain.layers[next].rightCols(1).transpose().row(0);
  return result;
}

// ρ_{l+1} W_{l+1}ᵀ W_{l+1} + ρ_l I.
Eigen::LLT<Eigen::MatrixXd> output_factor(const Chain& chain, const LiftedSamples& samples, std::size_t l) {
  const bool split = l + 1 < samples.layers.size();
  const Index units = chain.layers[l].rows();
  Eigen::MatrixXd normal = Eigen::MatrixXd::Identity(units, units) * samples.layers[l].rho;
  normal.selfadjointView<Eigen::Lower>().rankUpdate(chain.layers[l + 1].leftCols(units).transpose(),
                                                    split ? samples.layers[l + 1].rho : 1.0);
  return normal.llt();
}

void solve_outputs(const Chain& chain, const Eigen::LLT<Eigen::MatrixXd>& factor, std::size_t l,
                   LiftedSamples& samples) {
  LiftedLayer& layer = samples.layers[l];
  const Above next = above(chain, samples, l + 1);
  layer.a = layer.rho * (layer.d.cwiseProduct(layer.z) - layer.u[1]);
  layer.a.noalias() += next.weight * next.target * chain.layers[l + 1].leftCols(layer.a.cols());
  Eigen::Map<Eigen::MatrixXd> transposed(layer.a.data(), layer.a.cols(), layer.a.rows());
  factor.solveInPlace(transposed);
}

// argmin f(a, x) + ρ/2 (a − q)², entry by entry.
void loss_outputs(const Loss& loss, const Matrix& targets, LiftedLayer& layer) {
  const double rho = layer.rho;
  const Matrix q = layer.d.cwiseProduct(layer.z) - layer.u[1];
  const Matrix e = q - targets;
  layer.a = targets + e * (rho / (1 + rho));
  if (loss.kind == Loss::Kind::kHuber) {  // past delta the loss pulls with delta
    const double edge = loss.delta * (1 + rho) / rho;
    for (Index k = 0; k < q.size(); ++k)
      if (std::abs(e.data()[k]) > edge) layer.a.data()[k] = q.data()[k] - std::copysign(loss.delta / rho, e.data()[k]);
  }
}

// (z, d, s±) over both sign cones, u3 = u4 = 0:  t = v − u1, q = a + u2,  z₊ = max(0, (t + q)/2), z₋ = min(0, t); costs
// (z₊ − t)² + (q − z₊)² and (z₋ − t)² + q². The multipliers of c3 and c4, which then hold exactly, follow from λ2.
void joint_block(const Matrix& affine, LiftedLayer& layer) {
  for (Index k = 0; k < affine.size(); ++k) {
    const double u2 = layer.u[1].data()[k];
    const double t = affine.data()[k] - layer.u[0].data()[k];
    const double q = layer.a.data()[k] + u2;
    const double on = std::max(0.0, (t + q) / 2);
    const double off = std::min(0.0, t);
    const double cost_on = (on - t) * (on - t) + (q - on) * (q - on);
    const double cost_off = (off - t) * (off - t) + q * q;
    const double z = cost_on < cost_off ? on : off;
    layer.z.data()[k] = z;
    layer.d.data()[k] = z > 0 ? 1 : 0;
    layer.s_plus.data()[k] = std::max(0.0, z);
    layer.s_minus.data()[k] = std::max(0.0, -z);
    layer.u[2].data()[k] = z > 0 ? 0 : std::min(0.0, u2);
    layer.u[3].data()[k] = z > 0 ? std::max(0.0, -u2) : 0;
  }
}

// (d, s±) given z, in t = d z:  p = a + u2,  t* = max(p, (p − u3)/2, (p + z + u4)/2, (p − u3 + z + u4)/3) clipped
// between 0 and z,  s⁺ = max(0, t + u3), s⁻ = max(0, −(z − t + u4)).  Then z given them.
void literal_blocks(const Matrix& affine, LiftedLayer& layer) {
  for (Index k = 0; k < affine.size(); ++k) {
    const double u1 = layer.u[0].data()[k];
    const double u2 = layer.u[1].data()[k];
    const double u3 = layer.u[2].data()[k];
    const double u4 = layer.u[3].data()[k];
    double& z = layer.z.data()[k];
    double& d = layer.d.data()[k];
    const double p = layer.a.data()[k] + u2;
    const double free = std::max(std::max(p, (p - u3) / 2), std::max((p + z + u4) / 2, (p - u3 + z + u4) / 3));
    if (std::abs(z) > 1e-12) d = std::clamp(free, std::min(0.0, z), std::max(0.0, z)) / z;
    const double t = d * z;
    const double s_plus = layer.s_plus.data()[k] = std::max(0.0, t + u3);
    const double s_minus = layer.s_minus.data()[k] = std::max(0.0, -(z - t + u4));
    z = (affine.data()[k] - u1 + d * (p + s_plus - u3) - (1 - d) * (s_minus + u4)) /
        (1 + 2 * d * d + (1 - d) * (1 - d));
  }
}

// [Gram | right side] of the least squares in W̃_l: ÃᵀÃ and Ãᵀ(Z + U1), or ÃᵀX for an affine last layer.
Matrix normal_equations(const LiftedSamples& samples, std::size_t l) {
  const Matrix& fed = samples.fed_to(l);
  const bool split = l < samples.layers.size();
  const Index units = split ? samples.layers[l].z.cols() : samples.targets.cols();
  Matrix both(fed.rows(), fed.cols() + 1 + units);  // [Ã, target]
  both.leftCols(fed.cols()) = fed;
  both.col(fed.cols()).setOnes();
  if (split)
    both.rightCols(units) = samples.layers[l].z + samples.layers[l].u[0];
  else
    both.rightCols(units) = samples.targets;
  Matrix result(fed.cols() + 1, both.cols());
  result.noalias() = both.leftCols(fed.cols() + 1).transpose() * both;
  return result;
}

// W̃ᵀ = (G + diag(r/ρ, …, r/ρ, 0) + πI)⁻¹ (R + π W̃_oldᵀ).
void solve_weights(Matrix equations, double ridge, double proximal, Matrix& layer) {
  const Index fed = equations.rows();
  const double pull = proximal * equations.leftCols(fed).diagonal().mean() + 1e-300;
  Eigen::MatrixXd gram = equations.leftCols(fed);
  gram.diagonal().array() += pull;
  gram.diagonal().head(fed - 1).array() += ridge;
  const Eigen::MatrixXd right = equations.rightCols(layer.rows()) + pull * layer.transpose();
  layer = gram.llt().solve(right).transpose();
}

// λ = ρu stays.
void set_penalty(double rho, LiftedLayer& layer) {
  for (Matrix& u : layer.u) u *= layer.rho / rho;
  layer.rho = rho;
}

// A bound on the loss's curvature in a_l: 1 at the output, Π_{k > l} ‖W_k‖₂² before it.
std::vector<double> loss_curvature(const Chain& chain) {
  std::vector<double> curvature(chain.layers.size(), 1.0);
  for (std::size_t l = curvature.size() - 1; l-- > 0;) {
    const double norm = spectral_norm(chain.layers[l + 1].leftCols(chain.layers[l].rows()));
    curvature[l] = std::max(1e-6, curvature[l + 1] * norm * norm);
  }
  return curvature;
}

class Solver {
 public:
  Solver(const Chain& start, const MatrixRef& inputs, const MatrixRef& targets, const ExplicitAlOptions& options,
         const Context& context)
      : options_(options), context_(context), chain_(start), rho_(options.rho), inputs_(inputs), targets_(targets) {
    const std::vector<Index> starts = block_starts(inputs.rows());
    blocks_.resize(starts.size() - 1);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].inputs = inputs.middleRows(starts[i], starts[i + 1] - starts[i]);
      blocks_[i].targets = targets.middleRows(starts[i], starts[i + 1] - starts[i]);
    }
    result_.chain = start;
    best_.true_loss = std::numeric_limits<double>::infinity();
  }

  ExplicitAlResult run() {
    for (round_ = 0; round_ < options_.rounds && !done_; ++round_) {
      if (round_ > 0) redraw_a_unit();
      lift_blocks(chain_, options_.rho);
      if (!options_.warm_start) forget_multipliers();
      if (round_ == 0) note(0);
      descend();
      if (result_.status == TrainingStatus::kDiverged) break;
      round_off(std::min(options_.polish_steps, kPolishBetweenRounds));
    }
    finish();
    return std::move(result_);
  }

 private:
  // Multipliers and ρ, until nothing is left to do.
  void descend() {
    std::vector<double> history = {0};  // infeasibilities since the constraints last held
    for (int outer = 1; outer <= options_.max_outer && !done_; ++outer) {
      for (int sweep = 0; sweep < options_.sweeps; ++sweep) sweep_layers();
      const double infeasibility = update_multipliers();
      if (!std::isfinite(infeasibility)) {
        result_.status = TrainingStatus::kDiverged;
        return;
      }
      // An entry that settles on neither side of its ReLU would drive its multipliers up with ρ: round d and go on.
      const bool stuck = options_.warm_start && history.size() > 4 && infeasibility > history.end()[-4] / 2;
      if (stuck) lift_blocks(chain_, rho_);
      const int number = outer_ = round_ * options_.max_outer + outer;
      if (options_.warm_start || (options_.log_every > 0 && number % options_.log_every == 0)) note(number);
      if (infeasibility > options_.tau * history.back())
        scale_penalty(std::clamp(options_.rho_max / rho_, 1.0, options_.growth));
      if (stuck)
        history = {0};
      else
        history.push_back(infeasibility);
      report(number);
    }
  }

  void sweep_layers() {
    for (std::size_t l = chain_.layers.size(); l-- > 0;) {
      if (l < blocks_.front().layers.size()) {
        const bool last = l + 1 == chain_.layers.size();
        Eigen::LLT<Eigen::MatrixXd> factor;
        if (!last) factor = output_factor(chain_, blocks_.front(), l);
        Team(context_.threads).run(static_cast<int>(blocks_.size()), [&](int block) {
          LiftedSamples& samples = blocks_[static_cast<std::size_t>(block)];
          if (last)
            loss_outputs(options_.objective.loss, samples.targets, samples.layers[l]);
          else
            solve_outputs(chain_, factor, l, samples);
          update_activations(options_.blocks, affine(chain_.layers[l], samples.fed_to(l)), samples.layers[l]);
        });
      }
      update_weights(chain_, options_, l, blocks_, context_.threads);
    }
  }

  // u_i += c_i with |ρu| ≤ the bound; the largest |c_i|.
  double update_multipliers() {
    std::vector<double> worst(blocks_.size(), 0.0);
    Team(context_.threads).run(static_cast<int>(blocks_.size()), [&](int block) {
      const auto i = static_cast<std::size_t>(block);
      for (std::size_t l = 0; l < blocks_[i].layers.size(); ++l) {
        LiftedLayer& layer = blocks_[i].layers[l];
        const double bound = options_.multiplier_bound / layer.rho;
        const std::array<Matrix, 4> c = constraints(chain_, blocks_[i], l);
        for (std::size_t k = 0; k < 4; ++k) {
          const double most = c[k].size() == 0 ? 0 : c[k].cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
          worst[i] = largest_of({worst[i], most});
          layer.u[k] = (layer.u[k] + c[k]).cwiseMax(-bound).cwiseMin(bound);
        }
      }
    });
    std::vector<double> most = {0};
    for (const double value : worst) most[0] = largest_of({most[0], value});
    if (options_.reduce) options_.reduce({}, most);
    return most[0];
  }

  void scale_penalty(double factor) {
    rho_ *= factor;
    for (LiftedSamples& samples : blocks_)
      for (LiftedLayer& layer : samples.layers) set_penalty(factor * layer.rho, layer);
  }

  // A warm start must not lose what it was given: what raises the true loss is taken back and tried with twice the ρ.
  void note(int outer) {
    KktResiduals residuals = kkt_residuals(chain_, options_.objective, blocks_, context_.threads, options_.reduce);
    if (options_.warm_start && residuals.true_loss > best_.true_loss) {
      chain_ = result_.chain;
      lift_blocks(chain_, 2 * rho_);
      residuals = kkt_residuals(chain_, options_.objective, blocks_, context_.threads, options_.reduce);
    }
    if (options_.log_every > 0) log(outer, residuals);
    if (outer > 0 && !options_.warm_start) return;  // what is logged must not decide where a homotopy goes
    keep_if_best(residuals);
    if (residuals.kkt() <= options_.tolerance) done_ = true;
  }

  // An entry about `chain_`.
  void log(int outer, const KktResiduals& residuals) {
    result_.log.push_back({outer, rho_, seconds(), residuals});
    if (options_.watch) options_.watch(result_.log.back(), chain_);
  }

  void keep_if_best(const KktResiduals& residuals) {
    if (!(residuals.true_loss < best_.true_loss)) return;
    best_ = residuals;
    result_.chain = chain_;
  }

  void report(int outer) {
    const double total = static_cast<double>(options_.rounds) * options_.max_outer;
    if (result_.status == TrainingStatus::kCancelled) return;
    if (!report_.stops({"outer iterations", static_cast<double>(outer), total})) return;
    result_.status = TrainingStatus::kCancelled;
    done_ = true;
  }

  // The best chain with one hidden unit's row drawn anew, as long as the layer's rows are on average: where a homotopy
  // ends is stationary, and from a stationary point alone the next one would hardly move.
  void redraw_a_unit() {
    chain_ = result_.chain;
    if (chain_.layers.size() == 1) return;
    Rng rng = Rng(context_.seed).split(static_cast<std::uint64_t>(round_));
    Matrix& layer = chain_.layers[static_cast<std::size_t>(rng.below(static_cast<Index>(chain_.layers.size()) - 1))];
    const double scale = layer.norm() / std::sqrt(static_cast<double>(layer.size()));
    layer.row(rng.below(layer.rows())) = scale * rng.normal_vector(layer.cols()).transpose();
  }

  // Rounds d, restores the constraints, polishes and keeps the chain if it is the best so far.
  void round_off(int polish_steps) {
    Index parameters = 0;
    for (const Matrix& layer : chain_.layers) parameters += layer.size();
    if (options_.reduce || parameters > options_.polish_parameters) {
      lift_blocks(chain_, rho_);
      keep_if_best(kkt_residuals(chain_, options_.objective, blocks_, context_.threads, options_.reduce));
    } else {
      const auto stopped = [&] {
        report(std::min(round_ + 1, options_.rounds) * options_.max_outer);
        return result_.status == TrainingStatus::kCancelled;
      };
      Polished polished =
          polish(chain_, options_.objective, inputs_, targets_, polish_steps, options_.tolerance, stopped);
      chain_ = std::move(polished.chain);
      keep_if_best(kkt_residuals(chain_, options_.objective, {std::move(polished.samples)}));
    }
  }

  void finish() {
    chain_ = result_.chain;
    best_.true_loss = std::numeric_limits<double>::infinity();
    round_off(options_.polish_steps);
    chain_ = result_.chain;
    log(outer_, best_);
    if (result_.status == TrainingStatus::kIterationLimit && best_.kkt() <= options_.tolerance)
      result_.status = TrainingStatus::kConverged;
  }

  void lift_blocks(const Chain& chain, double rho) {
    rho_ = rho;
    const std::vector<double> curvature =
        options_.warm_start ? loss_curvature(chain) : std::vector<double>(chain.layers.size(), 1.0);
    Team(context_.threads).run(static_cast<int>(blocks_.size()), [&](int block) {
      LiftedSamples& samples = blocks_[static_cast<std::size_t>(block)];
      samples = lift(chain, options_.objective.loss, samples.inputs, samples.targets);
      for (std::size_t l = 0; l < samples.layers.size(); ++l) set_penalty(rho * curvature[l], samples.layers[l]);
    });
  }

  void forget_multipliers() {
    for (LiftedSamples& samples : blocks_)
      for (LiftedLayer& layer : samples.layers)
        for (Matrix& u : layer.u) u.setZero();
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  const ExplicitAlOptions& options_;
  const Context& context_;
  Chain chain_;
  double rho_;
  const MatrixRef& inputs_;
  const MatrixRef& targets_;
  std::vector<LiftedSamples> blocks_;
  int round_ = 0;
  int outer_ = 0;  // the last update of the multipliers
  KktResiduals best_;
  bool done_ = false;
  Clock::time_point began_ = Clock::now();
  ProgressReport report_{context_};
  ExplicitAlResult result_;
};

}  // namespace

std::string_view name_of(Blocks blocks) { return blocks == Blocks::kJoint ? "joint" : "literal"; }

void ExplicitAlOptions::validate() const {
  unrect::validate(*this);
  UNRECT_REQUIRE(rho_max >= rho, ErrorCode::kInvalidArgument, "rho_max is {}; expected at least rho, {}", rho_max, rho);
}

void update_activations(ExplicitAlOptions::Blocks blocks, const Matrix& affine, LiftedLayer& layer) {
  if (blocks == Blocks::kJoint)
    joint_block(affine, layer);
  else
    literal_blocks(affine, layer);
}

void update_outputs(const Chain& chain, const Loss& loss, std::size_t l, LiftedSamples& samples) {
  if (l + 1 == chain.layers.size())
    loss_outputs(loss, samples.targets, samples.layers[l]);
  else
    solve_outputs(chain, output_factor(chain, samples, l), l, samples);
}

void update_weights(Chain& chain, const ExplicitAlOptions& options, std::size_t l,
                    const std::vector<LiftedSamples>& blocks, int threads) {
  std::vector<Matrix> parts(blocks.size());
  Team(threads).run(static_cast<int>(blocks.size()), [&](int block) {
    const auto i = static_cast<std::size_t>(block);
    parts[i] = normal_equations(blocks[i], l);
  });
  Matrix equations = tree_sum(std::move(parts));
  if (options.reduce) options.reduce({equations.data(), static_cast<std::size_t>(equations.size())}, {});
  const bool split = l < blocks.front().layers.size();
  solve_weights(std::move(equations), options.objective.ridge / (split ? blocks.front().layers[l].rho : 1.0),
                options.proximal, chain.layers[l]);
}

ExplicitAlResult explicit_al(const Chain& start, const MatrixRef& inputs, const MatrixRef& targets,
                             const ExplicitAlOptions& options, const Context& context) {
  options.validate();
  UNRECT_REQUIRE(inputs.allFinite() && targets.allFinite(), ErrorCode::kInvalidArgument,
                 "samples hold a NaN or an infinity; expected finite numbers");
  return Solver(start, inputs, targets, options, context).run();
}

}  // namespace unrect
