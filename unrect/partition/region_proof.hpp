// What a region's facets prove about it, whatever the recursion believes.
#pragma once

#include <span>
#include <vector>

#include "unrect/forms/exact_forms.hpp"
#include "unrect/forms/filter.hpp"
#include "unrect/partition/arena.hpp"
#include "unrect/partition/halfspace_cell.hpp"
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

  /// Of the last region: a unit's wall, and every other one that vanishes all over the same hyperplane.
  void coinciding(const Hyperplane& wall, std::vector<Hyperplane>& out);

  /// Of the last region: the form that is zero on a wall, k + 1 numbers.
  const Vector& form_of(const Hyperplane& wall);

 private:
  struct Doubt {
    double value = 0, gradient = 0, constant = 0;
  };

  Doubt doubt_of(const Hyperplane& wall) const;
  HalfspaceGeometry::Reach ask(const HalfspaceCell& cell, const Hyperplane& wall);
  bool judge(int wall, int sign, std::span<const HalfspaceCell::Side> sides);
  bool may_coincide(const Vector& f, const Doubt& f_doubt, const Vector& g, const Doubt& g_doubt) const;
  bool is_above(const Hyperplane& wall) const;

  const Refinement refinement_;
  Index k_;
  std::vector<StageFilter> filters_;
  std::vector<Hyperplane> breaks_;       // of all units
  std::vector<Hyperplane> constraints_;  // of the domain
  double reach_ = 0;                     // max |t_d| over the domain
  HalfspaceGeometry geometry_;
  ExactForms exact_;
  Arena arena_;
  HalfspaceCell box_;
  Arena::Mark root_;
  std::uint64_t asked_ = 0;

  std::vector<std::uint16_t> pieces_;
  std::vector<Matrix> forms_;       // of each stage, of the region
  std::vector<Hyperplane> planes_;  // the box's sides, then those that cut the cell
  Hyperplane wall_;                 // that is asked about
  Vector form_;
  std::vector<WallSide> sides_;
};

}  // namespace unrect
