// Which units of a layer are on one piece all over a cell, and where the others may cut it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "unrect/partition/internal/branch.hpp"
#include "unrect/partition/internal/glance.hpp"

namespace unrect {

/// For layers whose units are functions of one variable: Maxima does the others.
template <class Judge>
class Classifier {
  using Cell = typename Judge::Cell;

 public:
  /// A break inside a cell, where it is to be cut. A unit's breaks follow each other, from its lowest one up.
  struct Cut {
    Index unit = 0;
    Index break_index = 0;
    std::uint16_t below = 0;  // the unit's piece below its lowest break in the cell
    bool first = true;        // of the unit's
  };

  /// The branch must outlive this.
  explicit Classifier(Branch<Judge>& branch)
      : b_(branch), cuts_(static_cast<std::size_t>(branch.prepared.stages.size())) {}

  /// Decides all units of stage s that do not straddle the cell. The cell is written to: vertices that are found on a
  /// wall are told so (Branch::touch).
  void classify(int s, Cell& cell) {
    cuts_[static_cast<std::size_t>(s)].clear();
    const Glance& glance = b_.judge.glance(s, cell);
    if (b_.forms.is_rectifier(s)) {
      decide_rectifiers(s, cell, glance);
    } else {
      decide_piecewise(s, cell, glance);
    }
  }

  /// The breaks inside the cell: where the recursion has to cut it.
  const std::vector<Cut>& cuts(int s) const { return cuts_[static_cast<std::size_t>(s)]; }

 private:
  void decide_rectifiers(int s, Cell& cell, const Glance& glance) {
    const Index size = b_.prepared.stage(s).size;
    for (Index word = 0; 64 * word < size; ++word) {
      const std::uint64_t above = glance.above[static_cast<std::size_t>(word)];
      const std::uint64_t decided = glance.decided[static_cast<std::size_t>(word)];
      b_.forms.decide_active(s, word, above);
      const Index left = size - 64 * word;
      const std::uint64_t units = left < 64 ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
      for (std::uint64_t bits = ~decided & units; bits != 0; bits &= bits - 1) {
        const Index unit = 64 * word + std::countr_zero(bits);
        const Signs signs = ask(s, cell, unit, 0);
        if (signs.cuts()) {
          put_down(s, {unit, 0, 0, true});
        } else if (signs.above) {
          b_.forms.decide(s, unit, 1);
        }
      }
    }
  }

  void decide_piecewise(int s, Cell& cell, const Glance& glance) {
    const Stage& stage = b_.prepared.stage(s);
    const StageFilter& filter = b_.prepared.filter(s);
    const Piecewise& f = *stage.piecewise();
    for (Index unit = 0; unit < stage.size; ++unit) {
      const double slope = b_.forms.gradient_of(s, unit) + filter.gradient_error[unit];
      std::uint16_t piece = 0;
      bool straddles = false;
      for (Index b = 0; b < f.breaks.cols(); ++b) {
        const double at = f.breaks(f.row_of(unit), b);
        const double doubt =
            filter.error[unit] + slope * glance.delta + 2 * std::numeric_limits<double>::epsilon() * std::abs(at);
        const auto upper = static_cast<std::uint16_t>(b + 1);
        if (glance.low[unit] - at > doubt) {
          piece = upper;
        } else if (!(glance.high[unit] - at < -doubt)) {
          const Signs signs = ask(s, cell, unit, b);
          if (signs.cuts()) {
            put_down(s, {unit, b, piece, !straddles});
            straddles = true;
          } else if (signs.above) {
            piece = upper;
          }
        }
      }
      if (!straddles) b_.forms.decide(s, unit, piece);
    }
  }

  Signs ask(int s, Cell& cell, Index unit, Index break_index) {
    b_.stop_sign.look();
    const Question& question = b_.questions.at_break(s, unit, break_index);
    const Signs signs = b_.judge.signs(cell, question);
    if (!signs.cuts()) b_.touch(cell, question, signs);
    return signs;
  }

  void put_down(int s, const Cut& cut) {
    cuts_[static_cast<std::size_t>(s)].push_back(cut);
    if (cut.first) b_.forms.straddle(s, cut.unit);
  }

  Branch<Judge>& b_;
  std::vector<std::vector<Cut>> cuts_;  // of each stage, on the cell where it was entered
};

}  // namespace unrect
