// A cell of a few dimensions: a convex polytope by its vertices, each with the set of walls it lies on.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "unrect/base/types.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/doubt.hpp"

namespace unrect {

struct VertexCell {
  Index count = 0;
  Index stride = 0;                   // count rounded up; the padding repeats vertex 0
  Index words = 0;                    // 64-bit words of a wall set
  double* coordinates = nullptr;      // k rows
  double* delta = nullptr;            // each vertex is off by at most this, in any coordinate
  unsigned char* polished = nullptr;  // the vertex was solved for, and cannot be improved
  std::uint64_t* walls = nullptr;     // words a vertex, one vertex after the other; bit w: the vertex lies on wall w
  double largest_delta = 0;
  bool simple = true;  // every vertex lies on exactly k walls

  const std::uint64_t* walls_of(Index v) const { return walls + v * words; }
};

/// Two vertices are the ends of an edge iff no third vertex lies on every wall that they share (Motzkin et al. 1953,
/// the double description method); in a simple polytope, iff they share k − 1 walls.
class VertexGeometry {
 public:
  using Cell = VertexCell;

  /// Up to kMostVertexDimensions (Worker sees to it).
  explicit VertexGeometry(Index dimension) : k_(dimension) {}
  Index dimension() const { return k_; }

  /// Walls 2d: t_d = lower_d, 2d + 1: t_d = upper_d.
  Cell box(Arena& arena, const double* lower, const double* upper) const {
    const Index corners = Index{1} << k_;
    Cell cell = make(arena, corners, words_for(static_cast<int>(2 * k_)));
    cell.count = corners;
    for (Index v = 0; v < corners; ++v) {
      cell.delta[v] = 0;
      cell.polished[v] = 1;
      for (Index d = 0; d < k_; ++d) {
        const bool high = (v >> d & 1) != 0;
        cell.coordinates[d * cell.stride + v] = high ? upper[d] : lower[d];
        set(cell, v, static_cast<int>(2 * d + (high ? 1 : 0)));
      }
    }
    finish(cell);
    return cell;
  }

  void split(Arena& arena, const Cell& cell, const signed char* sign, const double* value, const Doubt& doubt, int wall,
             Cell& negative, Cell& positive) {
    below_.clear();
    above_.clear();
    on_.clear();
    for (Index v = 0; v < cell.count; ++v) (sign[v] < 0 ? below_ : sign[v] > 0 ? above_ : on_).push_back(v);
    edges_.clear();
    if (cell.words == 1) {
      find_edges<1>(cell);
    } else if (cell.words == 2) {
      find_edges<2>(cell);
    } else {
      find_edges<0>(cell);
    }
    const Index words = std::max(cell.words, words_for(wall + 1));
    negative = make(arena, static_cast<Index>(below_.size() + on_.size() + edges_.size()), words);
    positive = make(arena, static_cast<Index>(above_.size() + on_.size() + edges_.size()), words);
    negative.simple = positive.simple = cell.simple && on_.empty();
    for (const Index v : below_) copy(cell, v, negative);
    for (const Index v : above_) copy(cell, v, positive);
    for (const Index v : on_) {
      for (Cell* child : {&negative, &positive}) {
        copy(cell, v, *child);
        set(*child, child->count - 1, wall);
      }
    }
    for (const auto& [u, v] : edges_) {
      cross(cell, u, v, value, doubt, wall, negative);
      copy(negative, negative.count - 1, positive);
    }
    finish(negative);
    finish(positive);
  }

  /// The same cell in memory of its own.
  Cell copy_of(Arena& arena, const Cell& cell) const {
    Cell copied = make(arena, cell.count, cell.words);
    copied.simple = cell.simple;
    for (Index v = 0; v < cell.count; ++v) copy(cell, v, copied);
    finish(copied);
    return copied;
  }

  /// Adds a wall to the vertices with sign 0.
  void touch(Arena& arena, Cell& cell, const signed char* sign, int wall) const {
    const Index words = words_for(wall + 1);
    if (words > cell.words) {
      std::uint64_t* wider = arena.take<std::uint64_t>(static_cast<std::size_t>(cell.stride * words));
      std::fill_n(wider, cell.stride * words, std::uint64_t{0});
      for (Index v = 0; v < cell.count; ++v) std::copy_n(cell.walls_of(v), cell.words, wider + v * words);
      cell.walls = wider;
      cell.words = words;
    }
    for (Index v = 0; v < cell.count; ++v) {
      if (sign[v] == 0) set(cell, v, wall);
    }
    cell.simple = false;
  }

  /// The padding follows vertex 0, so that ranges over whole lanes are ranges over the vertices.
  void pad(const Cell& cell) const {
    for (Index d = 0; d < k_; ++d) {
      double* row = cell.coordinates + d * cell.stride;
      std::fill(row + cell.count, row + cell.stride, row[0]);
    }
  }

