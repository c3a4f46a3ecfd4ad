// The part of a region's view that no kind of cell has a share in.
#pragma once

#include <span>

#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/stage_forms.hpp"
#include "unrect/partition/internal/walls.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// What the recursion's pieces, forms and walls say about the region that it stands in.
class RegionAtHand : public RegionView {
 public:
  RegionAtHand(const Refinement::Prepared& prepared, StageForms& forms, Walls& walls)
      : p_(prepared), forms_(forms), walls_(walls) {}

  std::span<const std::uint16_t> pieces() const override { return forms_.pieces(); }
  std::span<const Hyperplane> walls() const override { return walls_.all(); }
  ParameterMap map() override;
  Matrix forms(int stage) const override;
  Vector form_of(const Hyperplane& wall) const override;

 protected:
  ~RegionAtHand() = default;

  const Refinement::Prepared& p_;
  StageForms& forms_;
  Walls& walls_;
};

}  // namespace unrect
