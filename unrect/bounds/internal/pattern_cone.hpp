// Where a pattern's sides leave room: a point inside, or a proof that there is none.
#pragma once

#include <memory>
#include <optional>

#include "unrect/bounds/internal/unit_graph.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/polytope/dense_lp.hpp"

namespace unrect {

/// The inputs on the pattern's sides, for the units up to the first stage with one on either piece: half-spaces there.
/// In homogeneous parameters (t, 1) they are a cone of rows g·p > 0, which has an interior or is empty. (Gordan: it is
/// empty if and only if y ≥ 0, y ≠ 0, Σ y_i g_i = 0.) Not thread-safe.
class PatternCone {
 public:
  /// Without a domain: all inputs. All have to outlive it.
  PatternCone(const UnitGraph& graph, const Domain* domain);

  /// What the parameters mean: n_0 × (k + 1).
  const Matrix& axes() const { return axes_; }
  Index size() const { return axes_.cols(); }

  struct Answer {
    bool empty = false;             // proved
    std::optional<Vector> inside;   // homogeneous, in double: well inside if rounding allows
    std::vector<Index> conflict{};  // units of the last stage whose sides are among those that leave no room
  };
  Answer look(const Pattern& pattern);
  /// A point well inside the pattern's sides, as double has it. None is no proof that there is none. One linear
  /// program.
  std::optional<Vector> point_inside(const Pattern& pattern);

  /// Whether the point is strictly inside the domain and strictly on one piece of every unit whose form is not
  /// constant there, in exact arithmetic; pieces: those of all units.
  bool is_interior(const VectorRef& point, std::vector<std::uint16_t>& pieces);
  /// The same of the pattern's sides alone.
  bool has_interior(const Pattern& pattern);

  /// Whether the point is on the domain's sides, in double.
  bool admits(const VectorRef& point) const { return bounded_ ? (sides_ * point).minCoeff() > 0 : true; }
  /// Parameters of the domain (all inputs, where there is none) from homogeneous ones.
  Vector parameters(const VectorRef& point) const;
  Vector input(const VectorRef& point) const;

  /// Over the domain's parameters.
  ExactForms& exact_forms() { return *exact_; }

  std::uint64_t programs = 0, exact = 0;  // solved; settled in rationals

 private:
  struct Rows {
    Matrix normals;              // rows × (k + 1), of a largest entry in [1, 2)
    Vector error;                // of each entry
    std::vector<Index> unit;     // −1: a side of the domain
    bool contradiction = false;  // a unit that has one value everywhere, on the other side
  };
  Rows rows_of(const Pattern& pattern);
  // max r subject to g·p ≥ r, over a box of p: 0 if the cone is empty, with multipliers that say why.
  LpResult widest(const Rows& rows);
  bool proves_empty(const Rows& rows, const Vector& multipliers) const;
  std::optional<bool> empty_exactly(const Pattern& pattern);

  const UnitGraph* graph_;
  Domain everywhere_;  // that stands for all inputs
  const Domain* domain_;
  bool bounded_;
  Matrix axes_;
  Vector middle_, half_;  // t = middle + half ∘ s
  Matrix sides_;          // of the domain, over s
  Vector side_error_;
  std::unique_ptr<ExactForms> exact_;
};

}  // namespace unrect
