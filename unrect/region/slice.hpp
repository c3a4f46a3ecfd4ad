// A region seen in a plane.
#pragma once

#include <vector>

#include "unrect/region/region.hpp"

namespace unrect {

/// The plane t ↦ origin + axes (t − centre); axes: n_0 × 2. `centre` is what the origin is called on the picture's
/// axes.
struct Plane {
  Vector origin;
  Matrix axes;
  Eigen::Vector2d centre = Eigen::Vector2d::Zero();
};

/// Through x along two input coordinates, which are then t itself. @throws Error kInvalidArgument for coordinates out
/// of range or equal.
Plane coordinate_plane(const VectorRef& x, Index first, Index second);
/// Through x along two orthonormal directions drawn from the seed.
Plane random_plane(const VectorRef& x, std::uint64_t seed);

/// Q_d within a plane: a convex polygon in t, each edge with the wall it lies on.
struct RegionPolygon {
  Matrix vertices;          // k × 2, counter-clockwise; no rows if the plane misses the region
  std::vector<Wall> walls;  // of the edge from vertex i to vertex i + 1
  std::vector<bool> cut;    // that edge lies on the window, not on a wall
};

/// Clipped to the window |t_i − centre_i| ≤ half_width. Cost: two forward passes and O(rows · vertices).
RegionPolygon slice_region(const Region& region, const Plane& plane, double half_width);

/// How many units are on another piece than in `configuration`, for each sample (a row). Cost: one forward pass a
/// sample.
Vector switched_units(const Network& network, const Configuration& configuration, const MatrixRef& samples);

}  // namespace unrect
