// Maxima: a cell has one child for each slot that wins somewhere in it.
#pragma once

#include <cstdint>
#include <optional>

#include "unrect/partition/internal/branch.hpp"

namespace unrect {

/// A unit's slots are the numbers that it is the maximum of; the slot that wins is its piece. Where several are the
/// largest, the first of them wins.
template <class Judge>
class Maxima {
  using Cell = typename Judge::Cell;

 public:
  /// The branch must outlive this.
  explicit Maxima(Branch<Judge>& branch) : b_(branch) {}

  /// Decides all units of stage s for which one slot wins all over the cell.
  void classify(int s, const Cell& cell) {
    for (Index unit = 0; unit < b_.prepared.stage(s).units(); ++unit) {
      if (const std::optional<std::uint16_t> slot = winner(s, unit, cell)) {
        b_.forms.decide(s, unit, *slot);
      } else {
        b_.forms.straddle(s, unit);
      }
    }
  }

  /// Calls visit(slot, part) for each slot that wins on a part of the cell with an interior, in their order; the walls
  /// around the part and its memory are taken back after each call. only: no other slot than that one.
  template <class Visit>
  void for_each_winner(int s, Index unit, const Cell& cell, std::optional<std::uint16_t> only, const Visit& visit) {
    const std::size_t walls = b_.walls.size();
    for (Index slot = 0; slot < width(s); ++slot) {
      if (row_of(s, unit, slot) < 0 || (only && slot != *only)) continue;
      const Arena::Mark mark = b_.arena.mark();
      Cell part = cell;
      if (restrict_to(s, unit, slot, part)) visit(static_cast<std::uint16_t>(slot), part);
      b_.walls.drop_to(walls);
      b_.arena.release(mark);
    }
  }

 private:
  Index width(int s) const { return b_.prepared.stage(s).maximum()->width; }
  // The slot's row of z; −1 for one that is not there.
  Index row_of(int s, Index unit, Index slot) const {
    const Maximum& m = *b_.prepared.stage(s).maximum();
    return m.index[static_cast<std::size_t>(unit * m.width + slot)];
  }

  // Whether row a of z is above row b, and below it, somewhere on the cell.
  Signs compare(int s, Index unit, Index a, Index b, const Cell& cell) {
    return b_.judge.signs(cell, b_.questions.between(s, unit, a, b));
  }

  // The slot that wins all over the cell: one that no other beats is found in a first pass, if there is any; whether it
  // is one, a second pass says.
  std::optional<std::uint16_t> winner(int s, Index unit, const Cell& cell) {
    Index best = -1;
    for (Index slot = 0; slot < width(s); ++slot) {
      const Index row = row_of(s, unit, slot);
      if (row < 0) continue;
      if (best < 0 || !compare(s, unit, row, row_of(s, unit, best), cell).below) {
        // The first slot that attains the maximum keeps a tie.
        if (best >= 0 && !compare(s, unit, row, row_of(s, unit, best), cell).above) continue;
        best = slot;
      }
    }
    for (Index slot = 0; slot < width(s); ++slot) {
      const Index row = row_of(s, unit, slot);
      if (row >= 0 && slot != best && compare(s, unit, row, row_of(s, unit, best), cell).above) return {};
    }
    return static_cast<std::uint16_t>(best);
  }

  // Cuts the cell down to the part where `slot` wins; false if that has no interior.
  bool restrict_to(int s, Index unit, Index slot, Cell& cell) {
    for (Index other = 0; other < width(s); ++other) {
      const Index rival = row_of(s, unit, other);
      if (other == slot || rival < 0) continue;
      b_.stop_sign.look();
      const Question& question = b_.questions.between(s, unit, row_of(s, unit, slot), rival);
      const Signs signs = b_.judge.signs(cell, question);
      if (!signs.above && (signs.below || other < slot)) return false;
      if (!signs.below) continue;
      Cell lost;
      Cell kept;
      b_.split(cell, question, lost, kept);
      cell = kept;
    }
    return true;
  }

  Branch<Judge>& b_;
};

}  // namespace unrect
