// One group of samples through a network in float: forward, backward, Gram matrices. Everything is allocated once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "unrect/train/internal/model.hpp"

namespace unrect {

/// Outputs of a layer a sample: the positions of a convolution, 1 of a matrix.
Index positions_of(const Model& model, int layer);
/// Rows a sample in a layer's Gram matrix: the patches that a convolution looks at, 1 of a matrix.
Index gram_rows_of(const Model& model, int layer);

/// Holds every node's value and its cotangent for `rows` samples. A ReLU shares its input's memory.
class Pass {
 public:
  Pass(const Model& model, Index rows, bool bfloat16 = false);
  Pass(const Model&&, Index, bool = false) = delete;  // the model is kept by reference: a temporary would be gone
  ~Pass();
  Pass(Pass&&) noexcept;

  Index rows() const { return rows_; }
  /// Sets the network's input to these rows of `inputs`.
  void load(const FloatRef& inputs, std::span<const Index> rows);
  /// Sets it to the rows from `begin` on, and returns how many these are: where they end, the last one fills up.
  Index load(const FloatRef& inputs, Index begin);
  /// Y = M(X) with the layers' weights taken from `weights`; valid until the next call.
  FloatRef forward(const float* weights);
  /// Where ∂f/∂Y is to be put before backward().
  FloatOut output_cotangent();
  /// G_l = Λ_lᵀ Ã_{l−1} for every layer, sums over the rows, into `gradients` (laid out as the weights): step 2 of the
  /// feasible augmented Lagrangian (maths 3.3), which is back-propagation.
  /// A layer l with a matrix metric[l] (cols × cols, null for none) gets G_l metric[l] = Λ_lᵀ (Ã_{l−1} metric[l])
  /// instead, which is cheaper than the product afterwards where there are fewer rows than outputs.
  void backward(const float* weights, float* gradients, const std::vector<const float*>& metric = {});
  /// d/dt M(X; W + t·direction) at t = 0, after forward(weights); takes the cotangents' place, valid until the next
  /// call. @throws Error kUnsupported for a node that is neither a matrix nor a ReLU.
  FloatRef tangent(const float* weights, const float* direction);
  /// C_l = Ã_{l−1}ᵀ Ã_{l−1} of a layer, its sum over the rows (of a convolution: over a sample of its patches), into
  /// `gram` (cols × cols).
  void gram(int layer, FloatOut gram) const;
  /// Value of a node, rows × size, after forward().
  FloatRef value(int node) const;

 private:
  struct State;
  Index rows_;
  std::unique_ptr<State> state_;
};

}  // namespace unrect
