// What a cell's vertices and their walls say about its faces, by combinatorics alone.
#pragma once

#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// A face: its vertices, and the walls that it lies on, both increasing.
struct CellFace {
  std::vector<int> vertices;
  std::vector<int> walls;
};

/// The facets of a k-dimensional cell whose vertex v lies on walls_of_vertices[v] (RegionView): the largest sets of
/// vertices on a wall, without those that are all of them. O(walls² · vertices / 64).
std::vector<CellFace> facets_of(const std::vector<std::vector<int>>& walls_of_vertices, Index dimension);

/// Volume of the cell, by pulling a triangulation from its faces (k ≤ 6 or so: k! simplices at worst). vertices: one a
/// row. @throws Error kInvalidArgument in more than kMostVertexDimensions.
double volume_of(const Matrix& vertices, const std::vector<std::vector<int>>& walls_of_vertices);

}  // namespace unrect
