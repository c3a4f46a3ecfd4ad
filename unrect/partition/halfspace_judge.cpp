#include "unrect/partition/internal/halfspace_judge.hpp"

#include <algorithm>

namespace unrect {

HalfspaceJudge::HalfspaceJudge(const Refinement::Prepared& prepared, const StageForms& forms, const Walls& walls)
    : p_(prepared),
      forms_(forms),
      walls_(walls),
      geometry_(prepared.domain.dimension()),
      exact_(prepared.stages, prepared.domain),
      glance_(prepared.stages),
      oracle_(exact_, walls.all()) {
  oracle_.look_at(forms.pieces());
}

HalfspaceCell HalfspaceJudge::box(Arena& arena) {
  return geometry_.box(arena, p_.domain.box.lower.data(), p_.domain.box.upper.data());
}

HalfspaceCell HalfspaceJudge::trimmed(Arena& arena, const Cell& cell) {
  return geometry_.wants_facets() ? geometry_.pruned(arena, cell, std::ref(oracle_)) : cell;
}

// By the values over the domain's box: all that is known of the cell at once.
const Glance& HalfspaceJudge::glance(int s, const Cell&) {
  const Forms& z = forms_.of(s);
  const Vector& error = p_.filter(s).error;
  geometry_.bounds(z, glance_.low.data(), glance_.high.data());
  std::ranges::fill(glance_.above, 0);
  std::ranges::fill(glance_.decided, 0);
  for (Index i = 0; i < z.size(); ++i) {
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    const auto word = static_cast<std::size_t>(i / 64);
    if (glance_.low[i] > error[i]) glance_.above[word] |= bit;
    if (glance_.low[i] > error[i] || glance_.high[i] < -error[i]) glance_.decided[word] |= bit;
  }
  return glance_;
}

Signs HalfspaceJudge::signs(const Cell& cell, const Question& question) {
  oracle_.ask_about(question.wall);
  const HalfspaceGeometry::Form form{question.form.data(), question.doubt.error, question.id};
  const auto reach = geometry_.reach(cell, form, std::ref(oracle_));
  return {reach.below, reach.above};
}

void HalfspaceJudge::split(Arena& arena, const Cell& cell, const Question&, Cell& negative, Cell& positive) {
  geometry_.split(arena, cell, static_cast<int>(walls_.size()), negative, positive);
}

std::optional<Vector> HalfspaceRegion::interior_point() {
  HalfspaceGeometry& geometry = judge_.geometry();
  if (std::optional<Vector> point = geometry.interior_point(*cell_)) return point;
  const std::vector<WallSide>& sides = judge_.oracle().walls_of(cell_->sides);
  Vector guess = geometry.guess_inside(*cell_);
  if (judge_.exact().is_inside(guess, sides, forms_.pieces())) return guess;
  if (p_.domain.dimension() > ExactForms::kMostDimensionsOfAPoint) return {};
  return judge_.exact().point_inside(sides, forms_.pieces());
}

}  // namespace unrect
