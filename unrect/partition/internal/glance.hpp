// What one look at all forms of a stage at once says about a cell.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "unrect/partition/internal/prepared.hpp"

namespace unrect {

/// Of a rectifier's units (StageForms::is_rectifier), which are known to be above 0 all over the cell, and which to be
/// above or not above: unit i is bit i % 64 of word i / 64. Of other units, bounds of z over the cell, as good as
/// `delta` times their gradients. All else is left open.
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
