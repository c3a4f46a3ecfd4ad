#include "unrect/verify/box_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "unrect/base/team.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// A round: so many tasks of so many boxes each.
constexpr int kTasks = 8;
constexpr std::size_t kParents = 4;
// Directions that are tried, the most promising ones.
constexpr std::size_t kDirections = 6;
// Passes over the minorants that cut a box.
constexpr int kCuts = 2;
// What a half that gains nothing counts for, and the smallest gap.
constexpr double kLittle = 0.05, kTiny = 1e-12;
// A box narrower than this, relative to the domain, in every direction is left to others.
constexpr double kNarrow = 1e-9;

struct Node {
  Vector low, high;   // ranges of all stages, one after another; the box first
  double value = 0;   // min over the polytopes that are not refuted of the best row's minimum
  double volume = 1;  // of the box after its cuts, relative to what was bounded
  double share = 1;   // of the domain, by halvings
};

struct Expansion {
  std::vector<Node> children;
  std::vector<Node> stuck;
  double closed = 0;  // share
  std::uint64_t nodes = 0;
  Vector candidate;
  double depth = -kInfinity;
};

class BoxSearch {
 public:
  explicit BoxSearch(const SearchTask& task)
      : task_(task), graph_(task.graph), query_(task.query), width_(query_.box.upper - query_.box.lower) {
    relaxations_.emplace_back(graph_, query_.box);
    for (int s = 0; s + 1 < graph_.size(); ++s) total_ += graph_[s].size;
  }

  SearchOutcome run();

