// What is asked of cells of half-spaces: which sides of a form they are on, and which of their walls bound them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "unrect/forms/internal/forms.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/cell_program.hpp"
#include "unrect/partition/internal/facet_walk.hpp"
#include "unrect/partition/internal/halfspace_sides.hpp"
#include "unrect/partition/internal/proof_cache.hpp"

namespace unrect {

/// Which side of a form a cell is on, from the cheapest proof up: witnesses of both signs; multipliers found before, of
/// walls that this cell has too; a ray from a witness that gets across; a linear program, whose optimum, pulled
/// inwards, is the next witness, or whose multipliers prove, with the walls' own errors charged, that there is none;
/// and at last the same program in rationals.
class HalfspaceGeometry {
 public:
  using Cell = HalfspaceCell;
  using Side = HalfspaceCell::Side;
  static constexpr Index kPoints = Cell::kPoints;

  struct Reach {
    bool below = false, above = false;
  };
  /// A form over the domain: k + 1 numbers, how wrong its value can be, and a number that no other form has.
  struct Form {
    const double* form = nullptr;
    double error = 0;
    std::uint64_t id = 0;
  };

  explicit HalfspaceGeometry(Index dimension);
  HalfspaceGeometry(const HalfspaceGeometry&) = delete;
  HalfspaceGeometry& operator=(const HalfspaceGeometry&) = delete;

  /// Walls 2d: t_d = lower_d, 2d + 1: t_d = upper_d.
  Cell box(Arena& arena, const double* lower, const double* upper);
  /// The same cell in memory of its own.
  Cell copy_of(Arena& arena, const Cell& cell) const;
  /// Starts afresh: nothing proved or solved before has a part in what follows.
  void forget();

  /// Outer bounds of every form on the box; low, high: at least forms.stride() long.
  void bounds(const Forms& forms, double* low, double* high) const;

  /// Whether a form is negative, and positive, somewhere inside the cell: exact.
  Reach reach(const Cell& cell, const Form& form, const HalfspaceOracle& oracle);
  /// The two cells on either side of the form of the last call of reach, which was both.
  void split(Arena& arena, const Cell& cell, int wall, Cell& negative, Cell& positive);

  /// A point inside by more than rounding can account for, if a witness is known.
  std::optional<Vector> interior_point(const Cell& cell);
  /// A point as good as rounding allows, which need not be inside: of a sliver without witnesses.
  Vector guess_inside(const Cell& cell);

  /// The walls that bound the cell, in ascending order: exact.
  std::vector<int> facets(const Cell& cell, const HalfspaceOracle& oracle);
  /// Whether anybody asked for facets since the last forget().
  bool wants_facets() const { return wants_facets_; }
  /// The same cell without the sides that do not bound it: for a cell that many others come from.
  Cell pruned(Arena& arena, const Cell& cell, const HalfspaceOracle& oracle);

 private:
  Cell make(Arena& arena, std::size_t sides) const;
  double value_at(const double* form, const double* point) const;
  bool is_inside(const Cell& cell, const double* point) const;
  bool add_if_inside(const Cell& cell, int sign);
  const Vector* center_of(const Cell& cell);

  bool reaches(const Cell& cell, int sign, const HalfspaceOracle& oracle);
  bool shoot(const Cell& cell, int sign);
  std::optional<bool> climb(const Cell& cell, int sign);
  bool proves_by(const Cell& cell, const Vector& gradient, int sign, const Vector& multipliers);
  bool cross(const Cell& cell, const Vector& optimum, int sign);

  Index k_;
  Box box_;
  HalfspaceWalls walls_;
  CellProgram program_;
  ProofCache proofs_;
  FacetWalk facets_;
  bool wants_facets_ = false;

  HalfspaceWalls::Wall asked_;  // the form of the last call of reach,
  Vector value_;                // its values at the witnesses,
  std::vector<Side> used_;      // and the sides that its last proof needs, or is likely to need
  Vector point_, center_, cost_;
};

}  // namespace unrect
