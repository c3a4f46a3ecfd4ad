// A cell of any dimension: a box cut by the sides of walls, and points that are known to lie inside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// {t in the box: sign · form_wall(t) ≥ 0 for every side}, which has an interior. Its points are witnesses: they lie
/// inside by more than rounding can account for. A sliver thinner than that has none.
struct HalfspaceCell {
  static constexpr Index kPoints = 32;

  struct Side {
    int wall = 0;  // index into the walls on the way to the cell
    int sign = 0;
  };
  struct Points {
    Index met = 0;  // witnesses that were put in so far; the latest kPoints of them are kept
  };

  std::span<const Side> sides;          // those that may bound it, the box's own apart
  std::span<const std::uint64_t> keys;  // what they are: their form's id · 2 + (sign > 0)
  double* coordinates = nullptr;        // k rows, kPoints apart
  Points* points = nullptr;
  std::uint64_t signature = 0;           // of the sides: one bit for each
  const unsigned char* clear = nullptr;  // of each of the box's sides, if known: 1 if it does not bound the cell

  Index witnesses() const { return std::min(points->met, kPoints); }
};

/// The forms that vanish on the walls, by the walls' places on the way to the current cells.
class HalfspaceWalls {
 public:
  struct Wall {
    std::vector<double> form;  // k + 1
    double error = 0;          // of its value over the box
    std::uint64_t id = 0;      // of the form: no other has it
    double scale = 1;          // 1 over the length of its normal
    std::uint64_t serial = 0;  // of the cut: no other has it
  };

  /// 2k walls, the sides of the box, without forms.
  void reset(Index k) { walls_.assign(static_cast<std::size_t>(2 * k), {}); }
  void put(int wall, const Wall& form) {
    const auto w = static_cast<std::size_t>(wall);
    if (walls_.size() <= w) walls_.resize(w + 1);
    walls_[w] = form;
    walls_[w].serial = ++cuts_;
    const auto k = static_cast<Index>(form.form.size()) - 1;
    walls_[w].scale = 1 / Eigen::Map<const Vector>(form.form.data(), k).norm();
  }
  const Wall& of(const HalfspaceCell::Side& side) const { return walls_[static_cast<std::size_t>(side.wall)]; }

 private:
  std::vector<Wall> walls_;
  std::uint64_t cuts_ = 0;
};

/// Whether sign · form is positive somewhere on the box with these sides, in exact arithmetic. wall: of the form, an
/// index into the walls, or kAskedForm for the form that a question is about; a side of the box: on the box without it.
using HalfspaceOracle = std::function<bool(int wall, int sign, std::span<const HalfspaceCell::Side> sides)>;
inline constexpr int kAskedForm = -1;

}  // namespace unrect
