// Where a region ends: facets, the nearest wall, the largest ball.
#pragma once

#include <optional>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/region/region.hpp"

namespace unrect {

/// A facet of Q_d. Units whose hyperplanes coincide on it are together in `walls`: crossing it moves all of them.
struct RegionFacet {
  std::vector<Wall> walls;
  Vector normal;      // unit length, outward
  double offset = 0;  // {x : normal·x = offset}
  Vector witness;     // a point of the facet on no other one
};

/// The largest ball of a region (∩ box), and whether the network itself bears it out: the inequalities are rounded
/// products of weights, and far from the origin rounding alone can open or close them.
struct RegionBall {
  Ball ball;
  /// Not empty: the configuration of `ball.center` is the region's. Empty: `ball.farkas` is a proof in rational
  /// arithmetic.
  bool verified = false;
};

/// The Chebyshev ball of Q_d. Without a box, a ball that the network does not confirm, or one without bound, is sought
/// again within 10³ and 10⁶ times the usual distance of the walls: kUnbounded is a ball that grows from the one to the
/// other.
RegionBall largest_ball(const Region& region, const RegionPolytope& polytope, const std::optional<Box>& box = {});

/// The facets of a region, by the first wall on each; sides of the box are none. @throws Error kInvalidArgument unless
/// `interior` is strictly inside.
std::vector<RegionFacet> region_facets(const RegionPolytope& polytope, const VectorRef& interior,
                                       const std::optional<Box>& box = {});

/// The nearest point of a region's boundary, and the units that switch there.
struct NearestBoundary {
  double distance = 0;  // Euclidean; infinity where nothing bounds the region
  std::vector<Wall> walls;
  Vector point;  // n_0; empty where nothing bounds the region
};

/// min_i (b_i − a_i·x)/‖a_i‖ for x in Q_d: the radius of the largest ball around x. O(rows · n_0).
NearestBoundary nearest_boundary(const RegionPolytope& polytope, const VectorRef& x);
/// The same without holding the polytope: `block` columns of it at a time. Cost: n_0 forward passes.
NearestBoundary nearest_boundary(const Region& region, const VectorRef& x, Index block = 256);

/// The walls first met on `rays` random straight lines from x, in both directions: each is a facet.
/// For networks whose polytope is too large to hold. Cost: `rays` forward passes.
std::vector<Wall> facets_hit(const Region& region, const VectorRef& x, Index rays, Rng rng);

}  // namespace unrect
