#include "unrect/verify/internal/box_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "unrect/verify/internal/box_cuts.hpp"
#include "unrect/verify/internal/round.hpp"
#include "unrect/verify/internal/unit_cases.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// A round of boxes.
constexpr RoundSize kRound{.portions = 8, .nodes = 4};
// Directions that are tried, the most promising ones.
constexpr std::size_t kDirections = 6;
// What a half that gains nothing counts for, and the smallest gap.
constexpr double kLittle = 0.05, kTiny = 1e-12;
// A box with so few undecided units is settled unit by unit, in so many cases at most.
constexpr Index kFewUnits = 24;
constexpr int kCases = 1000;
// Steps up from where the minorants are lowest, in the domain's widths.
constexpr int kClimb = 8;
constexpr double kStride = 0.01;
// In every round so many points are drawn from the whole domain, too.
constexpr Index kDraws = 256;
constexpr int kDrawClimb = 10;
constexpr double kDrawStride = 0.25;
// A box narrower than this, relative to the domain, in every direction is left to others.
constexpr double kNarrow = 1e-9;

struct Node {
  Vector low, high;   // ranges of all stages, one after another; the box first
  double value = 0;   // min over the polytopes that are not refuted of how far below zero their rows go together
  double volume = 1;  // of the box after its cuts, relative to what was bounded
  Vector deepest;     // a point where they do
  double share = 1;   // of the domain, by halvings
  int record = 0;     // in the tree of the search
};

// Which node was halved, where, and which of the expansion's children are its halves; −1: refuted.
struct Halving {
  int node;
  Index input;
  double at;
  int child[2];
};

struct Expansion {
  std::vector<Node> children;
  std::vector<Node> stuck;
  std::vector<Halving> halvings;
  double closed = 0;  // share
  std::uint64_t nodes = 0;
  Vector candidate;
  double depth = -kInfinity;
};

class BoxSearch {
 public:
  explicit BoxSearch(const SearchTask& task)
      : task_(task), graph_(task.graph), query_(task.query), width_(query_.box.upper - query_.box.lower) {
    relaxations_.emplace_back(graph_, query_.box, query_.ball);
    for (int s = 0; s + 1 < graph_.size(); ++s) total_ += graph_[s].size;
  }

  SearchOutcome run();

 private:
  Relaxation& relaxation(int slot) { return relaxations_[static_cast<std::size_t>(slot)]; }
  NodeBatch batch(const std::vector<Node>& nodes) const;
  void keep_ranges(const NodeBatch& from, Index row, Node& to) const;
  bool assess(const NodeBatch& batch, const Minorants& minorants, Index row, Node& node) const;
  AffineRows rows_of(const Minorants& minorants, Index row, Index polytope) const;
  bool shrink(const Minorants& minorants, Index row, Node& node) const;
  std::vector<Index> directions(const Node& node) const;
  void expand(Relaxation& relaxation, std::span<const Node> parents, Expansion& out) const;
  int record(const Node& node);
  void record(Expansion& expansion);

  const SearchTask& task_;
  const BoundGraph& graph_;
  const Query& query_;
  Vector width_;
  Index total_ = 0;
  std::vector<Relaxation> relaxations_;
};

NodeBatch BoxSearch::batch(const std::vector<Node>& nodes) const {
  NodeBatch out;
  const auto count = static_cast<Index>(nodes.size());
  out.empty.assign(nodes.size(), 0);
  Index offset = 0;
  for (int s = 0; s + 1 < graph_.size(); ++s) {
    const Index size = graph_[s].size;
    out.low.emplace_back(count, size);
    out.high.emplace_back(count, size);
    for (Index n = 0; n < count; ++n) {
      out.low.back().row(n) = nodes[at(n)].low.segment(offset, size);
      out.high.back().row(n) = nodes[at(n)].high.segment(offset, size);
    }
    offset += size;
  }
  return out;
}

void BoxSearch::keep_ranges(const NodeBatch& from, Index row, Node& to) const {
  to.low.resize(total_);
  to.high.resize(total_);
  Index offset = 0;
  for (int s = 0; s + 1 < graph_.size(); ++s) {
    to.low.segment(offset, graph_[s].size) = from.low[at(s)].row(row);
    to.high.segment(offset, graph_[s].size) = from.high[at(s)].row(row);
    offset += graph_[s].size;
  }
}

