// The linear program over a cell of half-spaces.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "unrect/partition/internal/halfspace_sides.hpp"
#include "unrect/polytope/dense_lp.hpp"

namespace unrect {

/// A DenseLp whose rows are a cell's sides, in their order. Cells that follow each other share the first sides: those
/// rows stay.
class CellProgram {
 public:
  /// The walls must outlive this.
  explicit CellProgram(const HalfspaceWalls& walls) : walls_(walls) {}

  /// Starts afresh on a box.
  void reset(const Box& box);
  /// Makes the cell's sides the rows.
  void follow(const HalfspaceCell& cell);
  DenseLp& lp() { return *lp_; }

  /// Whether the multipliers of min cost · t on the cell, followed before, prove that cost · t + constant ≥ 0 all over
  /// it, if that is wrong by at most `error`; all errors of the walls are charged. The sides with a multiplier are in
  /// `used` afterwards, whether they prove it or not.
  bool proves(const HalfspaceCell& cell, const LpResult& result, double constant, double error,
              std::vector<HalfspaceCell::Side>& used) const;

 private:
  const HalfspaceWalls& walls_;
  std::unique_ptr<DenseLp> lp_;
  std::vector<std::uint64_t> rows_;  // what each row is: the cut's serial · 2 + (sign > 0)
  Vector normal_;
};

}  // namespace unrect