 private:
  Relaxation& relaxation(int slot) { return relaxations_[static_cast<std::size_t>(slot)]; }
  NodeBatch batch(const std::vector<Node>& nodes) const;
  void keep_ranges(const NodeBatch& from, Index row, Node& to) const;
  bool assess(const NodeBatch& batch, const Minorants& minorants, Index row, Node& node) const;
  bool cut(const VectorRef& slope, double constant, Vector& low, Vector& high) const;
  std::vector<Index> directions(const Node& node) const;
  void expand(Relaxation& relaxation, std::span<const Node> parents, Expansion& out) const;
  bool try_candidate(const Expansion& from, SearchOutcome& outcome);

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

// Keeps what of a box can have slope·x + constant ≤ 0; false if that is nothing. Rounded outward.
bool BoxSearch::cut(const VectorRef& slope, double constant, Vector& low, Vector& high) const {
  double least = constant, size = std::abs(constant);
  for (Index j = 0; j < low.size(); ++j) {
    least += std::min(slope[j] * low[j], slope[j] * high[j]);
    size += std::abs(slope[j]) * std::max(std::abs(low[j]), std::abs(high[j]));
  }
  const double doubt = 2 * static_cast<double>(low.size() + 8) * kEpsilon * size;
  if (least > doubt) return false;
  for (Index j = 0; j < low.size(); ++j) {
    const double own = std::abs(slope[j]) * (high[j] - low[j]);
    const double room = 2 * doubt - least;  // slope (x − the better end) may be this much
    if (own <= room * (1 + 8 * kEpsilon)) continue;
    const double reach = room / std::abs(slope[j]) * (1 + 8 * kEpsilon);
    if (slope[j] > 0) {
      high[j] = std::min(high[j], low[j] + reach + 4 * kEpsilon * (std::abs(low[j]) + reach));
    } else {
      low[j] = std::max(low[j], high[j] - reach - 4 * kEpsilon * (std::abs(high[j]) + reach));
    }
  }
  return true;
}

// Whether a bounded box is still open; then its value is set and its box is cut.
bool BoxSearch::assess(const NodeBatch& batch, const Minorants& minorants, Index row, Node& node) const {
  if (batch.empty[at(row)]) return false;
  const Index inputs = graph_.inputs();
  Vector low = batch.low[0].row(row), high = batch.high[0].row(row);
  for (Index i = 0; i < query_.input_rows.size(); ++i) {
    if (!cut(query_.input_rows.normals.row(i).transpose(), -query_.input_rows.offsets[i], low, high)) return false;
  }
  Vector hull_low = Vector::Constant(inputs, kInfinity), hull_high = -hull_low;
  node.value = kInfinity;
  for (Index p = 0; p < query_.polytopes(); ++p) {
    const Index begin = row * query_.rows.size() + query_.first[at(p)], count = query_.unsafe[at(p)].size();
    const double best = count == 0 ? -kInfinity : minorants.value.segment(begin, count).maxCoeff();
    if (best > 0) continue;
    Vector cut_low = low, cut_high = high;
    bool open = true;
    for (int pass = 0; pass < kCuts; ++pass) {
      for (Index i = 0; i < count && open; ++i)
        open = cut(minorants.slope.row(begin + i).transpose(), minorants.constant[begin + i], cut_low, cut_high);
    }
    if (!open) continue;
    node.value = std::min(node.value, best);
    hull_low = hull_low.cwiseMin(cut_low);
    hull_high = hull_high.cwiseMax(cut_high);
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
    std::size_t order[2] = {2 * best, 2 * best + 1};
    if (halves[order[0]].value < halves[order[1]].value) std::swap(order[0], order[1]);  // the worse one is next
    for (const std::size_t i : order) {
      ++out.nodes;
      if (!open[i]) {
        out.closed += halves[i].share;
        continue;
      }
      Node child = std::move(halves[i]);
      const Vector low = child.low.head(graph_.inputs()), high = child.high.head(graph_.inputs());
      keep_ranges(bounded, static_cast<Index>(i), child);
      child.low.head(graph_.inputs()) = low;
      child.high.head(graph_.inputs()) = high;
      // Where the minorants are lowest.
      Matrix corners(query_.rows.size() + 1, graph_.inputs());
      for (Index q = 0; q < query_.rows.size(); ++q) {
        const Vector slope = minorants.slope.row(static_cast<Index>(i) * query_.rows.size() + q);
        corners.row(q) = (slope.array() > 0).select(low, high).transpose();
      }
      corners.row(query_.rows.size()) = 0.5 * (low + high).transpose();
      const Vector depths = task_.attack.depths(corners);
      Index deepest = 0;
      if (depths.maxCoeff(&deepest) > out.depth) {
        out.depth = depths[deepest];
        out.candidate = corners.row(deepest);
      }
      out.children.push_back(std::move(child));
    }
    first = last;
  }
}

// Whether the deepest point of an expansion, or one near it, is a witness.
bool BoxSearch::try_candidate(const Expansion& from, SearchOutcome& outcome) {
  if (from.candidate.size() == 0) return false;
  if (from.depth < 0) return false;
  outcome.witness = task_.judge.judge(query_, from.candidate);
  if (!outcome.witness) return false;
  outcome.kind = SearchOutcome::Kind::kWitness;
  return true;
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
    if (!assess(root, minorants, 0, open[0])) {
      outcome.kind = SearchOutcome::Kind::kRefuted;
      return outcome;
    }
  }
  while (static_cast<int>(relaxations_.size()) < kTasks) relaxations_.push_back(relaxations_.front());
  Team team(task_.context.threads);
  double closed = 0;
  auto told = std::chrono::steady_clock::now();
  while (!open.empty()) {
    const auto now = std::chrono::steady_clock::now();
    if (now > task_.deadline) {
      outcome.kind = SearchOutcome::Kind::kTime;
      break;
    }
    if (task_.context.progress && now - told > std::chrono::milliseconds(100)) {
      told = now;
      if (!task_.context.progress({"refuted", closed, 1})) {
        outcome.kind = SearchOutcome::Kind::kCancelled;
        break;
      }
    }
    const std::size_t taken = std::min(open.size(), kParents * kTasks);
    const std::vector<Node> parents(std::make_move_iterator(open.end() - static_cast<std::ptrdiff_t>(taken)),
                                    std::make_move_iterator(open.end()));
    open.resize(open.size() - taken);
    const auto tasks = static_cast<int>((taken + kParents - 1) / kParents);
    std::vector<Expansion> expansions(static_cast<std::size_t>(tasks));
    team.run(tasks, [&](int i) {
      const std::size_t begin = static_cast<std::size_t>(i) * kParents;
      expand(relaxation(i), std::span(parents).subspan(begin, std::min(kParents, taken - begin)),
             expansions[static_cast<std::size_t>(i)]);
    });
    for (Expansion& expansion : expansions) {
      outcome.nodes += expansion.nodes;
      closed += expansion.closed;
      for (Node& node : expansion.children) open.push_back(std::move(node));
      for (Node& node : expansion.stuck) stuck.push_back(std::move(node));
    }
    for (const Expansion& expansion : expansions) {
      if (try_candidate(expansion, outcome)) return outcome;
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
