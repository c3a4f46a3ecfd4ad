// What the nodes without a matrix do to float values that stand in memory already.
#pragma once

#include <span>

#include "unrect/network/ops.hpp"
#include "unrect/train/internal/gemm.hpp"

namespace unrect {

/// y = f(x_1, …) of a node that is neither Dense nor Convolution, one sample a row. `y` may be the memory of x_1 where
/// the node is a ReLU.
void pointwise(const OpOf<float>& op, std::span<const FloatRef> inputs, FloatOut y);

}  // namespace unrect