// The rows of one polytope over a bounded box, and those on inputs.
AffineRows BoxSearch::rows_of(const Minorants& minorants, Index row, Index polytope) const {
  const Index begin = row * query_.rows.size() + query_.first[at(polytope)], count = query_.unsafe[at(polytope)].size();
  const Halfspaces& inputs = query_.input_rows;
  AffineRows rows{Matrix(count + inputs.size(), graph_.inputs()), Vector(count + inputs.size())};
  rows.slopes << minorants.slope.middleRows(begin, count), inputs.normals;
  rows.constants << minorants.constant.segment(begin, count), -inputs.offsets;
  return rows;
}

// Whether a bounded box is still open; then its value is set, and its box is cut to what can be unsafe.
bool BoxSearch::assess(const NodeBatch& batch, const Minorants& minorants, Index row, Node& node) const {
  if (batch.empty[at(row)]) return false;
  const Index inputs = graph_.inputs();
  Vector hull_low = Vector::Constant(inputs, kInfinity), hull_high = -hull_low;
  node.value = kInfinity;
  for (Index p = 0; p < query_.polytopes(); ++p) {
    const Index begin = row * query_.rows.size() + query_.first[at(p)], count = query_.unsafe[at(p)].size();
    if (count > 0 && minorants.value.segment(begin, count).maxCoeff() > 0) continue;
    const AffineRows rows = rows_of(minorants, row, p);
    Vector low = batch.low[0].row(row), high = batch.high[0].row(row);
    bool open = true;
    for (Index i = 0; i < rows.size() && open; ++i)
      open = cut_box(rows.slopes.row(i).transpose(), rows.constants[i], low, high);
    if (!open) continue;
    double value = count == 0 ? -kInfinity : minorants.value.segment(begin, count).maxCoeff();
    if (rows.size() > 1) {
      // Several rows that have no common point, although each has some.
      Deepest deepest = deepest_point(rows, low, high);
      if (deepest.value > 0) continue;
      value = std::max(value, deepest.value);
      if (value < node.value) node.deepest = std::move(deepest.point);
    } else if (rows.size() == 1 && value < node.value) {
      node.deepest = (rows.slopes.row(0).transpose().array() > 0).select(low, high);
    }
    node.value = std::min(node.value, value);
    hull_low = hull_low.cwiseMin(low);
    hull_high = hull_high.cwiseMax(high);
  }
  if (node.value == kInfinity) return false;
  node.volume = 1;
  for (Index j = 0; j < inputs; ++j) {
    const double width = batch.high[0](row, j) - batch.low[0](row, j);
    if (width > 0) node.volume *= std::max(hull_high[j] - hull_low[j], 0.0) / width;
  }
  node.low.head(inputs) = hull_low;
  node.high.head(inputs) = hull_high;
  return true;
}

// A box that is kept, cut to the hull of what each polytope's rows leave together; false if that is nothing.
bool BoxSearch::shrink(const Minorants& minorants, Index row, Node& node) const {
  if (query_.input_rows.size() == 0 &&
      std::ranges::all_of(query_.unsafe, [](const Halfspaces& polytope) { return polytope.size() < 2; }))
    return true;  // cut_box has done it
  const Index inputs = graph_.inputs();
  Vector hull_low = Vector::Constant(inputs, kInfinity), hull_high = -hull_low;
  for (Index p = 0; p < query_.polytopes(); ++p) {
    const Index begin = row * query_.rows.size() + query_.first[at(p)], count = query_.unsafe[at(p)].size();
    if (count > 0 && minorants.value.segment(begin, count).maxCoeff() > 0) continue;
    Vector low = node.low.head(inputs), high = node.high.head(inputs);
    if (!shrink_box(rows_of(minorants, row, p), low, high)) continue;
    hull_low = hull_low.cwiseMin(low);
    hull_high = hull_high.cwiseMax(high);
  }
  if (hull_low[0] == kInfinity) return false;
  node.low.head(inputs) = hull_low;
  node.high.head(inputs) = hull_high;
  return true;
}

// The widest inputs, relative to the domain.
std::vector<Index> BoxSearch::directions(const Node& node) const {
  std::vector<Index> order;
  const auto share = [&](Index j) { return (node.high[j] - node.low[j]) / width_[j]; };
  for (Index j = 0; j < graph_.inputs(); ++j) {
    if (width_[j] > 0 && share(j) > kNarrow) order.push_back(j);
  }
  std::ranges::stable_sort(order, std::greater{}, share);
  if (order.size() > kDirections) order.resize(kDirections);
  return order;
}

