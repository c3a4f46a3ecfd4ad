// TH's method: train by the augmented Lagrangian of the lifted problem, every block in closed form.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/lifted/lifted.hpp"

namespace unrect {

struct ExplicitAlEntry {
  int outer = 0;
  double rho = 0;
  double seconds = 0;  // since the start
  KktResiduals residuals;
};

struct ExplicitAlOptions {
  // How (z, d, s±) follow a: jointly over both signs of z (can switch a unit on or off), or (d, s±) first and then z,
  // as the constraints stand. Maths 3.2.
  enum class Blocks { kJoint, kLiteral };

  LearningObjective objective;
  Blocks blocks = Blocks::kJoint;
  bool warm_start = false;
  double rho = 0.01;
  double rho_max = 1;
  double growth = 1.3;
  double tau = 0;
  int sweeps = 1;
  int max_outer = 20;
  int rounds = 8;
  double tolerance = 1e-6;
  double multiplier_bound = 1e4;
  double proximal = 1e-6;
  int polish_steps = 500;
  Index polish_parameters = 2000;
  int log_every = 1;
  std::function<void(const ExplicitAlEntry&, const Chain&)> watch;  // sees every entry of the log and its chain
  Reduce reduce;  // when others hold the other samples; all must then be told the same, by Context::progress too

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    LearningObjective::visit(o.objective, field);
    field(o.blocks, {"blocks", "how (z, d, s±) follow a: joint or literal"});
    field(o.warm_start, {"warm_start", "start from the adjoint multipliers, not from 0; the true loss never rises"});
    field(o.rho, {"rho", "first ρ; 0.005 … 0.02 finds most. Warm: × the loss's curvature in a_l, 1 … 10", above(0)});
    field(o.rho_max, {"rho_max", "largest ρ, at least the first one", above(0)});
    field(o.growth, {"growth", "γ: ρ ← γρ when infeasibility > tau × the one before", at_least(1)});
    field(o.tau, {"tau", "0: ρ grows every time (a homotopy); ALGENCAN: 0.5", at_least(0)});
    field(o.sweeps, {"sweeps", "over all blocks between two updates of the multipliers", at_least(1)});
    field(o.max_outer, {"max_outer", "updates of the multipliers, a round", at_least(0)});
    field(o.rounds, {"rounds", "homotopies, each from the best chain so far with one unit drawn anew", at_least(1)});
    field(o.tolerance, {"tolerance", "converged when the KKT residuals are within", above(0)});
    field(o.multiplier_bound, {"multiplier_bound", "|λ| is clipped here (ALGENCAN's safeguard)", above(0)});
    field(o.proximal, {"proximal", "pull of W̃ to where it was, relative to the Gram matrix's mean diagonal", above(0)});
    field(o.polish_steps, {"polish_steps", "at the end, on the pattern that d was rounded to", at_least(0)});
    field(o.polish_parameters, {"polish_parameters", "no polish for chains of more weights and biases", at_least(0)});
    field(o.log_every, {"log_every", "outer iterations between entries of the log; 0: only the last", at_least(0)});
  }
  /// @throws Error kInvalidArgument naming the field, its value and its range.
  void validate() const;
};
/// "joint", "literal".
std::string_view name_of(ExplicitAlOptions::Blocks blocks);

enum class TrainingStatus { kConverged, kIterationLimit, kDiverged, kCancelled };

struct ExplicitAlResult {
  TrainingStatus status = TrainingStatus::kIterationLimit;
  Chain chain;                       // of the least true loss seen
  std::vector<ExplicitAlEntry> log;  // the start, every log_every-th outer iteration, and `chain` itself (feasible)
};

/// Minimises the augmented Lagrangian over W, A and (Z, D, S±) in turn, layers L … 1, and updates multipliers and ρ as
/// ALGENCAN does (TH; maths 3.2). Ends with d rounded to {0, 1}, Z, A, S± by the forward pass and, for small chains, a
/// polish. Never worse than `start` in true loss; the same bits for any number of threads. A sweep takes about
/// 2N Σ_l [(n_{l−1} + 1)(n_{l−1} + n_l) + n_l n_{l−1} + n_l² + n_l n_{l+1}] operations, an entry of the log a forward
/// and a backward pass. @throws Error kInvalidArgument (shapes, options, NaN in samples), kUnsupported (losses without
/// closed form).
ExplicitAlResult explicit_al(const Chain& start, const MatrixRef& inputs, const MatrixRef& targets,
                             const ExplicitAlOptions& options, const Context& context = {});

/// One update of (Z, D, S±) given A, W̃ and the multipliers, exact for its block; `affine` is [A_prev, 1] W̃ᵀ.
void update_activations(ExplicitAlOptions::Blocks blocks, const Matrix& affine, LiftedLayer& layer);

/// One update of A of ReLU layer l, exact: from the layer after it, or from the loss at a ReLU output.
void update_outputs(const Chain& chain, const Loss& loss, std::size_t l, LiftedSamples& samples);

/// One update of W̃_l over all blocks, exact up to the proximal term.
void update_weights(Chain& chain, const ExplicitAlOptions& options, std::size_t l,
                    const std::vector<LiftedSamples>& blocks, int threads = 1);

}  // namespace unrect
