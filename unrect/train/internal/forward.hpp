// A network in float, forward alone and one input at a time, as fast as one thread can.
#pragma once

#include <memory>

#include "unrect/network/network.hpp"
#include "unrect/train/internal/gemm.hpp"

namespace unrect {

/// M(x) without what training needs besides: convolutions see pixels of channels, the sums and ReLUs behind them are
/// done while their results are at hand, and memory is used again once its value has been read. Matrices, and
/// convolutions that mix no pixels, multiply in float32 in any case. Everything is laid out when it is made.
class Forward {
 public:
  /// In bfloat16 pixels are rounded to 8 bits between convolutions, too.
  explicit Forward(const Network& network, Products products = Products::kFloat32);
  ~Forward();
  Forward(Forward&&) noexcept;

  /// Valid until the next call. @throws Error kInvalidArgument for another number of inputs.
  const FloatVector& operator()(const VectorRefOf<float>& x);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unrect
