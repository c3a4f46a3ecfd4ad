// The recursion itself, written once over the kinds of cell (docs/design/partition.md tells it as a story).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "unrect/partition/internal/branch.hpp"
#include "unrect/partition/internal/classifier.hpp"
#include "unrect/partition/internal/entered_cell.hpp"
#include "unrect/partition/internal/maxima.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// Goes through all cells, depth first, in memory O(depth): path, budget and counts. Forms, walls and all questions
/// about signs are the branch's.
template <class Judge>
class Engine final : public Worker::Implementation {
  using Cell = typename Judge::Cell;

 public:
  explicit Engine(const Refinement::Prepared& prepared)
      : p_(prepared),
        last_(prepared.last_stage()),
        b_(prepared),
        classifier_(b_),
        maxima_(b_),
        region_(prepared, b_.forms, b_.walls, b_.judge) {
    start();
  }

  WorkResult run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor,
                 const std::function<bool()>& keep_going) override {
    b_.stop_sign.heed(keep_going);
    unit_ = &unit;
    budget_ = budget;
    visitor_ = visitor ? &visitor : nullptr;
    result_ = {};
    result_.counts.per_layer.assign(static_cast<std::size_t>(p_.layers), 0);
    result_.counts.active.assign(static_cast<std::size_t>(p_.stages.units()) + 1, 0);
    stop_ = false;
    const std::uint64_t decided_before = b_.judge.exact_decisions();
    path_.clear();
    b_.walls.drop_to(domain_walls_);
    // What this unit does depends on nothing done before it: cells are written to (polished, touched, witnesses added).
    b_.arena.release(root_);
    b_.questions.restart();
    b_.judge.forget();
    if (!empty_) enter(kFirst, b_.judge.copy_of(b_.arena, domain_));
    result_.counts.exact_decisions = b_.judge.exact_decisions() - decided_before;
    return std::move(result_);
  }

  void filter_by(CellFilter* filter) override { filter_ = filter; }

 private:
  static constexpr int kOldest = 64;  // generations beyond it are all alike
  static constexpr int kFirst = 1;    // stage 0 is the input, which has its forms from the beginning

  // The domain as a cell: its box, cut by its constraints.
  void start() {
    domain_ = b_.judge.box(b_.arena);
    for (Index r = 0; r < p_.domain.constraints.size(); ++r) {
      const Hyperplane wall{-1, 2 * p_.domain.dimension() + r, -1, 0, 0, 0};
      const Question& question = b_.questions.at_constraint(b_.walls, wall);
      const Signs signs = b_.judge.signs(domain_, question);
      if (signs.above && !signs.below) {
        empty_ = true;
        break;
      }
      if (signs.above) {
        Cell kept;
        Cell dropped;
        b_.split(domain_, question, kept, dropped);
        domain_ = kept;
      } else {
        b_.walls.push(wall);
      }
    }
    domain_walls_ = b_.walls.size();
    root_ = b_.arena.mark();
    b_.questions.mark();
  }

  // Stage s's forms are known over the cell: decides every unit that does not straddle, then splits by the others.
  void enter(int s, Cell cell) {
    const std::size_t walls = b_.walls.size();
    const Stage& stage = p_.stage(s);
    cell = b_.judge.trimmed(b_.arena, cell);
    if (stage.layer < 0) {
      if (s > last_) return emit(cell);  // a network without a layer
      b_.forms.pass(s);
      return enter(s + 1, cell);
    }
    b_.forms.begin(s);
    b_.questions.enter(s);
    if (stage.maximum() != nullptr) {
      maxima_.classify(s, cell);
      b_.forms.gather(s);
      if (wants(s, cell)) compete(s, cell, 0);
    } else {
      classifier_.classify(s, cell);
      b_.forms.gather(s);
      if (wants(s, cell)) subdivide(s, cell, 0);
    }
    b_.walls.drop_to(walls);
  }

  // A cell on the way to where the unit of work begins is wanted: its other half was, too.
  bool wants(int s, const Cell& cell) {
    if (filter_ == nullptr || is_replay()) return true;
    const auto [vertices, delta] = b_.judge.vertices(cell);
    if (filter_->wants({s, b_.forms, vertices, delta})) return true;
    result_.share += std::ldexp(1.0, -static_cast<int>(path_.size()));
    return false;
  }

  // Splits the cell by the cuts from `next` on. Every cell that is left has its pieces of stage s: a leaf.
  void subdivide(int s, Cell cell, std::size_t next) {
    const auto& cuts = classifier_.cuts(s);
    const std::size_t depth = path_.size();
    const std::size_t walls = b_.walls.size();
    const Arena::Mark mark = b_.arena.mark();
    for (; next < cuts.size(); ++next) {
      const auto& cut = cuts[next];
      const auto above = static_cast<std::uint16_t>(cut.break_index + 1);
      std::uint16_t& piece = b_.forms.piece(s, cut.unit);
      if (cut.first) piece = cut.below;
      b_.stop_sign.look();
      const Question& question = b_.questions.at_break(s, cut.unit, cut.break_index);
      const Signs signs = b_.judge.signs(cell, question);
      if (!signs.cuts()) {
        b_.touch(cell, question, signs);
        if (signs.above) piece = above;
        continue;
      }
      Cell negative;
      Cell positive;
      if (visitor_ != nullptr || s < last_ || next + 1 < cuts.size()) {
        b_.split(cell, question, negative, positive);
      } else {
        b_.walls.push(question.wall);  // nobody looks at the last cells where the count is all that is asked for
      }
      if (is_replay()) {
        path_.push_back(unit_->path[path_.size()]);
        if (path_.back() != 0) piece = above;
        cell = path_.back() == 0 ? negative : positive;
        continue;
      }
      const std::uint16_t below = piece;
      path_.push_back(0);
      subdivide(s, negative, next + 1);
      path_.back() = 1;
      if (stop_) {
        leave_open();
        return retreat(depth, walls, mark);
      }
      piece = std::max(below, above);
      b_.walls.turn_last();
      cell = positive;
    }
    leaf(s, cell);
    retreat(depth, walls, mark);
  }

  // Splits the cell by the straddling maxima from number `next` on: a child for each slot that wins somewhere.
  void compete(int s, const Cell& cell, std::size_t next) {
    if (next == b_.forms.straddling(s).size()) return leaf(s, cell);
    const Index unit = b_.forms.straddling(s)[next];
    std::optional<std::uint16_t> only;
    if (is_replay()) only = unit_->path[path_.size()];
    maxima_.for_each_winner(s, unit, cell, only, [&](std::uint16_t slot, const Cell& part) {
      path_.push_back(slot);
      if (stop_) {
        leave_open();
      } else {
        b_.forms.piece(s, unit) = slot;
        compete(s, part, next + 1);
      }
      path_.pop_back();
    });
  }

  // All units of stage s have their pieces on the cell.
  void leaf(int s, const Cell& cell) {
    if (s == last_) return emit(cell);
    // A cell above the end of the path was met by the unit that left this one open.
    if (!is_replay()) ++result_.counts.per_layer[static_cast<std::size_t>(p_.stage(s).layer)];
    b_.forms.settle(s);
    enter(s + 1, cell);
  }

  void emit(const Cell& region) {
    ++result_.counts.active[last_ == 0 ? 0 : b_.forms.count_active(last_)];
    ++result_.counts.regions;
    if (!result_.counts.per_layer.empty()) ++result_.counts.per_layer.back();
    result_.share += std::ldexp(1.0, -static_cast<int>(path_.size()));
    if (visitor_ != nullptr) {
      region_.look_at(region);
      if (!(*visitor_)(region_)) stop_ = result_.stopped = true;
    }
    if (result_.counts.regions >= budget_) stop_ = true;
  }

  // Whether the unit's path still says where to go.
  bool is_replay() const { return path_.size() < unit_->path.size(); }

  void leave_open() {
    if (!result_.stopped) result_.open.push_back({path_, std::min(unit_->generation + 1, kOldest)});
  }

  void retreat(std::size_t depth, std::size_t walls, Arena::Mark mark) {
    path_.resize(depth);
    b_.walls.drop_to(walls);
    b_.arena.release(mark);
  }

  const Refinement::Prepared& p_;
  const int last_;
  Branch<Judge> b_;
  Classifier<Judge> classifier_;
  Maxima<Judge> maxima_;
  typename Judge::Region region_;

  Cell domain_;
  bool empty_ = false;
  std::size_t domain_walls_ = 0;
  Arena::Mark root_;  // above it: what a unit of work takes

  const WorkUnit* unit_ = nullptr;
  std::uint64_t budget_ = 0;
  const RegionVisitor* visitor_ = nullptr;
  CellFilter* filter_ = nullptr;
  std::vector<std::uint16_t> path_;
  WorkResult result_;
  bool stop_ = false;
};

}  // namespace unrect
