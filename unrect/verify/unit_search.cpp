#include "unrect/verify/internal/unit_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "unrect/bounds/internal/dual_ascent.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/verify/internal/round.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr RoundSize kRound{.portions = 4, .nodes = 8};
// Units that are tried before one is split.
constexpr std::size_t kCandidates = 4;
// Beyond so many inputs a leaf's linear program is not tried.
constexpr Index kLargestLp = 1000;
// Rows that climb at once for the root's ranges.
constexpr std::size_t kRows = 128;

struct Place {
  int stage = 0;
  Index unit = 0;
};

struct Node {
  std::vector<Split> splits;
  Vector beta, lambda;
  std::vector<Vector> alpha;  // by stage
  double value = -kInfinity;
  double share = 1;
  std::vector<Place> candidates;  // units to split, the most promising first
};

struct Expansion {
  std::vector<Node> children;
  std::vector<Node> leaves;
  std::uint64_t nodes = 0;
  double closed = 0;
  Vector candidate;
  double depth = -kInfinity;
};

class UnitSearch {
 public:
  explicit UnitSearch(const SearchTask& task) : task_(task), graph_(task.graph), query_(task.query) {
    relaxations_.emplace_back(graph_, query_.box, query_.ball);
    ranges_ = relaxations_.front().root();
  }

  SearchOutcome run();

 private:
  static constexpr int kRangeSteps = 8, kRootSteps = 60, kNodeSteps = 15;

  Relaxation& relaxation(int slot) { return relaxations_[static_cast<std::size_t>(slot)]; }
  bool late() const { return std::chrono::steady_clock::now() > task_.deadline; }
  void sharpen_ranges(SearchOutcome& outcome);
  AscentRows rows_of(std::span<const Node> nodes) const;
  void keep(const AscentRows& rows, Index r, Node& node) const;
  void expand(Relaxation& relaxation, std::span<const Node> parents, Expansion& out) const;
  void take_corner(const AscentRows& rows, Index r, Expansion& out) const;
  double lp_bound(Relaxation& relaxation, const Node& leaf, Expansion& out) const;
  bool search_polytope(Index polytope, SearchOutcome& outcome, Team& team);

  const SearchTask& task_;
  const BoundGraph& graph_;
  const Query& query_;
  std::vector<Relaxation> relaxations_;
  NodeBatch ranges_;       // of the domain
  Objectives objectives_;  // of the polytope at hand
};

// The domain's ranges once more, each undecided unit's with slopes of its own.
void UnitSearch::sharpen_ranges(SearchOutcome& outcome) {
  const int last = graph_.size() - 1;
  for (int s = 2; s < last; ++s) {
    if (graph_[s].piecewise() == nullptr) continue;
    relaxation(0).tighten(ranges_);  // what later stages gain from the earlier ones
    std::vector<std::pair<Index, int>> sides;
    for (Index i = 0; i < graph_[s].size; ++i) {
      if (ranges_.low[at(s)](0, i) < 0 && ranges_.high[at(s)](0, i) > 0) {
        sides.emplace_back(i, 1);
        sides.emplace_back(i, -1);
      }
    }
    for (std::size_t begin = 0; begin < sides.size() && !late(); begin += kRows) {
      const std::size_t count = std::min(kRows, sides.size() - begin);
      AscentRows rows;
      rows.stage = s;
      rows.nodes.empty.assign(count, 0);
      for (int t = 0; t < last; ++t) {
        rows.nodes.low.push_back(ranges_.low[at(t)].replicate(static_cast<Index>(count), 1));
        rows.nodes.high.push_back(ranges_.high[at(t)].replicate(static_cast<Index>(count), 1));
      }
      for (std::size_t r = 0; r < count; ++r) {
        Objectives own{Matrix::Zero(1, graph_[s].size), Vector::Zero(1)};
        own.rows(0, sides[begin + r].first) = sides[begin + r].second;
        rows.objectives.push_back(std::move(own));
      }
      start_ascent(relaxation(0), rows);
      AscentOptions options;
      options.steps = kRangeSteps;
      ascend(relaxation(0), rows, options);
      outcome.nodes += count;
      for (std::size_t r = 0; r < count; ++r) {
        const auto [i, sign] = sides[begin + r];
        double& low = ranges_.low[at(s)](0, i);
        double& high = ranges_.high[at(s)](0, i);
        if (sign > 0) {
          low = std::max(low, rows.value[static_cast<Index>(r)]);
        } else {
          high = std::min(high, -rows.value[static_cast<Index>(r)]);
        }
      }
    }
  }
}

