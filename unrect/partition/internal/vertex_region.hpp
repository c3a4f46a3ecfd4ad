// What a region that knows its vertices tells about itself: a point inside, and vertices as good as its width asks for.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "unrect/partition/internal/cell_faces.hpp"
#include "unrect/partition/internal/polygon_cell.hpp"
#include "unrect/partition/internal/region_at_hand.hpp"
#include "unrect/partition/internal/vertex_judge.hpp"

namespace unrect {

/// The vertices are handed out as they are, polished, or exact, as need be. They are good enough if there is room: if
/// the mean of the vertices is kRoom times as far from every wall as the vertices can be off.
template <class Geometry>
class VertexRegion final : public RegionAtHand {
  using Cell = typename Geometry::Cell;

 public:
  VertexRegion(const Refinement::Prepared& prepared, StageForms& forms, Walls& walls, VertexJudge<Geometry>& judge)
      : RegionAtHand(prepared, forms, walls),
        judge_(judge),
        k_(prepared.domain.dimension()),
        rounding_(std::numeric_limits<double>::epsilon() * prepared.reach.maxCoeff()),
        most_ever_(prepared.incidence ? kSharp * prepared.size() : std::numeric_limits<double>::infinity()),
        mean_(k_) {}

  /// All that follows is about this cell.
  void look_at(const Cell& cell) {
    cell_ = &cell;
    has_room_.reset();
    clearance_.reset();
  }

  std::optional<Vector> interior_point() override {
    // A point of doubles needs no vertices that are exact: the walls' forms say whether it is inside.
    if (cell_->largest_delta <= most_off() || clearance() > 0) return mean();
    if (sharpen()) return mean();
    return judge_.exact().point_inside(sides(), forms_.pieces());
  }

  Matrix vertices() override {
    sharpen();
    Matrix out(cell_->count, k_);
    for (Index d = 0; d < k_; ++d) {
      for (Index v = 0; v < cell_->count; ++v) out(v, d) = cell_->coordinates[d * cell_->stride + v];
    }
    return out;
  }

  std::vector<std::vector<int>> walls_of_vertices() const override {
    std::vector<std::vector<int>> out(static_cast<std::size_t>(cell_->count));
    for (Index v = 0; v < cell_->count; ++v) {
      judge_.geometry().walls_at(*cell_, v, out[static_cast<std::size_t>(v)]);
    }
    return out;
  }

  std::vector<int> facets() override {
    std::vector<int> out;
    for (const CellFace& facet : facets_of(walls_of_vertices(), k_)) {
      out.insert(out.end(), facet.walls.begin(), facet.walls.end());
    }
    std::ranges::sort(out);
    return out;
  }

 private:
  // RegionView::vertices promises displacements below 1e-3 of the region's width in a plane: the next power of two is
  // taken. Beyond two dimensions bounds of displacements are far above the displacements, and putting vertices right
  // for a better bound would be dear: a sixteenth.
  static constexpr double kRoom = 1024;
  static constexpr double kRoomBeyond = 16;
  // A vertex that may be off by more than this, relative to the domain, is put right for whoever asks for incidence,
  // even where the region is so wide that it has room. Volumes are added up there, and neighbours joined at vertices; a
  // bound of a millionth is far above what such a vertex is off by. A choice on which no claim rests: a certificate
  // looks at the sum itself (kVolumeTolerance of certificate.cpp).
  static constexpr double kSharp = 1e-6;

  // False: even rounding the vertices to doubles moves them by something like the region's width.
  bool sharpen() {
    if (!has_room_) has_room_ = give_room();
    return *has_room_;
  }

  bool give_room() {
    const Cell& cell = *cell_;
    const double most = most_off();
    if (cell.largest_delta <= most) return true;
    double off = 0;
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] > most && cell.polished[v] == 0) judge_.polish(cell, v);
      off = std::max(off, cell.delta[v]);
    }
    clearance_.reset();
    if (off <= most_off()) return true;
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] > rounding_) judge_.make_exact(cell, v, rounding_);
    }
    clearance_.reset();
    return rounding_ <= most_off();
  }

  // Vertices that are off by no more leave room. The mean of n vertices is at least 1/n of the width away from every
  // wall; computing it rounds n times.
  double most_off() {
    const auto n = static_cast<double>(cell_->count);
    const double free = k_ <= 2 ? least_width() / n : clearance();
    return std::min(most_ever_, free / (k_ <= 2 ? kRoom : kRoomBeyond) - n * rounding_);
  }

  // A lower bound of the cell's width on a line or in a plane: the area over the diameter.
  double least_width() {
    const double* x = cell_->coordinates;
    if (k_ == 1) {
      const auto [low, high] = std::minmax_element(x, x + cell_->count);
      return *high - *low;
    }
    if constexpr (std::is_same_v<Geometry, PolygonGeometry>) {
      const double* y = cell_->coordinates + cell_->stride;
      double area = 0;    // twice
      double extent = 0;  // at least half the diameter
      for (Index v = 1; v < cell_->count; ++v) {
        const double dx = x[v] - x[0];
        const double dy = y[v] - y[0];
        extent = std::max(extent, std::abs(dx) + std::abs(dy));
        if (v > 1) area += (x[v - 1] - x[0]) * dy - dx * (y[v - 1] - y[0]);
      }
      return extent > 0 ? area / (4 * extent) : 0;
    }
    return clearance();
  }

  // How far the mean of the vertices may go before it meets a wall (Walls::clearance). Above 0: it is inside, wherever
  // the vertices should be.
  double clearance() {
    if (!clearance_) {
      find_mean();
      judge_.geometry().walls_around(*cell_, around_);
      clearance_ = walls_.clearance(mean_, around_);
    }
    return *clearance_;
  }

  const Vector& mean() {
    find_mean();
    return mean_;
  }
  void find_mean() {
    for (Index d = 0; d < k_; ++d) {
      const double* x = cell_->coordinates + d * cell_->stride;
      double sum = 0;
      for (Index v = 0; v < cell_->count; ++v) sum += x[v];
      mean_[d] = sum / static_cast<double>(cell_->count);
    }
  }

  // The walls around the region and its side of each.
  std::vector<WallSide> sides() {
    judge_.geometry().walls_around(*cell_, around_);
    std::vector<WallSide> out;
    for (const int w : around_) out.push_back({walls_[w], walls_.side_of(walls_[w])});
    return out;
  }

  VertexJudge<Geometry>& judge_;
  Index k_;
  double rounding_;   // of a coordinate
  double most_ever_;  // that a vertex may be off
  const Cell* cell_ = nullptr;
  std::optional<bool> has_room_;  // once it is known
  std::optional<double> clearance_;
  Vector mean_;
  std::vector<int> around_;
};

}  // namespace unrect
