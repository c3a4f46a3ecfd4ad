#include "unrect/partition/internal/region_proof.hpp"

#include <algorithm>
#include <functional>

#include "unrect/base/internal/at.hpp"

namespace unrect {
RegionProof::RegionProof(const Refinement& refinement)
    : refinement_(refinement),
      k_(refinement.domain().dimension()),
      forms_(refinement),
      geometry_(k_),
      oracle_(forms_.exact(), planes_) {
  const Box& box = refinement.domain().box;
  for (Index d = 0; d < 2 * k_; ++d) planes_.push_back({-1, d, -1, 0, 0, 0});
  box_ = geometry_.box(arena_, box.lower.data(), box.upper.data());
  root_ = arena_.mark();
}

HalfspaceGeometry::Reach RegionProof::ask(const HalfspaceCell& cell, const Hyperplane& wall, const double* form,
                                          double error) {
  oracle_.ask_about(wall);
  // A number of its own for every question: nothing proved for another region has a part in this one.
  return geometry_.reach(cell, {form, error, ++asked_}, std::ref(oracle_));
}

bool RegionProof::holds(RegionView& region, std::span<const int> facets) {
  const std::span<const Hyperplane> walls = region.walls();
  forms_.look_at(region);
  oracle_.look_at(forms_.pieces());
  planes_.resize(at(2 * k_));
  arena_.release(root_);
  HalfspaceCell cell = geometry_.copy_of(arena_, box_);
  std::vector<int> bounding;
  for (const int w : facets) {
    if (w < 2 * k_) {
      bounding.push_back(w);
      continue;
    }
    const Hyperplane& wall = walls[static_cast<std::size_t>(w)];
    const auto reach = ask(cell, wall, forms_.form_of(wall).data(), forms_.doubt_of(wall).error);
    if (!reach.below || !reach.above) return false;
    HalfspaceCell below;
    HalfspaceCell above;
    const int plane = static_cast<int>(planes_.size());
    geometry_.split(arena_, cell, plane, below, above);
    planes_.push_back(wall);
    bounding.push_back(plane);
    cell = forms_.is_above(wall) ? above : below;
  }
  for (std::size_t i = 0; i < forms_.walls().size(); ++i) {
    const Hyperplane& wall = forms_.walls()[i];
    if (std::ranges::find(planes_, wall) != planes_.end()) continue;
    const auto reach = ask(cell, wall, forms_.form(i), forms_.doubt(i).error);
    // A unit that vanishes all over the cell is on its lower piece.
    if (reach.above != forms_.is_above(wall) || (reach.above && reach.below)) return false;
  }
  return geometry_.facets(cell, std::ref(oracle_)) == bounding;
}

}  // namespace unrect
