// The domain of most tests.
#pragma once

#include "unrect/forms/domain.hpp"

namespace unrect {

/// |t_d| ≤ half for each of k parameters, which are the inputs.
inline Domain cube(Index k, double half = 1) {
  return Domain(Box(Vector::Constant(k, -half), Vector::Constant(k, half)));
}

}  // namespace unrect
