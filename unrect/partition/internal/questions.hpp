// What the recursion asks of a cell: on which sides of a wall it lies.
#pragma once

#include <cstdint>
#include <vector>

#include "unrect/forms/hyperplane.hpp"
#include "unrect/partition/internal/doubt.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/stage_forms.hpp"
#include "unrect/partition/internal/walls.hpp"

namespace unrect {

/// A wall, and the form over t that vanishes on it.
struct Question {
  Hyperplane wall;
  Vector form;           // k coefficients and a constant
  Doubt doubt;           // gradient: Σ |coefficients| included, for a point that is displaced
  std::uint64_t id = 0;  // no other form that was asked about has it
};

/// The answer: whether the form is negative, and positive, somewhere inside the cell; and, of a cell that knows its
/// vertices, whether it is zero at one of them.
struct Signs {
  bool below = false, above = false, on = false;

  bool cuts() const { return below && above; }
};

/// Makes the questions that the recursion asks about units. A question is good until the next one is made. Inlined: one
/// is made for each unit and cell that a glance leaves open.
class Questions {
 public:
  /// Both must outlive this.
  Questions(const Refinement::Prepared& prepared, const StageForms& forms)
      : p_(prepared),
        forms_(forms),
        k_(prepared.domain.dimension()),
        first_id_(static_cast<std::size_t>(prepared.stages.size()), 0) {
    question_.form.resize(k_ + 1);
  }

  /// On which sides of this constraint of the domain does the cell lie?
  const Question& at_constraint(const Walls& walls, const Hyperplane& wall) {
    question_.wall = wall;
    question_.doubt = walls.form_of(wall, question_.form.data());
    question_.doubt.gradient = kRoundedUp * question_.form.head(k_).cwiseAbs().sum();
    question_.id = next_id_++;
    return question_;
  }

  /// The next id is the one that every restart() goes back to: what a unit of work does depends on nothing before it.
  void mark() { start_ = next_id_; }
  void restart() { next_id_ = start_; }

  /// The forms of stage s on a new cell are other ones than before, and get ids of their own.
  void enter(int s) {
    const Stage& stage = p_.stage(s);
    first_id_[static_cast<std::size_t>(s)] = next_id_;
    const Index of_unit = stage.maximum() != nullptr ? stage.size : stage.piecewise()->breaks.cols();
    next_id_ += static_cast<std::uint64_t>(stage.size * of_unit);
  }

  /// Is the unit's z below, or above, this break of its function?
  const Question& at_break(int s, Index unit, Index break_index) {
    const Stage& stage = p_.stage(s);
    const Piecewise& f = *stage.piecewise();
    const double at = f.breaks(f.row_of(unit), break_index);
    const Forms& z = forms_.of(s);
    Vector& form = question_.form;
    for (Index d = 0; d <= k_; ++d) form[d] = z.row(d)[unit];
    form[k_] -= at;
    const StageFilter& filter = p_.filter(s);
    question_.wall = {s, unit, -1, at, break_index, unit};
    question_.doubt = {filter.error[unit] + threshold_rounding(at, k_),
                       kRoundedUp * form.head(k_).cwiseAbs().sum() + filter.gradient_error[unit]};
    question_.id = first_id(s) + static_cast<std::uint64_t>(break_index * stage.size + unit);
    return question_;
  }

  /// Is z_a above z_b, or below? The unit is the maximum of these two and others.
  const Question& between(int s, Index unit, Index a, Index b) {
    const Forms& z = forms_.of(s);
    Vector& form = question_.form;
    for (Index d = 0; d <= k_; ++d) form[d] = z.row(d)[a] - z.row(d)[b];
    const StageFilter& filter = p_.filter(s);
    question_.wall = {s, a, b, 0, 0, unit};
    question_.doubt = {2 * (filter.error[a] + filter.error[b]),
                       kRoundedUp * form.cwiseAbs().sum() + filter.gradient_error[a] + filter.gradient_error[b]};
    question_.id = first_id(s) + static_cast<std::uint64_t>(b * z.size() + a);
    return question_;
  }

 private:
  std::uint64_t first_id(int s) const { return first_id_[static_cast<std::size_t>(s)]; }

  const Refinement::Prepared& p_;
  const StageForms& forms_;
  Index k_;
  Question question_;
  std::vector<std::uint64_t> first_id_;  // of each stage, on the cell where it was entered
  std::uint64_t next_id_ = 1, start_ = 1;
};

}  // namespace unrect
