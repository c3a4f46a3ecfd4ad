// A walk over regions that looks for a steep one.
#pragma once

#include <functional>
#include <optional>

#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/pattern_cone.hpp"
#include "unrect/network/norms.hpp"

namespace unrect {

/// Tabu search (Glover 1989) over the regions that exist: each step flips one unit, to the steepest pattern in which a
/// linear program finds a point, steeper than the last or not; a unit just flipped stays as it is for some steps. What
/// it finds depends on the seed alone. Graph and cone outlive it. Not thread-safe.
class SteepestWalk {
 public:
  SteepestWalk(UnitGraph& graph, PatternCone& cone, Norm from, Norm to, std::uint64_t seed)
      : graph_(&graph), cone_(&cone), from_(from), to_(to), rng_(seed) {}

  struct Region {
    Pattern pattern;
    Vector point;     // homogeneous, in its interior: exactly
    double norm = 0;  // ‖A‖, in double
  };
  /// The steepest region met on the way from `start` (homogeneous) whose norm is above `above`, if any. The walk ends
  /// after `patience` steps without a new maximum of its own; 0: at the first region without a steeper neighbour. Per
  /// step: the norms of all neighbours, and a linear program for each that is tried.
  std::optional<Region> run(const VectorRef& start, double above, int patience, const std::function<bool()>& stop);

  double norm_of(const Pattern& pattern);

  std::uint64_t norms = 0;  // evaluated

 private:
  UnitGraph* graph_;
  PatternCone* cone_;
  Norm from_, to_;
  Rng rng_;
  UnitGraph::Program program_;
};

}  // namespace unrect
