// The weight block of the feasible augmented Lagrangian in two metrics, a layer's inputs' and its outputs', with a
// step length that a model of the loss decides (GaussNewtonAl).
#pragma once

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "unrect/base/internal/team.hpp"
#include "unrect/lifted/loss.hpp"
#include "unrect/train/internal/pass.hpp"
#include "unrect/train/internal/step_rule.hpp"

namespace unrect {

/// D_l = −(H_l + g/π_l I)⁻¹ G_l (C_l + gπ_l I)⁻¹ with g = √(λ + r), π_l = √(mean diag C_l / mean diag H_l) (maths 3.3):
/// C_l is the Gram matrix of the layer's inputs, H_l the curvature that its outputs see, H_L = mean ∂²f/∂y² (Huber's
/// bounded by I) ⊙ the ReLU's pattern, H_l = (W_{l+1}ᵀ H_{l+1} W_{l+1}) ⊙ mean d_l d_lᵀ. The step αD + μV, V the step
/// before, minimises ½‖·‖²_B on the mini-batch, B = Jᵀ(∂²f)J + (λ + r)I exact in these two directions; λ starts
/// at 20 times the mean of mean diag C_l · mean diag H_l over the layers and follows Levenberg and Marquardt's rule.
/// This is Kronecker-factored curvature (Martens and Grosse 2015) with multipliers for sampled gradients. Chains only.
class GaussNewton {
 public:
  /// @throws Error kUnsupported for a network that is no chain or whose matrices share weights.
  GaussNewton(const Model& model, const Loss& loss, double decay);
  GaussNewton(const Model&&, const Loss&, double) = delete;  // the model is kept by reference

  // ---- Curvature. A layer's moments stand one after another: C_l, then its outputs' part of H_l.
  const std::vector<Index>& moment_offsets() const { return offsets_; }
  Index moment_size() const { return offsets_.back(); }
  /// Sums over the rows of a pass after forward(), which gave `outputs`.
  void moments(const Pass& pass, const FloatRef& outputs, const FloatRef& targets, float* into) const;
  /// Running means with e = min(0.95, 1 − 1/k) for the k-th call.
  void update(int layer, const FloatVector& sum, Index rows, Index k);
  /// H_l for these weights, then both inverses of every layer.
  void invert(const float* weights, Team& team);

  // ---- Direction: G → G (C + gπ)⁻¹ for every chunk, then D for every chunk.
  void scale_inputs(const Chunk& chunk, const float* gradient);
  void scale_outputs(const Chunk& chunk);

  // ---- Length.
  /// Σ over the rows of (JD)ᵀB(JD), (JD)ᵀB(JV), (JV)ᵀB(JV), B = ∂²f/∂y²; after forward(weights).
  using Curvatures = std::array<double, 3>;
  Curvatures curvatures(Pass& pass, const FloatRef& outputs, const FloatRef& targets, const float* weights) const;
  /// ⟨G,D⟩, ⟨G,V⟩, ⟨D,D⟩, ⟨D,V⟩, ⟨V,V⟩, then the last three without the biases, which do not decay.
  using Products = std::array<double, 8>;
  Products products(const Chunk& chunk, const float* gradient) const;
  /// α and μ from sums over the batch of n samples; remembers the decrease that they promise.
  void plan(const Curvatures& curvatures, const Products& products, Index n);
  /// V ← αD + μV, W ← W + V.
  void apply(const Chunk& chunk, float* weights);
  /// W as it was before apply(), V ← 0.
  void take_back(const Chunk& chunk, float* weights);
  /// Levenberg and Marquardt's rule for what the step took off the loss of its own batch: a promise kept to a share
  /// above 0.75 makes λ 0.95 times itself, below 0.25 by as much larger; below −0.5 four times as large and the step
  /// is to be taken back: false. At every step, a forward pass: the curvature of a saturated cross-entropy is next to
  /// nothing, and a few steps by it unwatched lead anywhere.
  bool judge(double decrease);

  double alpha() const { return numbers_[kAlpha]; }
  double damping() const { return numbers_[kDamping]; }
  /// What the model without λ says the step takes off f + r/2 ‖W‖².
  double predicted_decrease() const { return numbers_[kPredicted]; }

  RuleState state() { return {{"velocity", {velocity_.data(), static_cast<std::size_t>(velocity_.size())}}}; }
  FloatVector& half() { return half_; }
  FloatVector& direction() { return direction_; }
  FloatVector& moments() { return moments_; }
  FloatVector& inverses() { return inverses_; }
  std::span<double> numbers() { return numbers_; }

 private:
  enum Number { kDamping, kAlpha, kMomentum, kPredicted, kCount };

  FloatOut inputs_in(float* buffer, int layer) const;   // cols × cols
  FloatOut outputs_in(float* buffer, int layer) const;  // rows × rows; 1 × rows where it is a diagonal
  bool diagonal(int layer) const { return layer + 1 == layers() && loss_.kind != Loss::Kind::kCrossEntropy; }
  int layers() const { return static_cast<int>(model_.layers().size()); }
  const Layer& layer(int l) const { return model_.layers()[static_cast<std::size_t>(l)]; }

  const Model& model_;
  Loss loss_;
  double decay_;
  bool relu_output_;
  std::vector<Index> offsets_;
  FloatVector moments_, inverses_;  // laid out by offsets_
  FloatVector half_, direction_, velocity_;
  FloatVector before_;  // W before the last step
  double numbers_[kCount] = {};
};

}  // namespace unrect
