// A polytope around one of its vertices.
#pragma once

#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// The slacks of all walls, as affine functions of the k slacks that vanish at a vertex: s = s⁰ + W u, u ≥ 0. A walk
/// from vertex to vertex costs O(walls · k) a step, and every row tells about its wall: one without a negative entry
/// is least here. In doubles, for proposals that others prove. Rows are padded to whole lanes with slacks of 1.
class VertexDictionary {
 public:
  static constexpr Index kLanes = 8;
  static constexpr Index kNone = -1;

  /// k columns of `rows` zeros, a multiple of kLanes.
  void reset(Index k, Index rows);

  Index rows() const { return rows_; }
  double& slack(Index row) { return slack_[row]; }
  double slack(Index row) const { return slack_[row]; }
  double* column(Index b) { return columns_.data() + b * rows_; }
  double entry(Index row, Index b) const { return columns_.data()[b * rows_ + row]; }
  /// The wall that column b is about, a row's index.
  Index wall(Index b) const { return walls_[static_cast<std::size_t>(b)]; }
  /// Whether the row's wall passes through the vertex.
  bool vanishes(Index row) const { return far_[row] > 0; }
  /// Column b is about this row's wall from now on. The row's numbers, known without rounding, are put right.
  void set_wall(Index b, Index row);

  /// The column along which a row's slack falls fastest, or kNone.
  Index falling(Index row) const;
  /// The row that comes to 0 first when column b's slack grows, or kNone.
  Index first_hit(Index b);
  /// Goes to the vertex at the other end of edge b, where `row` vanishes.
  void pivot(Index b, Index row);
  /// How much all of u can change, with any signs, before another wall's slack is used up.
  double room();

 private:
  // Entries are rates of one distance against another: one below this is taken for the rounding of a 0, since dividing
  // by it would leave few digits. What the dictionary proposes is proved elsewhere.
  static constexpr double kPivot = 1e-9;

  Index k_ = 0, rows_ = 0;
  Matrix columns_;              // k × rows
  Vector slack_, far_, ratio_;  // far_: ∞ for walls that vanish, else 0
  std::vector<Index> walls_;
};

}  // namespace unrect
