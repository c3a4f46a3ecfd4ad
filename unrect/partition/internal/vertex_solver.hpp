// The point where walls meet, solved for in double, with a bound of how far it is off.
#pragma once

#include <vector>

#include "unrect/base/types.hpp"
#include "unrect/partition/internal/doubt.hpp"

namespace unrect {

/// A workspace for vertices of k dimensions, on k walls or more.
class VertexSolver {
 public:
  /// size: Prepared::size().
  VertexSolver(Index k, double size) : k_(k), size_(size), point_(k), residual_(k), inverse_(k, k) {}

  /// Begins with a vertex on so many walls. The caller then puts each wall's form into form(i) and sets its doubt.
  void begin(Index walls);
  double* form(Index i) { return system_.data() + i * (k_ + 1); }
  void set_doubt(Index i, const Doubt& doubt);

  /// Before solve(): a point near the vertex, set by the caller. Afterwards: the vertex.
  Vector& point() { return point_; }
  /// The most that point() is off by in any coordinate; ∞ if that is not known. O(walls · k²).
  double solve();

 private:
  bool choose_and_invert();
  void improve();
  double bound() const;

  Index k_;
  double size_;
  Index walls_ = 0;
  Matrix system_;            // walls × (k + 1)
  Vector error_, gradient_;  // of each wall: its doubt
  Vector point_;
  Vector residual_;            // the forms at point_
  Matrix inverse_;             // of the first k walls' normals
  Matrix work_;                // of the elimination: the normals, and what becomes of the identity
  std::vector<Index> column_;  // that was eliminated in each of its steps
};

}  // namespace unrect