void BoxSearch::expand(Relaxation& relaxation, std::span<const Node> parents, Expansion& out) const {
  struct Pair {
    std::size_t parent;
    Index direction;
  };
  std::vector<Pair> pairs;
  std::vector<Node> halves;
  std::vector<Vector> promising;
  for (std::size_t n = 0; n < parents.size(); ++n) {
    const std::vector<Index> order = directions(parents[n]);
    if (order.empty()) out.stuck.push_back(parents[n]);
    for (const Index j : order) {
      pairs.push_back({n, j});
      for (const bool upper : {false, true}) {
        Node& half = halves.emplace_back(parents[n]);
        (upper ? half.low : half.high)[j] = parents[n].low[j] + 0.5 * (parents[n].high[j] - parents[n].low[j]);
        half.share *= 0.5;
      }
    }
  }
  if (halves.empty()) return;
  NodeBatch bounded = batch(halves);
  Minorants minorants;
  relaxation.tighten(bounded);
  relaxation.minimize(bounded, query_.rows, minorants);
  std::vector<char> open(halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i)
    open[i] = assess(bounded, minorants, static_cast<Index>(i), halves[i]);
  for (std::size_t first = 0; first < pairs.size();) {
    std::size_t last = first, best = first;
    double most = 0;
    const double whole = std::max(-parents[pairs[first].parent].value, kTiny);
    for (; last < pairs.size() && pairs[last].parent == pairs[first].parent; ++last) {
      // The product rule of integer programming: what either half gains, of its box and of the parent's gap. A sum
      // would peel thin slices off one side for ever.
      double gain = 1;
      for (const std::size_t i : {2 * last, 2 * last + 1}) {
        const double left = open[i] ? halves[i].volume * std::min(-halves[i].value / whole, 1.0) : 0;
        gain *= 1 - left + kLittle;
      }
      if (gain > most) {
        most = gain;
        best = last;
      }
    }
    const Index input = pairs[best].direction;
    Halving& halving = out.halvings.emplace_back(
        Halving{parents[pairs[best].parent].record, input, halves[2 * best].high[input], {-1, -1}});
    std::size_t order[2] = {2 * best, 2 * best + 1};
    if (halves[order[0]].value < halves[order[1]].value) std::swap(order[0], order[1]);  // the worse one is next
    for (const std::size_t i : order) {
      ++out.nodes;
      if (!open[i]) {
        out.closed += halves[i].share;
        continue;
      }
      Node child = std::move(halves[i]);
      if (!shrink(minorants, static_cast<Index>(i), child)) {
        out.closed += child.share;
        continue;
      }
      const Vector low = child.low.head(graph_.inputs()), high = child.high.head(graph_.inputs());
      keep_ranges(bounded, static_cast<Index>(i), child);
      child.low.head(graph_.inputs()) = low;
      child.high.head(graph_.inputs()) = high;
      if (undecided_units(graph_, bounded, static_cast<Index>(i)) <= kFewUnits) {
        const std::vector<Node> alone{child};
        const UnitCases cases = settle_units(relaxation, query_, batch(alone), kCases);
        out.nodes += cases.nodes;
        if (cases.refuted) {
          out.closed += child.share;
          continue;
        }
        if (cases.candidate.size() > 0) child.deepest = cases.candidate;
      }
      halving.child[i % 2] = static_cast<int>(out.children.size());
      promising.push_back(child.deepest.size() > 0 ? child.deepest : Vector(0.5 * (low + high)));
      out.children.push_back(std::move(child));
    }
    first = last;
  }
  if (promising.empty()) return;
  Matrix starts(static_cast<Index>(promising.size()), graph_.inputs());
  for (std::size_t i = 0; i < promising.size(); ++i) starts.row(static_cast<Index>(i)) = promising[i].transpose();
  Attack::Best best = task_.attack.climb(std::move(starts), kClimb, kStride, 0);
  out.depth = best.depth;
  out.candidate = std::move(best.point);
}

