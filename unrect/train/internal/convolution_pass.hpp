// A convolution's part of a Pass: forward, both backward products and the Gram matrix of its patches, through oneDNN.
#pragma once

#include <memory>

#include "unrect/network/ops.hpp"
#include "unrect/train/internal/gemm.hpp"

namespace unrect {

/// For a fixed number of samples. Values are rows of (channels, height, width) with a row stride of padded(size + 1);
/// weights are [K, b], out_channels × (channels · kh · kw + 1), with a row stride of padded(cols).
class ConvolutionPass {
 public:
  // At most so many patches a sample go into a Gram matrix: enough for a few hundred columns from one mini-batch.
  static constexpr Index kPatchesPerSample = 128;

  enum class Weights { kTrained, kFixed };  // fixed ones are the same at every call

  ConvolutionPass(const Window& window, Index out_channels, Index rows, Weights weights, Products products);
  ~ConvolutionPass();

  /// forward() comes first; the backward products expect the x that it was given to be unchanged.
  void forward(const FloatRef& x, const FloatRef& weights, FloatOut y);
  /// ∂f/∂[K, b], a sum over samples and positions; added to `gradient` if `add`.
  void backward_weights(const FloatRef& x, const FloatRef& cotangent, FloatOut gradient, bool add);
  void backward_data(const FloatRef& cotangent, const FloatRef& weights, FloatOut into, bool add);
  /// Σ p pᵀ over patches p = [im2col(x), 1], evenly spread over the positions.
  void gram(const FloatRef& x, const FloatOut& gram);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unrect
