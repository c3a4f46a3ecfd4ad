// Difference quotients.
#pragma once

#include <functional>

#include "unrect/base/types.hpp"

namespace unrect {

/// ∂value/∂block by central differences: for a polynomial of degree two exact, but for rounding. value() reads the
/// block.
inline Matrix slopes(Matrix& block, const std::function<double()>& value) {
  Matrix result(block.rows(), block.cols());
  for (Index k = 0; k < block.size(); ++k) {
    const double kept = block.data()[k];
    block.data()[k] = kept + 1e-4;
    const double up = value();
    block.data()[k] = kept - 1e-4;
    result.data()[k] = (up - value()) / 2e-4;
    block.data()[k] = kept;
  }
  return result;
}

}  // namespace unrect
