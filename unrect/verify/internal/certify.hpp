// From how a search went to a proof that the checker accepts.
#pragma once

#include <chrono>

#include "unrect/verify/certificate.hpp"
#include "unrect/verify/internal/search_tree.hpp"

namespace unrect {

/// Appends the proof that no input of the case is unsafe. It follows the tree's halvings and cuts, finds multipliers by
/// linear programs over the referee's own bounds, and goes on by itself, unit by unit or by halving, where these do not
/// yet refute what the search had refuted. Every step is accepted by the referee before it is written.
/// False if the deadline or the budget came first.
bool certify(const Network& network, const Property::Case& one, const SearchTree& tree,
             std::chrono::steady_clock::time_point deadline, Certificate& out);

}  // namespace unrect
