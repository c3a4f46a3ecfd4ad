// Where the sign of a form at a vertex is decided: for polygons and cells of vertices alike.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/glance.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/questions.hpp"
#include "unrect/partition/internal/stage_forms.hpp"
#include "unrect/partition/internal/vertex_solver.hpp"
#include "unrect/partition/internal/walls.hpp"

namespace unrect {

template <class Geometry>
class VertexRegion;

/// Answers questions about cells that know their vertices, by the form's sign at each. Three attempts are made: the
/// value in double, if it is beyond its doubt; the value at the vertex solved for again; and the sign of the exact form
/// where the vertex's walls meet. A vertex is put right where it lies, in a cell that is handed in as const: its
/// neighbours, which are copies, keep their displacement.
template <class Geometry>
class VertexJudge {
 public:
  using Cell = typename Geometry::Cell;
  using Region = VertexRegion<Geometry>;
  /// Questions between two looks at the clock (StopSign): so many cost about as much as one look.
  static constexpr unsigned kQuestionsPerLook = 1024;

  /// All must outlive this.
  VertexJudge(const Refinement::Prepared& prepared, const StageForms& forms, const Walls& walls)
      : p_(prepared),
        forms_(forms),
        walls_(walls),
        k_(prepared.domain.dimension()),
        drift_(kDrift * prepared.size()),
        geometry_(k_),
        exact_(prepared.stages, prepared.domain),
        glance_(prepared.stages),
        solver_(k_, prepared.size()) {}

  Cell box(Arena& arena) { return geometry_.box(arena, p_.domain.box.lower.data(), p_.domain.box.upper.data()); }
  Cell copy_of(Arena& arena, const Cell& cell) const { return geometry_.copy_of(arena, cell); }
  /// Forgets what was learnt about other cells: no answer depends on what was asked before.
  void forget() {}
  /// The same cell, before many others are cut from it: there is nothing to make ready.
  Cell trimmed(Arena&, const Cell& cell) { return cell; }

  const Glance& glance(int s, const Cell& cell) {
    const Forms& z = forms_.of(s);
    const StageFilter& filter = p_.filter(s);
    glance_.delta = put_right(cell);
    const PointRows points{cell.coordinates, cell.stride, cell.count};
    if (forms_.is_rectifier(s)) {
      sides_over(z, points, filter.error.data(), filter.gradient_error.data(), glance_.delta, glance_.above.data(),
                 glance_.decided.data());
    } else {
      range_over(z, points, glance_.low.data(), glance_.high.data());
    }
    return glance_;
  }

  /// The cell's vertices, and what each coordinate is off by at most.
  std::pair<PointRows, double> vertices(const Cell& cell) const {
    return {{cell.coordinates, cell.stride, cell.count}, cell.largest_delta};
  }

  /// The cell's sides of the question's wall: exact.
  Signs signs(const Cell& cell, const Question& question) {
    const Doubt& doubt = question.doubt;
    const double* const form = question.form.data();
    if (value_.size() < static_cast<std::size_t>(cell.stride)) {
      value_.resize(static_cast<std::size_t>(cell.stride));
      sign_.resize(static_cast<std::size_t>(cell.stride));
    }
    double* value = value_.data();
    std::fill_n(value, cell.stride, form[k_]);
    for (Index d = 0; d < k_; ++d) {
      const double c = form[d];
      const double* x = cell.coordinates + d * cell.stride;
      for (Index v = 0; v < cell.stride; ++v) value[v] += c * x[v];
    }
    Signs signs;
    const double threshold = doubt.at(cell.largest_delta);
    for (Index v = 0; v < cell.count; ++v) {
      signed char sign = value[v] > 0 ? 1 : -1;
      if (!(std::abs(value[v]) > threshold) && !(std::abs(value[v]) > doubt.at(cell.delta[v]))) {
        sign = settle(cell, v, question);
      }
      sign_[static_cast<std::size_t>(v)] = sign;
      signs.below |= sign < 0;
      signs.above |= sign > 0;
      signs.on |= sign == 0;
    }
    return signs;
  }

