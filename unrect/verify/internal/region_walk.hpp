// The exact walk from region to region: what a climb along the gradient ends short of.
#pragma once

#include "unrect/network/network.hpp"
#include "unrect/verify/internal/attack.hpp"

namespace unrect {

/// On a region the network is affine: its deepest point there is one linear program's. Beyond the facets that hold this
/// point back lie the regions to go on to, the one that promises most first (spec: go to the best point of its
/// polytope, cross the facet, go on).
class RegionWalk {
 public:
  /// All have to outlive it.
  RegionWalk(const Network& network, const Query& query, const Attack& attack);

  /// Whether a region's linear program is small enough to be worth while.
  bool possible() const { return !inputs_.empty() && inputs_.size() <= kMostInputs; }
  /// The deepest point on the way from `start` over so many regions at most; `start` itself where values overflow.
  Attack::Best from(const VectorRef& start, int regions) const;

 private:
  static constexpr std::size_t kMostInputs = 64;

  struct Step {
    Attack::Best best;
    std::vector<Vector> beyond;  // points of the regions next to it, the most promising first
  };
  std::optional<Step> deepest(const VectorRef& inside, const Halfspaces& target) const;

  const Network* network_;
  const Query* query_;
  const Attack* attack_;
  std::vector<Index> inputs_;  // that vary
};

}  // namespace unrect
