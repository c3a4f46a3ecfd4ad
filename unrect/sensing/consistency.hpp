// The last step of a decoder of pictures: what was measured is met.
#pragma once

#include <vector>

#include "unrect/network/network.hpp"

namespace unrect {

/// A decoder's x, m → n, and after it, `rounds` times, x ← min(max(x + Φ⁺(y − Φx), 0), 1): the point nearest to x of
/// all that would give the same measurements, cut to what a pixel can be. Φ: m × n. O(m² n) to build, 2mn a round to
/// run.
/// @throws Error kInvalidArgument for a Φ that does not fit, rounds < 1.
Network consistent(const Network& decoder, const Matrix& phi, int rounds = 1);

/// The nodes of a network that measure by Φ, or go back by Φ⁺: matrices equal to them but for float32's rounding. Not
/// to be trained.
std::vector<int> consistency_nodes(const Network& network, const Matrix& phi);

}  // namespace unrect