  /// The two cells on either side of the wall of the last question, which cuts this cell; it becomes the next of the
  /// walls.
  void split(Arena& arena, const Cell& cell, const Question& question, Cell& negative, Cell& positive) {
    const int wall = static_cast<int>(walls_.size());
    geometry_.split(arena, cell, sign_.data(), value_.data(), question.doubt, wall, negative, positive);
  }

  /// Vertices on the wall of the last question, which does not cut the cell, are told so; it becomes the next of the
  /// walls.
  void touch(Arena& arena, Cell& cell) { geometry_.touch(arena, cell, sign_.data(), static_cast<int>(walls_.size())); }

  std::uint64_t exact_decisions() const { return exact_.asked(); }
  ExactForms& exact() { return exact_; }
  const Geometry& geometry() const { return geometry_; }

  /// Solves for a vertex again. Interpolation adds to its displacement at every cut; this takes it away. False if the
  /// vertex was not improved. Not twice for a vertex (`polished`).
  bool polish(const Cell& cell, Index v) {
    cell.polished[v] = 1;
    geometry_.walls_at(cell, v, at_vertex_);
    solver_.begin(static_cast<Index>(at_vertex_.size()));
    Index i = 0;
    for (const int w : at_vertex_) {
      solver_.set_doubt(i, walls_.form_of(walls_[w], solver_.form(i)));
      ++i;
    }
    Vector& point = solver_.point();
    for (Index d = 0; d < k_; ++d) point[d] = cell.coordinates[d * cell.stride + v];
    const double delta = solver_.solve();
    if (!(delta < cell.delta[v])) return false;
    move(cell, v, point, delta);
    return true;
  }

  /// Computes a vertex in rationals; rounding it moves it by up to `delta`.
  void make_exact(const Cell& cell, Index v, double delta) {
    move(cell, v, exact_.point_at(walls_at(cell, v), forms_.pieces()), delta);
    cell.polished[v] = 1;
  }

 private:
  // A vertex that may be displaced by more, relative to the domain, is polished before a stage is looked at. About √ε,
  // half of a double's digits: a cut adds a few ε, unless it is nearly parallel to others, so few vertices come to it;
  // and units that near to a vertex are few, so a glance decides nearly all. A choice of speed alone.
  static constexpr double kDrift = 1e-8;

  // Polishes the vertices that have drifted; the largest displacement that is left.
  double put_right(const Cell& cell) {
    if (cell.largest_delta <= drift_) return cell.largest_delta;
    double largest = 0;
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] > drift_ && cell.polished[v] == 0) polish(cell, v);
      largest = std::max(largest, cell.delta[v]);
    }
    return largest;
  }

  // The sign where the first attempt left it open.
  signed char settle(const Cell& cell, Index v, const Question& question) {
    const Vector& form = question.form;
    if (cell.polished[v] == 0 && polish(cell, v)) {
      double value = form[k_];
      for (Index d = 0; d < k_; ++d) value += form[d] * cell.coordinates[d * cell.stride + v];
      value_[static_cast<std::size_t>(v)] = value;
      if (std::abs(value) > question.doubt.at(cell.delta[v])) return value > 0 ? 1 : -1;
    }
    return static_cast<signed char>(exact_.sign_at(question.wall, walls_at(cell, v), forms_.pieces()));
  }

  const std::vector<Hyperplane>& walls_at(const Cell& cell, Index v) {
    geometry_.walls_at(cell, v, at_vertex_);
    meeting_.clear();
    for (const int w : at_vertex_) meeting_.push_back(walls_[w]);
    return meeting_;
  }

  void move(const Cell& cell, Index v, const Vector& point, double delta) {
    for (Index d = 0; d < k_; ++d) cell.coordinates[d * cell.stride + v] = point[d];
    cell.delta[v] = delta;
    if (v == 0) geometry_.pad(cell);
  }

  const Refinement::Prepared& p_;
  const StageForms& forms_;
  const Walls& walls_;
  Index k_;
  double drift_;
  Geometry geometry_;
  ExactForms exact_;
  Glance glance_;
  VertexSolver solver_;
  std::vector<double> value_;  // of the last question's form at each vertex,
  std::vector<signed char> sign_;
  std::vector<int> at_vertex_;       // the walls that a vertex lies on,
  std::vector<Hyperplane> meeting_;  // and which these are
};

}  // namespace unrect
