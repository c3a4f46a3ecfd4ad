// One round of a depth-first search: the nodes on top of the stack, expanded by a team in fixed portions.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
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

/// After the query's rows have grown: every node's value with them, rounded down. Nodes above zero are refuted; their
/// share of the domain.
template <class Node>
double raise_values(std::vector<Node>& nodes, double rise) {
  double closed = 0;
  std::erase_if(nodes, [&](Node& node) {
    node.value = std::nextafter(node.value + rise, -std::numeric_limits<double>::infinity());
    if (node.value > 0) closed += node.share;
    return node.value > 0;
  });
  return closed;
}

/// Puts new nodes with the open ones: on top, or where their values belong if the worst one is to be on top.
/// Beyond so many nodes memory counts more, and the search goes deep.
template <class Node>
void push_nodes(std::vector<Node>& open, std::vector<Node>&& nodes, bool worst_first) {
  constexpr std::size_t kMostSorted = 20'000;
  const auto middle = static_cast<std::ptrdiff_t>(open.size());
  std::ranges::move(nodes, std::back_inserter(open));
  if (!worst_first || open.size() > kMostSorted) return;
  const auto better = [](const Node& a, const Node& b) { return a.value > b.value; };
  std::stable_sort(open.begin() + middle, open.end(), better);
  if (std::is_sorted(open.begin(), open.begin() + middle, better)) {
    std::inplace_merge(open.begin(), open.begin() + middle, open.end(), better);
  } else {
    std::stable_sort(open.begin(), open.end(), better);
  }
}

}  // namespace unrect