AscentRows UnitSearch::rows_of(std::span<const Node> nodes) const {
  AscentRows rows;
  const auto count = static_cast<Index>(nodes.size());
  const int last = graph_.size() - 1;
  rows.stage = last;
  rows.nodes.empty.assign(nodes.size(), 0);
  for (int s = 0; s < last; ++s) {
    rows.nodes.low.push_back(ranges_.low[at(s)].replicate(count, 1));
    rows.nodes.high.push_back(ranges_.high[at(s)].replicate(count, 1));
  }
  rows.alpha.assign(at(graph_.size()), Matrix());
  for (int s = 1; s < last; ++s) {
    if (nodes.empty() || nodes.front().alpha[at(s)].size() == 0) continue;
    rows.alpha[at(s)].resize(count, graph_[s].units);
    for (Index r = 0; r < count; ++r) rows.alpha[at(s)].row(r) = nodes[at(r)].alpha[at(s)].transpose();
  }
  for (Index r = 0; r < count; ++r) {
    const Node& node = nodes[at(r)];
    for (const Split& split : node.splits) {
      double& low = rows.nodes.low[at(split.stage)](r, split.unit);
      double& high = rows.nodes.high[at(split.stage)](r, split.unit);
      if (split.sign > 0) {
        low = std::max(low, split.at);
      } else {
        high = std::min(high, split.at);
      }
    }
    rows.splits.push_back(node.splits);
    rows.beta.push_back(node.beta);
    rows.lambda.push_back(node.lambda);
    rows.objectives.push_back(objectives_);
  }
  rows.value = Vector::Constant(count, -kInfinity);
  return rows;
}

// What has been found out about a node, and the units that cost its bound most.
void UnitSearch::keep(const AscentRows& rows, Index r, Node& node) const {
  node.value = std::max(node.value, rows.value[r]);
  node.beta = rows.beta[at(r)];
  node.lambda = rows.lambda[at(r)];
  node.alpha.resize(at(graph_.size()));
  std::vector<std::pair<double, Place>> scored;
  for (int s = 1; s < rows.stage; ++s) {
    if (rows.alpha[at(s)].size() > 0) node.alpha[at(s)] = rows.alpha[at(s)].row(r).transpose();
    const Piecewise* f = graph_[s].piecewise();
    if (f == nullptr) continue;
    for (Index i = 0; i < graph_[s].units; ++i) {
      const double low = rows.nodes.low[at(s)](r, i), high = rows.nodes.high[at(s)](r, i);
      bool open = false;
      for (Index b = 0; b < f->breaks.cols(); ++b)
        open |= low < f->breaks(f->row_of(i), b) && f->breaks(f->row_of(i), b) < high;
      if (open) scored.push_back({rows.score[at(s)].size() > 0 ? rows.score[at(s)](r, i) : high - low, {s, i}});
    }
  }
  const auto count = static_cast<std::ptrdiff_t>(std::min(kCandidates, scored.size()));
  std::partial_sort(scored.begin(), scored.begin() + count, scored.end(), [](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first > b.first;
    return std::pair(a.second.stage, a.second.unit) < std::pair(b.second.stage, b.second.unit);
  });
  node.candidates.clear();
  for (std::ptrdiff_t k = 0; k < count; ++k) node.candidates.push_back(scored[static_cast<std::size_t>(k)].second);
}

void UnitSearch::take_corner(const AscentRows& rows, Index r, Expansion& out) const {
  const double depth = task_.attack.depths(rows.corner.row(r))[0];
  if (depth <= out.depth) return;
  out.depth = depth;
  out.candidate = rows.corner.row(r);
}