int BoxSearch::record(const Node& node) {
  const Index inputs = graph_.inputs();
  task_.tree->nodes.push_back({Box(node.low.head(inputs), node.high.head(inputs))});
  return static_cast<int>(task_.tree->nodes.size()) - 1;
}

void BoxSearch::record(Expansion& expansion) {
  for (const Halving& halving : expansion.halvings) {
    int kept[2] = {-1, -1};
    for (const int side : {0, 1}) {
      if (halving.child[side] < 0) continue;
      Node& child = expansion.children[static_cast<std::size_t>(halving.child[side])];
      kept[side] = child.record = record(child);
    }
    SearchTree::Node& node = task_.tree->nodes[static_cast<std::size_t>(halving.node)];
    node.input = halving.input;
    node.at = halving.at;
    node.below = kept[0];
    node.above = kept[1];
  }
}

SearchOutcome BoxSearch::run() {
  SearchOutcome outcome;
  std::vector<Node> open(1), stuck;
  {
    Minorants minorants;
    NodeBatch root = relaxation(0).root();
    relaxation(0).minimize(root, query_.rows, minorants);
    keep_ranges(root, 0, open[0]);
    ++outcome.nodes;
    if (!relaxation(0).finite() || !minorants.value.allFinite()) return overflows();
    if (task_.tree != nullptr) record(open[0]);
    if (!assess(root, minorants, 0, open[0])) {
      outcome.kind = SearchOutcome::Kind::kRefuted;
      return outcome;
    }
    if (task_.tree != nullptr) {
      const Index inputs = graph_.inputs();
      task_.tree->nodes[0].box = Box(open[0].low.head(inputs), open[0].high.head(inputs));
    }
  }
  while (relaxations_.size() < kRound.portions) relaxations_.push_back(relaxations_.front());
  Team team(task_.context.threads);
  double closed = 0;
  Rng rng = Rng(task_.context.seed).split(1);
  auto told = std::chrono::steady_clock::now();
  while (!open.empty()) {
    const auto now = std::chrono::steady_clock::now();
    if (now > task_.deadline) {
      outcome.kind = SearchOutcome::Kind::kTime;
      break;
    }
    if (outcome.nodes >= task_.most_nodes) {
      outcome.kind = SearchOutcome::Kind::kNodes;
      break;
    }
    if (task_.context.progress && now - told > std::chrono::milliseconds(100)) {
      told = now;
      if (!task_.context.progress({"refuted", closed, 1})) {
        outcome.kind = SearchOutcome::Kind::kCancelled;
        break;
      }
    }
    std::vector<Expansion> expansions = expand_round<Expansion>(
        open, kRound, team,
        [&](int k, std::span<const Node> parents, Expansion& out) { expand(relaxation(k), parents, out); });
    for (Expansion& expansion : expansions) {
      outcome.nodes += expansion.nodes;
      closed += expansion.closed;
      if (task_.tree != nullptr) record(expansion);
      push_nodes(open, std::move(expansion.children), task_.worst_first);
      for (Node& node : expansion.stuck) stuck.push_back(std::move(node));
    }
    Attack::Best best = task_.attack.climb(task_.attack.starts(kDraws, rng), kDrawClimb, kDrawStride, 0);
    Expansion& drawn = expansions.emplace_back();
    drawn.depth = best.depth;
    drawn.candidate = std::move(best.point);
    for (const Expansion& expansion : expansions) {
      if (expansion.candidate.size() == 0) continue;
      const std::optional<double> rise = task_.take(expansion.candidate, expansion.depth);
      if (!rise) {
        outcome.kind = SearchOutcome::Kind::kTaken;
        return outcome;
      }
      // With rows over inputs a value is that of a mixture of rows, which rises by less: it holds as it is.
      if (*rise > 0 && query_.input_rows.size() == 0) closed += raise_values(open, *rise) + raise_values(stuck, *rise);
    }
  }
  for (const std::vector<Node>* nodes : {&open, &stuck}) {
    for (const Node& node : *nodes) outcome.gap = std::max(outcome.gap, -node.value);
  }
  if (open.empty()) {
    outcome.kind = stuck.empty() ? SearchOutcome::Kind::kRefuted : SearchOutcome::Kind::kStuck;
    outcome.reason = "boxes too small to halve stay undecided";
  }
  return outcome;
}

}  // namespace

SearchOutcome search_boxes(const SearchTask& task) { return BoxSearch(task).run(); }

}  // namespace unrect
