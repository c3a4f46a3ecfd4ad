// Indices into the standard library's containers.
#pragma once

#include <cstddef>

#include "unrect/base/types.hpp"

namespace unrect {

/// The index as the standard library counts.
inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace unrect
