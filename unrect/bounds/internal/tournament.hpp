// Maxima as sums of rectifiers.
#pragma once

#include "unrect/forms/stages.hpp"

namespace unrect {

/// The same function without a maximum: max(a, b) = a + relu(b − a), in pairs and pairs of pairs, whose coefficients
/// are 1 and −1. What splits units then splits maxima, too. For bounds only: layers, tiles and configurations are left
/// out.
Stages without_maxima(const Stages& stages);

}  // namespace unrect
