// One round of a depth-first search: the nodes on top of the stack, expanded by a team in fixed portions.
#pragma once

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "unrect/base/internal/team.hpp"

namespace unrect {

/// How many nodes a round takes at most, and in what portions: the same for any number of threads, so that what a round
/// finds does not depend on it.
struct RoundSize {
  std::size_t portions = 1;
  std::size_t nodes = 1;  // of a portion
};

/// Takes a round's nodes off the stack. expand(k, nodes, out) has portion k's own workspace; the expansions come in the
/// portions' order.
template <class Expansion, class Node, class Expand>
std::vector<Expansion> expand_round(std::vector<Node>& open, RoundSize size, Team& team, const Expand& expand) {
  const std::size_t taken = std::min(open.size(), size.portions * size.nodes);
  const auto first = open.end() - static_cast<std::ptrdiff_t>(taken);
  const std::vector<Node> parents(std::make_move_iterator(first), std::make_move_iterator(open.end()));
  open.erase(first, open.end());
  std::vector<Expansion> expansions((taken + size.nodes - 1) / size.nodes);
  team.run(static_cast<int>(expansions.size()), [&](int k) {
    const std::size_t begin = static_cast<std::size_t>(k) * size.nodes;
    expand(k, std::span(parents).subspan(begin, std::min(size.nodes, taken - begin)),
           expansions[static_cast<std::size_t>(k)]);
  });
  return expansions;
}

}  // namespace unrect