  /// The walls that some vertices lie on, but not all: those, the cell lies within.
  void walls_around(const Cell& cell, std::vector<int>& out) const {
    out.clear();
    for (Index w = 0; w < cell.words; ++w) {
      std::uint64_t some = 0;
      std::uint64_t all = ~std::uint64_t{0};
      for (Index v = 0; v < cell.count; ++v) {
        some |= cell.walls_of(v)[w];
        all &= cell.walls_of(v)[w];
      }
      for (std::uint64_t bits = some & ~all; bits != 0; bits &= bits - 1) {
        out.push_back(static_cast<int>(64 * w) + std::countr_zero(bits));
      }
    }
  }

  void walls_at(const Cell& cell, Index v, std::vector<int>& out) const {
    out.clear();
    for (Index w = 0; w < cell.words; ++w) {
      for (std::uint64_t bits = cell.walls_of(v)[w]; bits != 0; bits &= bits - 1) {
        out.push_back(static_cast<int>(64 * w) + std::countr_zero(bits));
      }
    }
  }

 private:
  static Index words_for(int walls) { return (walls + 63) / 64; }

  Cell make(Arena& arena, Index capacity, Index words) const {
    Cell cell;
    cell.stride = (capacity + 7) / 8 * 8;
    cell.words = words;
    const auto n = static_cast<std::size_t>(cell.stride);
    cell.coordinates = arena.take<double>((static_cast<std::size_t>(k_) + 1) * n);
    cell.delta = cell.coordinates + static_cast<std::size_t>(k_) * n;
    cell.polished = arena.take<unsigned char>(n);
    cell.walls = arena.take<std::uint64_t>(n * static_cast<std::size_t>(words));
    std::fill_n(cell.walls, n * static_cast<std::size_t>(words), std::uint64_t{0});
    return cell;
  }

  static void set(Cell& cell, Index v, int wall) {
    cell.walls[v * cell.words + wall / 64] |= std::uint64_t{1} << (wall % 64);
  }

  void copy(const Cell& from, Index v, Cell& to) const {
    const Index i = to.count++;
    for (Index d = 0; d < k_; ++d) to.coordinates[d * to.stride + i] = from.coordinates[d * from.stride + v];
    to.delta[i] = from.delta[v];
    to.polished[i] = from.polished[v];
    std::copy_n(from.walls_of(v), from.words, to.walls + i * to.words);
  }

  void finish(Cell& cell) const {
    cell.largest_delta = cell.count == 0 ? 0 : *std::max_element(cell.delta, cell.delta + cell.count);
    pad(cell);
  }

  template <int kWords>
  void find_edges(const Cell& cell) {
    const Index words = kWords > 0 ? kWords : cell.words;
    const int needed = static_cast<int>(k_) - 1;
    for (const Index u : below_) {
      const std::uint64_t* a = cell.walls_of(u);
      for (const Index v : above_) {
        const std::uint64_t* b = cell.walls_of(v);
        int shared = 0;
        for (Index w = 0; w < words; ++w) shared += std::popcount(a[w] & b[w]);
        if (shared >= needed && (cell.simple || is_edge(cell, u, v))) edges_.emplace_back(u, v);
      }
    }
  }

  static bool is_edge(const Cell& cell, Index u, Index v) {
    const std::uint64_t* a = cell.walls_of(u);
    const std::uint64_t* b = cell.walls_of(v);
    for (Index other = 0; other < cell.count; ++other) {
      if (other == u || other == v) continue;
      const std::uint64_t* c = cell.walls_of(other);
      bool contains = true;
      for (Index w = 0; w < cell.words && contains; ++w) contains = (a[w] & b[w] & ~c[w]) == 0;
      if (contains) return false;
    }
    return true;
  }

  // Appends the point where the edge u–v meets the wall.
  void cross(const Cell& cell, Index u, Index v, const double* value, const Doubt& doubt, int wall, Cell& to) const {
    const Index i = to.count++;
    const double size = std::abs(value[u]) + std::abs(value[v]);
    const double share = size > 0 ? std::abs(value[u]) / size : 0.5;
    double length = 0;
    double reach = 0;
    for (Index d = 0; d < k_; ++d) {
      const double from = cell.coordinates[d * cell.stride + u];
      const double step = cell.coordinates[d * cell.stride + v] - from;
      const double at = from + share * step;
      to.coordinates[d * to.stride + i] = at;
      length = std::max(length, std::abs(step));
      reach = std::max(reach, std::abs(at));
    }
    const double inherited = std::max(cell.delta[u], cell.delta[v]);
    // Its own roundings are four of the step (the difference, the share's sum and division, the product), which lose 2
    // ε of it, and one of the point, ε/2: more than that is charged.
    to.delta[i] = inherited + length * doubt.along(size, inherited) +
                  4 * std::numeric_limits<double>::epsilon() * (reach + length);
    for (Index w = 0; w < cell.words; ++w) to.walls[i * to.words + w] = cell.walls_of(u)[w] & cell.walls_of(v)[w];
    to.polished[i] = doubt.inherent(inherited) ? 1 : 0;
    set(to, i, wall);
  }

  Index k_;
  std::vector<Index> below_, above_, on_;
  std::vector<std::pair<Index, Index>> edges_;
};

}  // namespace unrect
