// Where the recursion stands, whatever its cells are made of.
#pragma once

#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/questions.hpp"
#include "unrect/partition/internal/stage_forms.hpp"
#include "unrect/partition/internal/stop_sign.hpp"
#include "unrect/partition/internal/walls.hpp"

namespace unrect {

/// The pieces, forms and walls on the way down, and who answers questions about a cell there. `Judge` is VertexJudge or
/// HalfspaceJudge: all that differs between kinds of cell.
template <class Judge>
struct Branch {
  using Cell = typename Judge::Cell;

  explicit Branch(const Refinement::Prepared& p)
      : prepared(p), forms(p), walls(p, forms), questions(p, forms), judge(p, forms, walls) {}
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  /// Cuts a cell by the wall of the last question.
  void split(const Cell& cell, const Question& question, Cell& negative, Cell& positive) {
    judge.split(arena, cell, question, negative, positive);
    walls.push(question.wall);
  }

  /// Tells the cell's vertices that they lie on the question's wall, which touches the cell without cutting it, where
  /// the refinement is one with incidence.
  void touch(Cell& cell, const Question& question, const Signs& signs) {
    if (!prepared.incidence || !signs.on) return;
    judge.touch(arena, cell);
    walls.push(question.wall);
  }

  const Refinement::Prepared& prepared;
  StageForms forms;
  Walls walls;
  Questions questions;
  Judge judge;
  Arena arena;
  StopSign stop_sign{Judge::kQuestionsPerLook};
};

}  // namespace unrect
