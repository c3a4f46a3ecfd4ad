// A name for every facet inside the domain that both its sides find, by hashing alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/base/internal/hash.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/hash128.hpp"
#include "unrect/partition/internal/cell_faces.hpp"

namespace unrect {

/// A facet of a region.
struct KeyedFacet {
  CellFace face;
  bool outer = false;  // on the domain's border
  Hash128 key;         // of an inner one, with Detail::kIncidence: the same on both sides, and nowhere else

  /// The first wall on the way down is the one that parted the two sides.
  int wall() const { return face.walls.front(); }
};

/// Random names for the pieces of every unit; a configuration's hash is the exclusive or of its pieces' names. The hash
/// without the units that vanish on a facet is the same on both sides of it, because a continuous map changes no other
/// unit's piece there.
class FacetKeys {
 public:
  /// ReLU-like layers only.
  FacetKeys(const Stages& stages, Rng& rng);

  /// The hash of a flat configuration.
  Hash128 of(std::span<const std::uint16_t> pieces) const;
  /// … with the units of these walls (indices into `walls`) taken out, and the domain's sides among them put in.
  Hash128 without(Hash128 hash, std::span<const int> taken, std::span<const Hyperplane> walls,
                  std::span<const std::uint16_t> pieces) const;
  /// The facets of a region with vertices on these walls (RegionView). own: of(pieces).
  std::vector<KeyedFacet> facets(const Hash128& own, const std::vector<std::vector<int>>& walls_of_vertices,
                                 std::span<const Hyperplane> walls, std::span<const std::uint16_t> pieces,
                                 Index k) const;
  /// A wall's unit in a flat configuration.
  std::size_t unit_of(const Hyperplane& wall) const;

 private:
  std::vector<std::size_t> first_unit_;  // of each stage
  std::vector<std::size_t> first_name_;  // of each unit: names_[first_name_[unit] + piece]
  std::vector<Hash128> names_;
};

}  // namespace unrect
