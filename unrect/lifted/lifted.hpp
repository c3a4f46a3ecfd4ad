// Learning with the ReLUs written as equations: the lifted (un-rectified) training problem, its Lagrangian and its KKT
// conditions. "TH" is Tung & Hwang; docs/mathematics.md 3.1 has the whole problem on one page.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "unrect/lifted/chain.hpp"
#include "unrect/lifted/loss.hpp"

namespace unrect {

/// f(A_L, X) + r/2 Σ_l ‖W_l‖²_F, the biases left out of the norm. Lifted, f is squared (any output) or Huber's (ReLU
/// output): the losses whose blocks have a closed form.
struct LearningObjective {
  Loss loss;
  double ridge = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    Loss::visit(o.loss, field);
    field(o.ridge, {"ridge", "r, of r/2 Σ ‖W_l‖² beside the loss", at_least(0)});
  }
};

/// What one ReLU layer adds, all N × n_l (TH; maths 3.1):
///   c1 = z − W̃ [a_prev; 1],  c2 = a − d⊙z,  c3 = d⊙z − s⁺,  c4 = (1 − d)⊙z + s⁻,   d ∈ [0, 1],  s⁺, s⁻ ≥ 0
/// and the scaled multipliers u_i = λ_i / ρ of c_i = 0.
struct LiftedLayer {
  Matrix z, a, d, s_plus, s_minus;
  std::array<Matrix, 4> u;
  double rho = 1;
};

/// The lifted variables of some samples; the weights, shared by all samples, stay in their Chain. `layers` holds one
/// entry for each ReLU layer: an affine last layer is not split.
struct LiftedSamples {
  Matrix inputs, targets;
  std::vector<LiftedLayer> layers;

  /// A_{l−1}, l = 0, 1, …: what layer l (counted from 0) is fed.
  const Matrix& fed_to(std::size_t l) const { return l == 0 ? inputs : layers[l - 1].a; }
};

/// [a_prev, 1] W̃ᵀ.
Matrix affine(const Matrix& layer, const Matrix& fed);

/// The feasible point above a chain: z, a by the forward pass, d = [z > 0], s⁺ = a, s⁻ = a − z (all c_i = 0), with the
/// adjoint multipliers. @throws Error kInvalidArgument for shapes, kUnsupported for the loss.
LiftedSamples lift(const Chain& chain, const Loss& loss, const MatrixRef& inputs, const MatrixRef& targets,
                   double rho = 1);

/// The multipliers that the chain rule gives at a feasible point:
///   Λ_L = ∇f (⊙ d_L behind a ReLU),  Λ_l = (Λ_{l+1} W_{l+1}) ⊙ d_l,   λ1 = −Λ_l,  λ2 = −Λ_{l+1} W_{l+1} (−∇f at the
///   end), λ3 = min(0, λ2) where d = 0,  λ4 = max(0, −λ2) where d = 1,  0 elsewhere
/// There ∇_W of the Lagrangian is the gradient of the true loss, and g_Z = g_A = 0.
void set_adjoint_multipliers(const Chain& chain, const Loss& loss, LiftedSamples& samples);

/// {c1, c2, c3, c4} of ReLU layer l.
std::array<Matrix, 4> constraints(const Chain& chain, const LiftedSamples& samples, std::size_t l);

/// A_L: the last ReLU's a, or the affine last layer's output.
Matrix split_output(const Chain& chain, const LiftedSamples& samples);

/// f + r/2 Σ‖W_l‖² + Σ_l ρ_l/2 Σ_i ‖c_i + u_i‖².
double augmented_lagrangian(const Chain& chain, const LearningObjective& objective, const LiftedSamples& samples);

/// How far a lifted point is from optimal, and the chain from stationary. With the Lagrangian
/// 𝓛 = f + r/2 Σ‖W‖² + Σ ⟨λ_i, c_i⟩ and g_x = ∂𝓛/∂x, all as largest absolute entries:
struct KktResiduals {
  double split_loss = 0;              // f + r/2 Σ‖W‖² at the lifted point
  double true_loss = 0;               // the same at the forward pass with real ReLUs
  std::array<double, 4> violation{};  // max |c_i|
  double primal = 0;                  // max_i max |c_i|, and how far d leaves [0, 1] and s± leave [0, ∞)
  double stationarity = 0;            // g_W, g_Z, g_A
  double dual = 0;                    // max(0, −g_s): the multipliers of s± ≥ 0 have the right sign
  double complementarity = 0;         // s± · g_s;  d · max(0, g_d);  (1 − d) · max(0, −g_d)
  std::vector<double> gradient;       // ‖∇_{W̃_l} true loss‖_F, a layer each
  Index ambiguous = 0;                // units × samples with |z| < 1e-6 and d in (0.01, 0.99)

  double kkt() const;            // the largest of the four residuals, NaN where one is
  double gradient_norm() const;  // √Σ_l ‖∇_{W̃_l}‖²_F
};

/// Replaces sums by sums and maxima by maxima over all who hold samples of the problem: for many machines. Empty: all
/// samples are here.
using Reduce = std::function<void(std::span<double> sums, std::span<double> maxima)>;

/// The residuals of all samples together, given in blocks.
KktResiduals kkt_residuals(const Chain& chain, const LearningObjective& objective,
                           const std::vector<LiftedSamples>& blocks, int threads = 1, const Reduce& reduce = {});

}  // namespace unrect
