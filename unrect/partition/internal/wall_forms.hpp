// The walls of all units over one region, whether they bound it or not, and which of them are the same hyperplane.
#pragma once

#include <span>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/partition/internal/doubt.hpp"
#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// What a region, as a visitor is shown it, says about every wall of the network: Walls knows the recursion's own ones.
/// ReLU-like layers only. Not thread-safe; the refinement must outlive it.
class WallForms {
 public:
  explicit WallForms(const Refinement& refinement);

  /// All that follows is about this region, while the visitor is shown it.
  void look_at(RegionView& region);

  /// The breaks of all units, then the domain's constraints; the form that is zero on each, k + 1 numbers, and how
  /// wrong it is.
  const std::vector<Hyperplane>& walls() const { return walls_; }
  const double* form(std::size_t wall) const { return forms_.row(static_cast<Index>(wall)).data(); }
  const Doubt& doubt(std::size_t wall) const { return doubts_[wall]; }

  /// The form that is zero on a wall (no side of the box), k + 1 numbers.
  Vector form_of(const Hyperplane& wall) const { return region_->form_of(wall); }
  /// How wrong that form is: its value anywhere on the domain, and the sum of its gradient's entries.
  Doubt doubt_of(const Hyperplane& wall) const;
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
  bool may_coincide(const double* f, const Doubt& f_doubt, const double* g, const Doubt& g_doubt) const;

  const Refinement::Prepared& p_;
  Index k_;
  std::vector<Hyperplane> walls_;
  std::size_t breaks_ = 0;  // so many of them come first
  std::vector<Doubt> doubts_;
  Matrix forms_;  // a wall's a row
  ExactForms exact_;
  RegionView* region_ = nullptr;
  std::span<const std::uint16_t> pieces_;
  std::vector<Hyperplane> together_;
  std::vector<int> indices_;
};

}  // namespace unrect
