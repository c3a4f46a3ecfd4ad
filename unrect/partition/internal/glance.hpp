// What one look at all forms of a stage at once says about a cell.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "unrect/partition/internal/prepared.hpp"

namespace unrect {

/// The answer for all units of a stage. Of a rectifier (StageForms::is_rectifier) `above` holds the units that are
/// known to be above 0 all over the cell, `decided` those and the ones that are known not to be: unit i is bit i % 64
/// of word i / 64. Of other units `low` and `high` bound z over the cell, but for `delta` times their gradients. A unit
/// that neither speaks of is a question to the judge.
struct Glance {
  explicit Glance(const Stages& stages) {
    Index widest = 0;
    for (const Stage& stage : stages.stages) widest = std::max(widest, (stage.size + Forms::kLane - 1) / Forms::kLane);
    widest *= Forms::kLane;
    above.resize(static_cast<std::size_t>(widest) / 64 + 1);
    decided.resize(above.size());
    low.resize(widest);
    high.resize(widest);
  }

  std::vector<std::uint64_t> above, decided;
  Vector low, high;
  double delta = 0;
};

}  // namespace unrect
