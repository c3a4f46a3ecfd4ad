// What slopes the rest of a network can have above a cell of its partition, rounding included.
#pragma once

#include <vector>

#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/partition/internal/entered_cell.hpp"

namespace unrect {

/// Goes on from the stage that a cell enters, with units as z(t) = C·(t, 1) ± e and ∂z/∂t = C ± R: a unit whose range
/// over the cell lies on one piece hands its form on, any other one takes the middle of its slopes, and what that can
/// be wrong by becomes radius. Sums of n products are off by γ_n Σ|w||c|, which is charged to the radii as well. Layers
/// that are maxima have no such form. Not thread-safe.
class SlopeRanges {
 public:
  /// Both have to outlive it.
  SlopeRanges(const Stages& stages, const Domain& domain);

  /// ∂y/∂t (outputs × k) over all regions in the cell. False where there is a maximum on the way, or an
  /// overflow.
  /// O(weights of the stages above · k + units · vertices · k).
  bool over(const EnteredCell& cell, MatrixRange& slopes);

  /// How far the computed ∂y/∂t of one region can be off, an entry at most: outputs.
  const Vector& output_error() const { return output_error_; }

 private:
  // Rows 0 … k − 1: slopes, row k: the constant (center) and e (radius); a column a unit, padded to whole lanes.
  struct Level {
    Matrix center, radius;
  };
  struct Weights {
    Matrix plain, absolute;  // source size × size (padded): a link's columns, and their moduli
  };

  void start(const EnteredCell& cell);
  void settled(int s, const EnteredCell& cell);
  void sum(int s);
  void activate(int s, const EnteredCell& cell);
  void hand_on(int s, Index unit, double low, double high);

  const Stages* stages_;
  const Domain* domain_;
  Index k_;
  std::vector<StageFilter> filters_;
  std::vector<std::vector<Weights>> weights_;  // by stage and link
  std::vector<int> last_reader_;               // of each stage
  std::vector<Level> level_;                   // first of z, then of a
  Vector reach_;                               // max |t_d|, and 1
  Vector output_error_;
  Matrix inflated_;
  bool overflow_ = false;
  Eigen::Array<double, 1, Eigen::Dynamic> value_, low_, high_;
};

}  // namespace unrect
