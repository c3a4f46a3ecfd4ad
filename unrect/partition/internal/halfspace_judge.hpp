// Where a cell of half-spaces lies about a wall, and what a region of that kind tells about itself.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/exact_oracle.hpp"
#include "unrect/partition/internal/glance.hpp"
#include "unrect/partition/internal/halfspace_cell.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/questions.hpp"
#include "unrect/partition/internal/region_at_hand.hpp"
#include "unrect/partition/internal/stage_forms.hpp"
#include "unrect/partition/internal/walls.hpp"

namespace unrect {

class HalfspaceRegion;

/// Answers questions about cells of half-spaces: HalfspaceGeometry's proofs in double, and exact forms for what they
/// leave open.
class HalfspaceJudge {
 public:
  using Cell = HalfspaceCell;
  using Region = HalfspaceRegion;
  /// Questions between two looks at the clock (StopSign): each may be a linear program.
  static constexpr unsigned kQuestionsPerLook = 1;

  /// All must outlive this.
  HalfspaceJudge(const Refinement::Prepared& prepared, const StageForms& forms, const Walls& walls);
  HalfspaceJudge(const HalfspaceJudge&) = delete;
  HalfspaceJudge& operator=(const HalfspaceJudge&) = delete;

  Cell box(Arena& arena);
  Cell copy_of(Arena& arena, const Cell& cell) const { return geometry_.copy_of(arena, cell); }
  /// Forgets what was learnt about other cells: no answer depends on what was asked before.
  void forget() { geometry_.forget(); }
  /// The same cell, before many others are cut from it: where facets are asked for, the sides that do not bound it are
  /// left out.
  Cell trimmed(Arena& arena, const Cell& cell);

  const Glance& glance(int s, const Cell& cell);
  /// No vertices are known.
  std::pair<PointRows, double> vertices(const Cell&) const { return {}; }

  /// The cell's sides of the question's wall: exact.
  Signs signs(const Cell& cell, const Question& question);
  /// The two cells on either side of the wall of the last question, which cuts this cell; it becomes the next of the
  /// walls.
  void split(Arena& arena, const Cell& cell, const Question& question, Cell& negative, Cell& positive);
  void touch(Arena&, Cell&) {}

  std::uint64_t exact_decisions() const { return exact_.asked(); }
  ExactForms& exact() { return exact_; }
  HalfspaceGeometry& geometry() { return geometry_; }
  /// Exact answers about the cells of this branch.
  ExactOracle& oracle() { return oracle_; }

 private:
  const Refinement::Prepared& p_;
  const StageForms& forms_;
  const Walls& walls_;
  HalfspaceGeometry geometry_;
  ExactForms exact_;
  Glance glance_;
  ExactOracle oracle_;
};

class HalfspaceRegion final : public RegionAtHand {
 public:
  HalfspaceRegion(const Refinement::Prepared& prepared, StageForms& forms, Walls& walls, HalfspaceJudge& judge)
      : RegionAtHand(prepared, forms, walls), judge_(judge) {}

  /// All that follows is about this cell.
  void look_at(const HalfspaceCell& cell) { cell_ = &cell; }

  std::optional<Vector> interior_point() override;
  Matrix vertices() override { return Matrix(0, p_.domain.dimension()); }
  std::vector<std::vector<int>> walls_of_vertices() const override { return {}; }
  std::vector<int> facets() override { return judge_.geometry().facets(*cell_, std::ref(judge_.oracle())); }

 private:
  HalfspaceJudge& judge_;
  const HalfspaceCell* cell_ = nullptr;
};

}  // namespace unrect
