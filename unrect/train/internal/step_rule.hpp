// How a mean gradient becomes a change of weights: momentum, Adam, and the layer's own metric (FeasibleAl).
#pragma once

#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "unrect/train/internal/model.hpp"

namespace unrect {

/// Some rows of one layer: what one task of a step works on. A step's arithmetic is a function of its chunks alone.
struct Chunk {
  int layer = 0;
  Index begin = 0, rows = 0;
};
std::vector<Chunk> chunks_of(const Model& model);

/// Named parts of a rule's state, each laid out as the weights, for checkpoints and for ranks.
using RuleState = std::map<std::string, std::span<float>>;

/// V ← μV − ηG, W ← W + V (Polyak 1964).
class Momentum {
 public:
  Momentum(const Model& model, double momentum);
  Momentum(const Model&&, double) = delete;  // the model is kept by reference: a temporary would be gone
  void step(const Chunk& chunk, const float* gradient, float* weights, double rate);
  RuleState state() { return {{"velocity", {velocity_.data(), static_cast<std::size_t>(velocity_.size())}}}; }

 private:
  const Model& model_;
  float momentum_;
  FloatVector velocity_;
};

/// Kingma and Ba 2015, Algorithm 1, with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
class Adam {
 public:
  explicit Adam(const Model& model);
  explicit Adam(const Model&&) = delete;
  /// t = 1, 2, … is the number of this step.
  void step(const Chunk& chunk, const float* gradient, float* weights, double rate, Index t);
  RuleState state() {
    return {{"first_moment", {first_.data(), static_cast<std::size_t>(first_.size())}},
            {"second_moment", {second_.data(), static_cast<std::size_t>(second_.size())}}};
  }

 private:
  const Model& model_;
  FloatVector first_, second_;
};

/// The weight block of the feasible augmented Lagrangian (maths 3.3): with the running Gram matrix C_l of the layer's
/// inputs and P_l = (C_l + δ mean(diag C_l) I)⁻¹, S_l = η G_l P_l (for a convolution G_l is the mean over its
/// positions as well); V_l ← μV_l − S_l; W̃_l ← W̃_l + V_l. With a trust region a cubic term gives S_l its length, see
/// scale(); since S_l C_l = η G_l − δ̂ S_l, that costs inner products alone.
class LayerMetric {
 public:
  struct Options {
    double momentum;
    double damping;    // δ > 0; below 0.02 single precision no longer carries it
    double trust = 0;  // κ: largest change of a layer's output by S, relative to the output; 0 for S as it is
  };

  LayerMetric(const Model& model, const Options& options);
  LayerMetric(const Model&&, const Options&) = delete;

  /// Step 3: C ← eC + (1−e) sum/rows with e = min(0.95, 1 − 1/k) for the k-th call; `sum` is laid out as gram_in's.
  void update(int layer, const FloatVector& sum, Index rows, Index k);
  /// tr(W̃ C W̃ᵀ) over the chunk's rows: the mean energy of their outputs. At least 10⁻⁴ tr(C) a row, so that a layer
  /// whose weights are nearly 0 may still move.
  double energy(const Chunk& chunk, const float* weights);
  /// P_l, if backward() should multiply by it while it makes G_l: that is cheaper for few rows, and possible where
  /// nothing else asks for G_l itself. Null otherwise.
  const float* early(int layer, Index rows) const;
  /// Replaces the gradient G by the step S = η G P, and returns tr(S C Sᵀ) over the chunk's rows, how much the step
  /// changes their outputs; at least 10⁻³ tr(S (C + δ̂I) Sᵀ), so that rounding of C does not make it 0. Without a trust
  /// region nobody asks: 0.
  double propose(const Chunk& chunk, float* gradient, double rate);
  /// V ← μV − scale · S, W̃ ← W̃ + V.
  void apply(const Chunk& chunk, const float* step, double scale, float* weights);

  /// δ̂_l = δ mean(diag C_l).
  float shift(int layer);
  bool has_trust_region() const { return options_.trust > 0; }
  /// By what a layer's step is multiplied to minimise −⟨G, S⟩ + ‖S‖³/(3 η κ z) over ‖S‖ ≤ κz, ‖S‖² = tr(S C Sᵀ):
  /// min(κz/dz, √(κz/dz)) with z² = energy, dz² = change, κ = share · trust; 1 where S changes nothing. The share falls
  /// with the rate: where noise fills the trust region, its radius alone says how far weights wander.
  double scale(double change, double energy, double share) const;

  FloatOut gram_in(float* grams, int layer) const;
  Index gram_size() const { return gram_offsets_.back(); }
  const std::vector<Index>& gram_offsets() const { return gram_offsets_; }
  RuleState state() { return {{"velocity", {velocity_.data(), static_cast<std::size_t>(velocity_.size())}}}; }
  /// All C_l and all P_l, laid out by gram_offsets: what ranks tell each other and checkpoints keep.
  FloatVector& grams() { return grams_; }
  FloatVector& inverses() { return inverses_; }

 private:
  const Model& model_;
  Options options_;
  FloatVector velocity_;
  std::vector<Index> gram_offsets_;
  FloatVector grams_, inverses_;
  std::vector<float> per_position_;  // 1 over the positions that a layer's gradient is a sum over
};

}  // namespace unrect
