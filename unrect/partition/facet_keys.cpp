#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/forms/stages.hpp"

#include <algorithm>

namespace unrect {
namespace {

// A unit that sits on its break: neither piece.
Hash128 vanishing(std::size_t unit, Index piece) {
  const std::uint64_t seed = mix(~(unit * 65536 + static_cast<std::uint64_t>(piece)));
  return {mix(seed), mix(seed ^ 0x5555555555555555)};
}

}  // namespace

FacetKeys::FacetKeys(const Stages& stages, Rng& rng) : first_unit_(static_cast<std::size_t>(stages.size()), 0) {
  for (const int s : stages.of_layer) {
    first_unit_[static_cast<std::size_t>(s)] = first_name_.size();
    const Piecewise& f = *stages[s].piecewise();
    for (Index unit = 0; unit < stages[s].size; ++unit) {
      first_name_.push_back(names_.size());
      for (Index p = 0; p < f.pieces(); ++p) names_.push_back({rng.next(), rng.next()});
    }
  }
}

std::size_t FacetKeys::unit_of(const Hyperplane& wall) const {
  return first_unit_[static_cast<std::size_t>(wall.stage)] + static_cast<std::size_t>(wall.unit);
}

Hash128 FacetKeys::of(std::span<const std::uint16_t> pieces) const {
  Hash128 hash;
  for (std::size_t u = 0; u < pieces.size(); ++u) hash.flip(names_[first_name_[u] + pieces[u]]);
  return hash;
}

Hash128 FacetKeys::without(Hash128 hash, std::span<const int> taken, std::span<const Hyperplane> walls,
                           std::span<const std::uint16_t> pieces) const {
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const Hyperplane& wall = walls[static_cast<std::size_t>(taken[i])];
    if (wall.stage < 0) {
      hash.flip(vanishing(pieces.size() + static_cast<std::size_t>(wall.row), 0));
      continue;
    }
    const std::size_t unit = unit_of(wall);
    // Breaks may coincide: a unit has one piece to take out, however many of its walls are here.
    const bool again = std::ranges::any_of(taken.first(i), [&](int w) {
      const Hyperplane& other = walls[static_cast<std::size_t>(w)];
      return other.stage >= 0 && unit_of(other) == unit;
    });
    if (!again) hash.flip(names_[first_name_[unit] + pieces[unit]]);
    hash.flip(vanishing(unit, wall.piece));
  }
  return hash;
}

std::vector<KeyedFacet> FacetKeys::facets(const Hash128& own, const std::vector<std::vector<int>>& walls_of_vertices,
                                          std::span<const Hyperplane> walls, std::span<const std::uint16_t> pieces,
                                          Index k) const {
  // Units that vanish all over the region vanish on each of its facets.
  std::vector<int> everywhere = walls_of_vertices.front();
  for (const std::vector<int>& at : walls_of_vertices) {
    if (everywhere.empty()) break;
    std::erase_if(everywhere, [&](int w) { return !std::ranges::binary_search(at, w); });
  }
  const Hash128 kept = without(own, everywhere, walls, pieces);
  std::vector<KeyedFacet> out;
  for (CellFace& face : facets_of(walls_of_vertices, k)) {
    KeyedFacet facet{std::move(face), false, {}};
    facet.outer =
        std::ranges::any_of(facet.face.walls, [&](int w) { return walls[static_cast<std::size_t>(w)].stage < 0; });
    if (!facet.outer) facet.key = without(kept, facet.face.walls, walls, pieces);
    out.push_back(std::move(facet));
  }
  return out;
}

}  // namespace unrect
