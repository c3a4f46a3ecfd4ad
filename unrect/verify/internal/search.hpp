// What every search for an answer is given, and what it says.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "unrect/base/context.hpp"
#include "unrect/verify/internal/attack.hpp"
#include "unrect/verify/internal/search_tree.hpp"

namespace unrect {

/// One query on one network; all that it refers to outlives it.
struct SearchTask {
  /// Is told the deepest points of each round and how deep they seemed to be, between rounds, in an order that does not
  /// depend on threads. Nothing: the search is over. A number ≥ 0: the query's rows have grown by as much at least
  /// (Query::raise_bar), and the search goes on about what is unsafe now.
  using Take = std::function<std::optional<double>(const VectorRef& point, double depth)>;

  const BoundGraph& graph;
  const Query& query;
  const Attack& attack;
  const Context& context;
  std::chrono::steady_clock::time_point deadline;
  Take take;
  bool worst_first = false;  // the open node with the lowest bound is next: the gap closes soonest. Else depth first
  std::uint64_t most_nodes = std::numeric_limits<std::uint64_t>::max();  // to be bounded, a polytope
  SearchTree* tree = nullptr;  // where to record how it went, for a certificate
};

struct SearchOutcome {
  enum class Kind {
    kRefuted,    // no input of the domain: every node was refuted
    kTaken,      // `take` has ended it
    kTime,       // the deadline came first
    kNodes,      // most_nodes came first
    kCancelled,  // the caller asked to stop
    kStuck,      // what is left could not be decided
  };
  Kind kind = Kind::kStuck;
  std::uint64_t nodes = 0;  // bounded
  double gap = 0;           // how far below zero the lowest bound of an open node is; ∞ where nothing bounds it
  std::string reason;       // of kStuck
};

/// Where bounds in doubles say nothing.
inline SearchOutcome overflows() {
  return {SearchOutcome::Kind::kStuck, 1, std::numeric_limits<double>::infinity(),
          "values can overflow over the domain; expected smaller weights or a smaller domain"};
}

}  // namespace unrect
