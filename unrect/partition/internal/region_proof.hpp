// What a region's facets prove about it, whatever the recursion believes.
#pragma once

#include <span>
#include <vector>

#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/exact_oracle.hpp"
#include "unrect/partition/internal/halfspace_cell.hpp"
#include "unrect/partition/internal/wall_forms.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// Rebuilds regions from their facets alone, in any dimension; signs are exact. ReLU-like layers only. Not thread-safe.
class RegionProof {
 public:
  explicit RegionProof(const Refinement& refinement);

  /// Whether the box on the region's sides of these walls (RegionView::facets) has an interior, every unit keeps the
  /// region's piece all over it, and each of the walls, and no other, bounds it in k − 1 dimensions. They are then the
  /// facets of {t : the configuration is the region's}, of all units' sides. A linear program a unit.
  bool holds(RegionView& region, std::span<const int> facets);

  /// Of the last region.
  WallForms& forms() { return forms_; }

 private:
  HalfspaceGeometry::Reach ask(const HalfspaceCell& cell, const Hyperplane& wall, const double* form, double error);

  const Refinement refinement_;
  Index k_;
  WallForms forms_;
  HalfspaceGeometry geometry_;
  Arena arena_;
  HalfspaceCell box_;
  Arena::Mark root_;
  std::uint64_t asked_ = 0;

  std::vector<Hyperplane> planes_;  // the box's sides, then those that cut the cell
  ExactOracle oracle_;
};

}  // namespace unrect