void UnitSearch::expand(Relaxation& relaxation, std::span<const Node> parents, Expansion& out) const {
  std::vector<Node> halves;
  std::vector<std::size_t> parent_of;  // of each pair
  for (std::size_t n = 0; n < parents.size(); ++n) {
    const Node& parent = parents[n];
    if (parent.candidates.empty()) {
      Node& leaf = out.leaves.emplace_back(parent);
      leaf.value = std::max(leaf.value, lp_bound(relaxation, parent, out));
      if (leaf.value > 0) {
        out.closed += parent.share;
        out.leaves.pop_back();
      }
      continue;
    }
    const NodeBatch own = rows_of(parents.subspan(n, 1)).nodes;
    for (const Place& place : parent.candidates) {
      const Piecewise& f = *graph_[place.stage].piecewise();
      // The break that is nearest to the middle of the range.
      const double low = own.low[at(place.stage)](0, place.unit), high = own.high[at(place.stage)](0, place.unit);
      double cut = 0, distance = kInfinity;
      for (Index b = 0; b < f.breaks.cols(); ++b) {
        const double here = f.breaks(f.row_of(place.unit), b);
        if (low < here && here < high && std::abs(here - 0.5 * (low + high)) < distance) {
          distance = std::abs(here - 0.5 * (low + high));
          cut = here;
        }
      }
      parent_of.push_back(n);
      for (const int sign : {1, -1}) {
        Node& half = halves.emplace_back(parent);
        half.splits.push_back({place.stage, place.unit, cut, sign});
        half.beta.conservativeResize(half.beta.size() + 1);
        half.beta[half.beta.size() - 1] = 0;
        half.share *= 0.5;
      }
    }
  }
  if (halves.empty()) return;
  AscentRows tried = rows_of(halves);
  AscentOptions quick;
  quick.steps = parents.size() == halves.size() / 2 ? 1 : 3;
  ascend(relaxation, tried, quick);
  std::vector<Node> children;
  for (std::size_t first = 0; first < parent_of.size();) {
    std::size_t last = first, best = first;
    double best_score = -kInfinity;
    for (; last < parent_of.size() && parent_of[last] == parent_of[first]; ++last) {
      const double a = std::min(tried.value[static_cast<Index>(2 * last)], 0.0);
      const double b = std::min(tried.value[static_cast<Index>(2 * last + 1)], 0.0);
      if (a + b > best_score) {
        best_score = a + b;
        best = last;
      }
    }
    for (const std::size_t i : {2 * best, 2 * best + 1}) {
      ++out.nodes;
      if (tried.value[static_cast<Index>(i)] > 0) {
        out.closed += halves[i].share;
        continue;
      }
      Node child = std::move(halves[i]);
      keep(tried, static_cast<Index>(i), child);
      children.push_back(std::move(child));
    }
    first = last;
  }
  if (children.empty()) return;
  AscentRows rows = rows_of(children);
  AscentOptions options;
  options.steps = kNodeSteps;
  ascend(relaxation, rows, options);
  std::vector<Node> open;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const auto r = static_cast<Index>(i);
    if (rows.value[r] > 0) {
      out.closed += children[i].share;
      continue;
    }
    keep(rows, r, children[i]);
    take_corner(rows, r, out);
    open.push_back(std::move(children[i]));
  }
  std::ranges::stable_sort(open, std::greater{}, &Node::value);  // the worst one is next
  for (Node& node : open) out.children.push_back(std::move(node));
}

// A leaf has no undecided unit: its bounds are affine but for rounding, and one linear program is all that is left.
double UnitSearch::lp_bound(Relaxation& relaxation, const Node& leaf, Expansion& out) const {
  const Index inputs = graph_.inputs();
  if (inputs > kLargestLp) return -kInfinity;
  const NodeBatch nodes = rows_of(std::span(&leaf, 1)).nodes;
  Halfspaces sides;
  const auto count = static_cast<Index>(leaf.splits.size());
  const Index others = objectives_.size() - 1;
  sides.normals.resize(count + others + query_.input_rows.size(), inputs);
  sides.offsets.resize(sides.normals.rows());
  Relaxation::Sweep sweep;
  const auto minorant = [&](int stage, const Matrix& row, double constant, Vector& slope) {
    sweep.stage = stage;
    sweep.rows = row;
    sweep.constant = Vector::Constant(1, constant);
    sweep.doubt = Vector::Zero(1);
    relaxation.sweep_rows(nodes, sweep, false);
    slope = sweep.slope.row(0).transpose();
    return sweep.intercept[0];
  };
  Vector slope;
  // −sign (z − at) ≤ 0 on the leaf, and its minorant is below it.
  for (Index k = 0; k < count; ++k) {
    const Split& split = leaf.splits[at(k)];
    Matrix row = Matrix::Zero(1, graph_[split.stage].size);
    row(0, split.unit) = -split.sign;
    sides.offsets[k] = -minorant(split.stage, row, split.sign * split.at, slope);
    sides.normals.row(k) = slope.transpose();
  }
  const int last = graph_.size() - 1;
  for (Index i = 0; i < others; ++i) {
    sides.offsets[count + i] = -minorant(last, objectives_.rows.row(i + 1), objectives_.offsets[i + 1], slope);
    sides.normals.row(count + i) = slope.transpose();
  }
  for (Index i = 0; i < query_.input_rows.size(); ++i) {
    sides.normals.row(count + others + i) = query_.input_rows.normals.row(i);
    sides.offsets[count + others + i] = query_.input_rows.offsets[i];
  }
  const double constant = minorant(last, objectives_.rows.row(0), objectives_.offsets[0], slope);
  if (!sides.offsets.allFinite() || !sides.normals.allFinite() || !std::isfinite(constant)) return -kInfinity;
  DenseLp lp(sides, query_.box);
  const LpResult& result = lp.minimize(slope);
  ++out.nodes;
  const double bound = result.safe_bound + constant - 1e-14 * std::abs(constant);
  if (!(bound > 0) && result.status == LpStatus::kOptimal) {
    const double depth = task_.attack.depths(result.x.transpose())[0];
    if (depth > out.depth) {
      out.depth = depth;
      out.candidate = result.x;
    }
  }
  return bound;
}

