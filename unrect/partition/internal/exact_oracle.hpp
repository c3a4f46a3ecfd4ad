// The HalfspaceOracle: what cells of half-spaces leave open, answered by the exact forms.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/partition/internal/halfspace_sides.hpp"

namespace unrect {

/// Translates the sides of cells, which name walls by their places, for ExactForms. Not thread-safe.
class ExactOracle {
 public:
  /// walls: by their places. Both must outlive this.
  ExactOracle(ExactForms& exact, const std::vector<Hyperplane>& walls) : exact_(exact), walls_(walls) {}
  ExactOracle(const ExactOracle&) = delete;
  ExactOracle& operator=(const ExactOracle&) = delete;

  /// Units are on these pieces until the next call; they are read where they are.
  void look_at(std::span<const std::uint16_t> pieces) { pieces_ = pieces; }
  /// The form that vanishes on this wall is kAskedForm.
  void ask_about(const Hyperplane& wall) { asked_ = wall; }

  bool operator()(int wall, int sign, std::span<const HalfspaceCell::Side> sides) {
    const Hyperplane& form = wall == kAskedForm ? asked_ : walls_[static_cast<std::size_t>(wall)];
    return exact_.positive_over(form, sign, walls_of(sides), pieces_);
  }

  /// Sides of a cell as those of walls. Good until the next call.
  const std::vector<WallSide>& walls_of(std::span<const HalfspaceCell::Side> sides) {
    sides_.clear();
    for (const HalfspaceCell::Side& side : sides)
      sides_.push_back({walls_[static_cast<std::size_t>(side.wall)], side.sign});
    return sides_;
  }

 private:
  ExactForms& exact_;
  const std::vector<Hyperplane>& walls_;
  std::span<const std::uint16_t> pieces_;
  Hyperplane asked_;
  std::vector<WallSide> sides_;
};

}  // namespace unrect
