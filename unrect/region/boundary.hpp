// Where a region ends: facets, the nearest wall, the largest ball.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/region/region.hpp"

namespace unrect {

/// A facet of Q_d. Units whose hyperplanes coincide on it are together in `walls`: crossing it moves all of them.
struct RegionFacet {
  std::vector<Wall> walls;
  Vector normal;      // unit length, outward
  double offset = 0;  // {x : normal·x = offset}
  Vector witness;     // a point of the facet on no other one
};

/// Does a configuration occur? The largest ball of its region (∩ box), and whether the status is true of the network's
/// own numbers: the polytope's rows are rounded products of weights, and rounding alone can open or close them.
struct RegionBall {
  Ball ball;
  /// kBall, kUnbounded: the configuration all around `ball.center` is the region's, by exact signs (or, where the
  /// radius is 0, there is such a point, but none among the doubles looked at). kEmpty, kFlat: `ball.farkas` rounds
  /// multipliers that prove, in rational arithmetic over the network's numbers, that there is no point, no interior.
  bool verified = false;
  /// A unit that is on its break all over the region, and by convention (maths 1.2) on another piece: then the
  /// configuration occurs nowhere, whatever the ball.
  std::optional<Wall> tied;
  /// Whether the configuration occurs, if that is known.
  std::optional<bool> occurs() const;
};

/// The Chebyshev ball of Q_d. Rows in doubt are made exact (ExactRegion), the ball is sought again, and what is left is
/// a question to farkas_alternative, of `effort` each. kUnbounded is proved by a direction that leaves every wall
/// (ExactRegion::recedes). Without a box, a ball that is not verified is sought again within 10³ and 10⁶ times the
/// usual distance of the walls.
RegionBall largest_ball(const Region& region, const RegionPolytope& polytope, const std::optional<Box>& box = {},
                        std::int64_t effort = kExactEffort);

struct RegionFacetOptions {
  std::optional<Box> box;
  const Region* region = nullptr;
  std::int64_t effort = kNoLimit;
  std::vector<Index>* undecided = nullptr;  // rows that it did not suffice for
  const Context* context = nullptr;         // progress in rows

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.effort, {"effort", "work for each exact decision", at_least(0), "no limit"});
  }
};

/// Of some units those that change their piece somewhere around the region: not the ones whose value to their break is
/// constant on it, such as units that are 0 everywhere. Exact. Cost: exact forms of the units and the layers before.
std::vector<Unit> units_with_a_wall(const Region& region, const std::vector<Unit>& units);

/// The facets of a region, by the first wall on each; sides of the box are none. What rounding leaves open is decided
/// about the network's own numbers where `region` is given, else about the polytope's doubles.
/// @throws Error kInvalidArgument unless `interior` is strictly inside, kCancelled.
std::vector<RegionFacet> region_facets(const RegionPolytope& polytope, const VectorRef& interior,
                                       const RegionFacetOptions& options = {});

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