bool UnitSearch::search_polytope(Index polytope, SearchOutcome& outcome, Team& team) {
  const Index begin = query_.first[at(polytope)], size = query_.unsafe[at(polytope)].size();
  if (size == 0) {
    outcome.kind = SearchOutcome::Kind::kStuck;
    outcome.reason = "an unsafe set without rows holds every output, and no point of the domain was found";
    return false;
  }
  objectives_ = {query_.rows.rows.middleRows(begin, size), query_.rows.offsets.segment(begin, size)};
  std::vector<Node> open(1), leaves;
  {
    AscentRows rows;
    rows.stage = graph_.size() - 1;
    rows.nodes = ranges_;
    rows.objectives = {objectives_};
    start_ascent(relaxation(0), rows);
    AscentOptions options;
    options.steps = kRootSteps;
    ascend(relaxation(0), rows, options);
    ++outcome.nodes;
    if (rows.value[0] > 0) return true;
    if (!relaxation(0).finite() || !std::isfinite(rows.value[0])) {
      outcome.kind = SearchOutcome::Kind::kStuck;
      outcome.gap = kInfinity;
      outcome.reason = overflows().reason;
      return false;
    }
    keep(rows, 0, open[0]);
  }
  while (relaxations_.size() < kRound.portions) relaxations_.push_back(relaxations_.front());
  const auto stopped = [&](SearchOutcome::Kind kind) {
    outcome.kind = kind;
    for (const std::vector<Node>* nodes : {&open, &leaves}) {
      for (const Node& node : *nodes) outcome.gap = std::max(outcome.gap, -node.value);
    }
    return false;
  };
  const std::uint64_t before = outcome.nodes;
  double closed = 0;
  while (!open.empty()) {
    if (late()) return stopped(SearchOutcome::Kind::kTime);
    if (outcome.nodes - before >= task_.most_nodes) return stopped(SearchOutcome::Kind::kNodes);
    if (task_.context.progress && !task_.context.progress({"refuted", closed, 1}))
      return stopped(SearchOutcome::Kind::kCancelled);
    std::vector<Expansion> expansions = expand_round<Expansion>(
        open, kRound, team,
        [&](int k, std::span<const Node> parents, Expansion& out) { expand(relaxation(k), parents, out); });
    for (Expansion& expansion : expansions) {
      outcome.nodes += expansion.nodes;
      closed += expansion.closed;
      push_nodes(open, std::move(expansion.children), task_.worst_first);
      for (Node& node : expansion.leaves) leaves.push_back(std::move(node));
    }
    for (const Expansion& expansion : expansions) {
      if (expansion.candidate.size() == 0) continue;
      const std::optional<double> rise = task_.take(expansion.candidate, expansion.depth);
      if (!rise) return stopped(SearchOutcome::Kind::kTaken);
      if (*rise > 0) {
        objectives_.offsets = query_.rows.offsets.segment(begin, size);
        closed += raise_values(open, *rise) + raise_values(leaves, *rise);
      }
    }
  }
  if (leaves.empty()) return true;
  outcome.reason = "leaves without an undecided unit that rounding leaves open";
  return stopped(SearchOutcome::Kind::kStuck);
}

SearchOutcome UnitSearch::run() {
  SearchOutcome outcome;
  outcome.kind = SearchOutcome::Kind::kRefuted;
  sharpen_ranges(outcome);
  Team team(task_.context.threads);
  SearchOutcome stuck;
  bool complete = true;
  for (Index p = 0; p < query_.polytopes(); ++p) {
    if (search_polytope(p, outcome, team)) continue;
    if (outcome.kind != SearchOutcome::Kind::kStuck) return outcome;
    complete = false;
    stuck = outcome;
  }
  if (!complete) {
    outcome.kind = SearchOutcome::Kind::kStuck;
    outcome.reason = stuck.reason;
  }
  return outcome;
}

}  // namespace

SearchOutcome search_units(const SearchTask& task) { return UnitSearch(task).run(); }

}  // namespace unrect
