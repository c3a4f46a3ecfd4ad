// A cell of a plane: a convex polygon as a cyclic list of vertices.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "unrect/base/types.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/doubt.hpp"

namespace unrect {

/// What a cell offers to the refinement: coordinates by rows for range tests, a split by signs that are decided
/// already, and the walls that a vertex lies on. Signs are topology: a vertex made by a cut lies on it for ever.
struct PolygonCell {
  static constexpr Index kDimension = 2;

  Index count = 0;
  Index stride = 0;                   // count rounded up; the padding repeats vertex 0
  double* coordinates = nullptr;      // 2 rows: x, then y
  double* delta = nullptr;            // each vertex is off by at most this, in either coordinate
  unsigned char* polished = nullptr;  // the vertex was solved for, and cannot be improved
  int* wall = nullptr;                // of the edge from vertex i to vertex i + 1
  double largest_delta = 0;

  double x(Index i) const { return coordinates[i]; }
  double y(Index i) const { return coordinates[stride + i]; }
};

class PolygonGeometry {
 public:
  using Cell = PolygonCell;

  explicit PolygonGeometry(Index) {}
  Index dimension() const { return 2; }

  /// Walls 0…3: the sides x = lower, x = upper, y = lower, y = upper (2d, 2d + 1 in general).
  Cell box(Arena& arena, const double* lower, const double* upper) const {
    Cell cell = make(arena, 4);
    const double xs[] = {lower[0], upper[0], upper[0], lower[0]};
    const double ys[] = {lower[1], lower[1], upper[1], upper[1]};
    const int walls[] = {2, 1, 3, 0};
    for (Index i = 0; i < 4; ++i) put(cell, xs[i], ys[i], 0.0, walls[i], 1);
    pad(cell);
    return cell;
  }

  /// The two cells on either side of a wall. sign, value: of each vertex, with both signs among them.
  void split(Arena& arena, const Cell& cell, const signed char* sign, const double* value, const Doubt& doubt, int wall,
             Cell& negative, Cell& positive) const {
    negative = make(arena, cell.count + 2);
    positive = make(arena, cell.count + 2);
    for (Index i = 0; i < cell.count; ++i) {
      const Index next = i + 1 == cell.count ? 0 : i + 1;
      const signed char s = sign[i];
      const signed char t = sign[next];
      if (s > 0) {
        put(positive, cell.x(i), cell.y(i), cell.delta[i], cell.wall[i], cell.polished[i]);
      } else if (s < 0) {
        put(negative, cell.x(i), cell.y(i), cell.delta[i], cell.wall[i], cell.polished[i]);
      } else {
        put(positive, cell.x(i), cell.y(i), cell.delta[i], t > 0 ? cell.wall[i] : wall, cell.polished[i]);
        put(negative, cell.x(i), cell.y(i), cell.delta[i], t < 0 ? cell.wall[i] : wall, cell.polished[i]);
      }
      if (s * t >= 0) continue;
      const double size = std::abs(value[i]) + std::abs(value[next]);
      const double share = size > 0 ? std::abs(value[i]) / size : 0.5;
      const double dx = cell.x(next) - cell.x(i);
      const double dy = cell.y(next) - cell.y(i);
      const double x = cell.x(i) + share * dx;
      const double y = cell.y(i) + share * dy;
      const double inherited = std::max(cell.delta[i], cell.delta[next]);
      // Its own roundings: VertexGeometry::cross.
      const double delta = inherited + std::max(std::abs(dx), std::abs(dy)) * doubt.along(size, inherited) +
                           4 * std::numeric_limits<double>::epsilon() *
                               (std::max(std::abs(x), std::abs(y)) + std::max(std::abs(dx), std::abs(dy)));
      const unsigned char polished = doubt.inherent(inherited) ? 1 : 0;
      put(positive, x, y, delta, s > 0 ? wall : cell.wall[i], polished);
      put(negative, x, y, delta, s < 0 ? wall : cell.wall[i], polished);
    }
    pad(negative);
    pad(positive);
  }

  /// The same polygon in memory of its own.
  Cell copy_of(Arena& arena, const Cell& cell) const {
    Cell copy = make(arena, cell.count);
    for (Index i = 0; i < cell.count; ++i) {
      put(copy, cell.x(i), cell.y(i), cell.delta[i], cell.wall[i], cell.polished[i]);
    }
    pad(copy);
    return copy;
  }

  /// A polygon's vertices know their two edges only.
  void touch(Arena&, Cell&, const signed char*, int) const {}

  /// The padding follows vertex 0, so that ranges over whole lanes are ranges over the vertices.
  void pad(const Cell& cell) const {
    for (Index i = cell.count; i < cell.stride; ++i) {
      cell.coordinates[i] = cell.coordinates[0];
      cell.coordinates[cell.stride + i] = cell.coordinates[cell.stride];
    }
  }

  /// The walls of the edges.
  void walls_around(const Cell& cell, std::vector<int>& out) const { out.assign(cell.wall, cell.wall + cell.count); }

  /// The walls that vertex i lies on: two.
  void walls_at(const Cell& cell, Index i, std::vector<int>& out) const {
    out = {cell.wall[i == 0 ? cell.count - 1 : i - 1], cell.wall[i]};
  }

 private:
  static Cell make(Arena& arena, Index capacity) {
    Cell cell;
    cell.stride = (capacity + 7) / 8 * 8;
    const auto n = static_cast<std::size_t>(cell.stride);
    cell.coordinates = arena.take<double>(3 * n);
    cell.delta = cell.coordinates + 2 * n;
    cell.wall = arena.take<int>(n);
    cell.polished = arena.take<unsigned char>(n);
    return cell;
  }

  static void put(Cell& cell, double x, double y, double delta, int wall, unsigned char polished) {
    const Index i = cell.count++;
    cell.coordinates[i] = x;
    cell.coordinates[cell.stride + i] = y;
    cell.delta[i] = delta;
    cell.wall[i] = wall;
    cell.polished[i] = polished;
    cell.largest_delta = std::max(cell.largest_delta, delta);
  }
};

}  // namespace unrect
