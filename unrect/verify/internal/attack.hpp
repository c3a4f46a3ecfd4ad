// Looks for a witness: many points at once, each climbing towards the nearest unsafe set.
#pragma once

#include <optional>

#include "unrect/base/rng.hpp"
#include "unrect/verify/internal/query.hpp"

namespace unrect {

/// Projected gradient ascent of the depth max_p min_row (h − g·M(x)) over the box, all points in one product.
class Attack {
 public:
  /// Both have to outlive it.
  Attack(const BoundGraph& graph, const Query& query) : graph_(&graph), query_(&query) {}

  struct Best {
    Vector point;
    double depth;  // in double; ≥ 0: unsafe, up to rounding
  };
  /// The deepest of the points on the ways of all starts (one a row) after so many steps of `stride` times the box's
  /// width, falling tenfold; stops at the first that is deeper than `enough`.
  Best climb(Matrix starts, int steps, double stride, double enough) const;
  /// Uniform points of the box; the first is its middle.
  Matrix starts(Index count, Rng& rng) const;
  /// Depth of each row.
  Vector depths(const Matrix& points) const;
  /// M of each row, in double; `values`: z of every stage, too.
  Matrix outputs(const Matrix& points, std::vector<Matrix>* values = nullptr) const;

 private:
  const BoundGraph* graph_;
  const Query* query_;
};

}  // namespace unrect
