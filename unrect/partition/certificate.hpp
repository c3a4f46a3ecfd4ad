// Checks that a list of regions is the partition of its domain: a wrong one does not pass, whatever the recursion did.
// Collected while the regions go by.
#pragma once

#include <string>
#include <vector>

#include "unrect/partition/explore.hpp"

namespace unrect {

/// One check: what it says, the figure it found, and whether that is what it must be.
struct Check {
  std::string name;
  std::string finding;
  bool holds = false;
  bool made = true;  // false: it could not be made, for the reason that `finding` names, and does not hold

  void unmade() { holds = made = false; }
};

/// Makes the checks. For layers of ReLU-like units these are
///   facets       every facet inside the domain is seen once from either side: Σ h(facet) over the positive sides
///                equals Σ h(facet) over the negative ones, h a random 128-bit hash of the configuration without the
///                units that vanish on the facet;
///   continuity   the maps on both sides agree at a point of the facet's hyperplane, in the same way with random
///                weights;
///   membership   each of a thousand random points' configurations (PointPieces: exact) is met exactly once, that of a
///                point inside the domain whatever its shape among them;
/// and for a refinement with Detail::kIncidence, of up to kMostMeasuredDimensions:
///   volume       Σ volume(region) = volume(domain);
///   Euler        in a plane, vertices − edges + regions = 1: a vertex on two walls belongs to four regions, one on a
///                wall and a side to two; any other is counted by its name;
/// for one with Detail::kRegions, of any dimension, what makes facets and one member a proof (maths 2.5):
///   regions      each is all of what its facets enclose, with every unit of every layer on its piece (RegionProof),
///                and a forward pass at a point inside finds its configuration.
/// A check that cannot be made is there all the same, and does not hold. Memory: O(1), and one number for each vertex
/// of a plane on more than two walls.
class Certifier {
 public:
  /// The dimensions up to which the checks may go by vertices and volumes.
  static constexpr Index kMostMeasuredDimensions = 6;

  /// The detail of a refinement of this domain with which the checks say most.
  static Detail detail_for(const Domain& domain);

  /// @throws Error kInvalidArgument for incidence in more dimensions,
  /// kUnsupported for maxima.
  explicit Certifier(const Refinement& refinement, std::uint64_t seed = 0);
  ~Certifier();

  CollectorFactory collectors() const;
  /// The checks' outcome for a complete exploration with these collectors.
  std::vector<Check> checks(const RegionCounts& counts) const;

  struct Plan;

 private:
  std::shared_ptr<const Plan> plan_;
};

}  // namespace unrect
