// The forms of walls over one region, and which of them are zero on the same hyperplane.
#pragma once

#include <span>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// ReLU-like layers only. Not thread-safe; the refinement must outlive it.
class WallForms {
 public:
  explicit WallForms(const Refinement& refinement);

  /// All that follows is about this region.
  void look_at(RegionView& region);

  /// The breaks of all units, and the domain's constraints.
  const std::vector<Hyperplane>& breaks() const { return breaks_; }
  const std::vector<Hyperplane>& constraints() const { return constraints_; }

  /// The form that is zero on a wall (no side of the box), k + 1 numbers, and how wrong its value can be.
  const Vector& form_of(const Hyperplane& wall);
  double error_of(const Hyperplane& wall) const { return doubt_of(wall).value; }
  /// Whether the region is on the wall's upper side. One on which the unit vanishes is not.
  bool is_above(const Hyperplane& wall) const;
  std::span<const std::uint16_t> pieces() const { return pieces_; }
  ExactForms& exact() { return exact_; }

  /// A unit's wall, and every other one that vanishes all over the same hyperplane: exact. Those whose forms are zero
  /// everywhere are among them.
  void coinciding(const Hyperplane& wall, std::vector<Hyperplane>& out);
  /// What both sides call the facet on this wall. own: keys.of(pieces()).
  Hash128 key(const FacetKeys& keys, const Hash128& own, const Hyperplane& wall);

 private:
  struct Doubt {
    double value = 0, gradient = 0, constant = 0;
  };

  Doubt doubt_of(const Hyperplane& wall) const;
  bool may_coincide(const Vector& f, const Doubt& f_doubt, const Vector& g, const Doubt& g_doubt) const;

  const Refinement& refinement_;
  Index k_;
  std::vector<StageFilter> filters_;
  std::vector<Hyperplane> breaks_, constraints_;
  double reach_ = 0;  // max |t_d| over the domain
  ExactForms exact_;
  std::vector<std::uint16_t> pieces_;
  std::vector<Matrix> forms_;  // of each stage
  Vector form_;
  std::vector<Hyperplane> together_;
  std::vector<int> indices_;
};

}  // namespace unrect
