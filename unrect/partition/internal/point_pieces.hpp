// Which pieces the units are on at a point: a forward pass that rounding cannot mislead.
#pragma once

#include <optional>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// Finds the region that a point lies in, without the recursion. ReLU-like layers only. Not thread-safe; the refinement
/// must outlive it.
class PointPieces {
 public:
  explicit PointPieces(const Refinement& refinement);

  /// The flat configuration of the region that t is inside of, by a forward pass in double, with units that come within
  /// twice their error bound (StageFilter) of a break decided in rationals. A unit with the same value everywhere
  /// around t is no boundary, and on the lower piece where that value is its break. Nothing if t lies on a boundary.
  std::optional<std::vector<std::uint16_t>> at(const VectorRef& t);
  /// The same at a point of rationals, for domains of a few dimensions: every unit in rationals.
  std::optional<std::vector<std::uint16_t>> at(const ExactPoint& t);
  /// The network's output at the last point of doubles.
  const Vector& output() const { return output_; }

 private:
  // The piece by `side(wall, pieces)`, the sign of a unit's value less its break; nothing where that is on a boundary.
  template <class Side>
  std::optional<std::vector<std::uint16_t>> pass(const Side& side);

  const Refinement& refinement_;
  std::vector<StageFilter> filters_;
  ExactForms exact_;
  Vector output_;
};

}  // namespace unrect
