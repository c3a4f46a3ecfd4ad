// What every search for an answer is given, and what it says.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "unrect/base/context.hpp"
#include "unrect/verify/internal/attack.hpp"
#include "unrect/verify/internal/search_tree.hpp"
#include "unrect/verify/internal/witness_judge.hpp"

namespace unrect {

/// One query on one network; all that it refers to outlives it.
struct SearchTask {
  const BoundGraph& graph;
  const Query& query;
  const Attack& attack;
  const WitnessJudge& judge;
  const Context& context;
  std::chrono::steady_clock::time_point deadline;
  SearchTree* tree = nullptr;  // where to record how it went, for a certificate
};

struct SearchOutcome {
  enum class Kind {
    kRefuted,    // no input of the domain: every node was refuted
    kWitness,    // one that holds in exact arithmetic
    kTime,       // the deadline came first
    kCancelled,  // the caller asked to stop
    kStuck,      // what is left could not be decided
  };
  Kind kind = Kind::kStuck;
  std::optional<Witness> witness;
  std::uint64_t nodes = 0;  // bounded
  double gap = 0;           // how far below zero the lowest bound of an open node is
  std::string reason;       // of kStuck
};

/// Where bounds in doubles say nothing.
inline SearchOutcome overflows() {
  return {SearchOutcome::Kind::kStuck,
          {},
          1,
          0,
          "values can overflow over the domain; expected smaller weights or a smaller domain"};
}

}  // namespace unrect
