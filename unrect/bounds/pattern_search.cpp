#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <utility>

#include "unrect/base/internal/team.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/pattern_cone.hpp"
#include "unrect/bounds/internal/slope_search.hpp"
#include "unrect/bounds/internal/steepest_walk.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// Nodes of a round: the same for any number of threads.
constexpr std::size_t kPortions = 8;
constexpr std::size_t kPortion = 4;
// Points that are tried before the search, and products that may take.
constexpr Index kSamples = 3000;
constexpr double kSamplingProducts = 3e8;
// Walks over regions: before the search until so many in a row have found nothing, and one after so many nodes.
constexpr int kInVain = 32;
constexpr std::uint64_t kNodesAWalk = 512;
constexpr int kPatience = 60;  // steps of a walk without a new maximum, while walks took no more products than
constexpr double kWalkProducts = 4e9, kProductsANode = 4e5;  // these together; beyond, walks only climb
constexpr std::uint64_t kSeed = 20260101;
constexpr Index kMostUnits = 1000;  // beyond it a single relaxation would take minutes
constexpr double kNarrow = 1e-12;   // what is known so well needs no exact slopes
constexpr double kBetter = 1e-12;   // what counts as an improvement, relative

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

struct Node {
  Pattern pattern;
  double bound = std::numeric_limits<double>::infinity();  // of the norm, proved
  double lambda = 0;                                       // of the relaxation; 0: not begun
  Vector multipliers;                                      // a unit; 0 where it has none
  std::optional<Vector> inside;
  std::uint64_t number = 0;
};

// Something that may raise the lower bound: a point, or a pattern that is known to have an interior.
struct Candidate {
  std::optional<Vector> point;
  Pattern pattern;
};

struct Expansion {
  std::vector<Node> children;
  std::vector<Candidate> candidates;
  double settled = 0;             // upper bound of what was decided here without children
  std::optional<Node> undecided;  // a leaf of which nobody can tell whether it has an interior
};

// One thread's tools.
class Workspace {
 public:
  Workspace(const UnitGraph& graph, const SlopeTask& task)
      : task_(task),
        graph_(graph),
        cone_(graph_, task.domain),
        spectral_(task.options.from == Norm::kTwo && task.options.to == Norm::kTwo) {}

  PatternCone& cone() { return cone_; }
  UnitGraph& graph() { return graph_; }

  // The norm of one pattern's map, all units decided.
  NormRange norm_of(const Pattern& pattern) {
    graph_.slopes(pattern, program_);
    return sharp(measured(UnitGraph::map_of(program_)), pattern);
  }
  double about_norm_of(const Pattern& pattern) {
    graph_.slopes(pattern, program_);
    return induced_norm(UnitGraph::map_of(program_).center, task_.options.from, task_.options.to);
  }

  void expand(Node node, double lower, Expansion& out) {
    const double enough = task_.enough(lower);
    graph_.slopes(node.pattern, program_);
    if (program_.units.empty()) return leaf(std::move(node), enough, out);
    if (spectral_ ? bound_by_relaxation(node, enough) : bound_by_intervals(node, enough)) {
      out.settled = enough;
      return;
    }
    branch(node, lower, out);
  }

 private:
  NormRange measured(const MatrixRange& map) const {
    NormRange norm = norm_range(map, task_.options.from, task_.options.to);
    const double error = graph_.directions().error;
    if (error > 0) {
      norm.low *= (1 - 4 * kEpsilon) / std::sqrt(1 + error);
      norm.high *= (1 + 4 * kEpsilon) / std::sqrt(1 - error);
    }
    return norm;
  }

  // What rounding leaves open is settled by exact slopes. Units on either piece do not matter to them here.
  NormRange sharp(NormRange norm, const Pattern& pattern) {
    if (graph_.directions().error > 0 || norm.high <= norm.low * (1 + kNarrow)) return norm;
    std::vector<std::uint16_t> pieces;
    for (const signed char piece : pattern) pieces.push_back(piece == 1 ? 1 : 0);
    const NormRange exact = measured(exact_slopes(cone_.exact_forms(), task_, pieces));
    return {std::max(norm.low, exact.low), std::min(norm.high, exact.high)};
  }

  // Nothing that is left to decide changes the slopes.
  void leaf(Node node, double enough, Expansion& out) {
    NormRange norm = measured(UnitGraph::map_of(program_));
    if (norm.high > enough) norm = sharp(norm, node.pattern);
    if (norm.high <= enough) {
      out.settled = norm.high;
      return;
    }
    if (node.inside) {
      std::vector<std::uint16_t> pieces;
      if (cone_.is_interior(*node.inside, pieces) && agrees(node.pattern, pieces)) {
        out.candidates.push_back({node.inside, node.pattern});
        out.settled = norm.high;
        return;
      }
    }
    const PatternCone::Answer answer = cone_.look(node.pattern);
    if (answer.empty) return;
    if (cone_.has_interior(node.pattern)) {
      out.candidates.push_back({std::nullopt, node.pattern});
      out.settled = norm.high;
    } else {
      node.bound = std::min(node.bound, norm.high);
      out.undecided = std::move(node);
    }
  }

  static bool agrees(const Pattern& pattern, const std::vector<std::uint16_t>& pieces) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != kEither && pattern[i] != static_cast<signed char>(pieces[i])) return false;
    }
    return true;
  }

  // Whether the norm is proved to be at most `enough`; else the node has a bound, and units have scores.
  bool bound_by_relaxation(Node& node, double enough) {
    const UnitProgram& p = program_.program;
    const Index m = p.undecided();
    const double metric = 1 - graph_.directions().error;
    const double target = enough * enough * metric * (1 - 8 * kEpsilon);
    if (node.lambda == 0) {
      shor_.lambda = std::numeric_limits<double>::infinity();
      if (m <= kMostUnits) shor_.start(p, graph_.weights_of(program_));
      if (!std::isfinite(shor_.lambda)) return bound_by_intervals(node, enough);
    } else {
      shor_.lambda = node.lambda;
      shor_.multipliers.resize(m);
      for (Index i = 0; i < m; ++i) shor_.multipliers[i] = node.multipliers[program_.units[at(i)]];
    }
    if (shor_.solve(p, target) && shor_.proves(p, target, program_.output_error, program_.unit_error)) return true;
    for (const double slack : {1e-10, 1e-7}) {
      const double lambda = shor_.lambda * (1 + slack);
      const double bound = std::sqrt(lambda / metric) * (1 + 8 * kEpsilon);
      if (!(bound < node.bound)) break;
      if (!shor_.proves(p, lambda, program_.output_error, program_.unit_error)) continue;
      node.bound = bound;
      break;
    }
    node.lambda = shor_.lambda;
    node.multipliers = Vector::Zero(graph_.units());
    score_.resize(at(m));
    likely_.resize(at(m));
    for (Index i = 0; i < m; ++i) {
      node.multipliers[program_.units[at(i)]] = shor_.multipliers[i];
      if (!shor_.has_moments()) {
        score_[at(i)] = p.units.row(i).norm();
        likely_[at(i)] = 1;
        continue;
      }
      const auto [vv, vz, zz] = shor_.moments(i);
      score_[at(i)] = std::abs(shor_.multipliers[i]) * std::min(vv, zz - 2 * vz + vv);
      likely_[at(i)] = vz > 0.5 * zz ? 1 : 0;
    }
    return node.bound <= enough;
  }

  bool bound_by_intervals(Node& node, double enough) {
    const MatrixRange range = UnitGraph::range_of(program_);
    node.bound = std::min(node.bound, measured(range).high);
    if (node.bound <= enough) return true;
    // A unit counts for as much as the paths through it.
    const UnitProgram& p = program_.program;
    const Index k = p.directions, m = p.undecided();
    Vector behind(m), ahead(m);
    for (Index i = 0; i < m; ++i) {
      behind[i] = p.units.row(i).head(k).lpNorm<1>();
      for (Index j = 0; j < i; ++j) behind[i] += std::abs(p.units(i, k + j)) * behind[j];
    }
    for (Index i = m - 1; i >= 0; --i) {
      ahead[i] = p.outputs.col(k + i).lpNorm<1>();
      for (Index j = i + 1; j < m; ++j) ahead[i] += std::abs(p.units(j, k + i)) * ahead[j];
    }
    score_.resize(at(m));
    likely_.assign(at(m), 1);
    for (Index i = 0; i < m; ++i) score_[at(i)] = ahead[i] * behind[i];
    return false;
  }

  // The pattern that the bound would like best is looked for on the first stage that is open: if its sides leave no
  // room, one of those that leave none must be on its other one.
  void branch(const Node& node, double lower, Expansion& out) {
    int stage = graph_.first_open_stage(node.pattern);
    Pattern wanted = node.pattern;
    std::vector<std::pair<double, Index>> units;  // by score
    for (std::size_t i = 0; i < program_.units.size(); ++i) {
      const Index unit = program_.units[i];
      if (graph_.unit(unit).stage != stage) continue;
      wanted[at(unit)] = likely_[i];
      units.emplace_back(-score_[i], unit);
    }
    if (units.empty()) {  // the stage is open, but only with units that do not matter
      for (Index i = 0; i < graph_.units(); ++i) {
        if (graph_.unit(i).stage == stage && node.pattern[at(i)] == kEither) units.emplace_back(0.0, i);
      }
      for (const auto& [score, unit] : units) wanted[at(unit)] = 1;
    }
    std::ranges::sort(units);
    const PatternCone::Answer answer = cone_.look(wanted);
    if (answer.inside) {
      const Pattern there = graph_.pattern_at(cone_.axes(), *answer.inside);
      if (about_norm_of(there) > lower * (1 + kBetter)) out.candidates.push_back({answer.inside, {}});
    }
    const std::optional<Pattern> known =
        node.inside ? std::optional(graph_.pattern_at(cone_.axes(), *node.inside)) : std::nullopt;
    const auto add = [&](Pattern pattern, Index decided, const std::optional<Vector>& inside) {
      Node child{std::move(pattern), node.bound, node.lambda, node.multipliers, inside, 0};
      if (!child.inside && known && (*known)[at(decided)] == child.pattern[at(decided)] && agree(child.pattern, *known))
        child.inside = node.inside;
      if (!child.inside) {
        PatternCone::Answer room = cone_.look(child.pattern);
        if (room.empty) return;
        child.inside = std::move(room.inside);
        if (child.inside) {
          const Pattern there = graph_.pattern_at(cone_.axes(), *child.inside);
          if (about_norm_of(there) > lower * (1 + kBetter)) out.candidates.push_back({child.inside, {}});
        }
      }
      out.children.push_back(std::move(child));
    };
    if (answer.empty) {
      Pattern pattern = node.pattern;
      for (const auto& [score, unit] : units) {
        if (std::ranges::find(answer.conflict, unit) == answer.conflict.end()) continue;
        pattern[at(unit)] = static_cast<signed char>(1 - wanted[at(unit)]);
        add(pattern, unit, std::nullopt);
        pattern[at(unit)] = wanted[at(unit)];
      }
      return;
    }
    const Index unit = units.front().second;
    for (const signed char piece : {wanted[at(unit)], static_cast<signed char>(1 - wanted[at(unit)])}) {
      Pattern pattern = node.pattern;
      pattern[at(unit)] = piece;
      add(std::move(pattern), unit, piece == wanted[at(unit)] ? answer.inside : std::nullopt);
    }
  }

  bool agree(const Pattern& pattern, const Pattern& there) const {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != kEither && pattern[i] != there[i] && graph_.unit(static_cast<Index>(i)).bends()) return false;
    }
    return true;
  }

  const SlopeTask& task_;
  UnitGraph graph_;
  PatternCone cone_;
  const bool spectral_;
  UnitGraph::Program program_;
  ShorBound shor_;
  std::vector<double> score_;
  std::vector<signed char> likely_;
};

class PatternSearch {
 public:
  explicit PatternSearch(const SlopeTask& task)
      : task_(task),
        graph_(task.stages, directions(task), margin(task.options)),
        team_(task.context.threads),
        progress_(task.context),
        rng_(kSeed) {
    for (std::size_t i = 0; i < kPortions; ++i) tools_.push_back(std::make_unique<Workspace>(graph_, task));
    walk_ = std::make_unique<SteepestWalk>(tools_.front()->graph(), tools_.front()->cone(), task.options.from,
                                           task.options.to, kSeed);
  }

  LipschitzResult run() {
    Node root;
    root.pattern = graph_.open_pattern();
    begin();
    open_.push_back(std::move(root));
    while (!open_.empty()) {
      std::ranges::pop_heap(open_, later);
      Node first = std::move(open_.back());
      open_.pop_back();
      if (first.bound <= task_.enough(result_.lower)) {
        result_.upper = std::max(result_.upper, first.bound);
        break;
      }
      if (result_.nodes == 0) {  // the whole is bounded whatever the time
        round(std::move(first));
        continue;
      }
      const bool goes_on = progress_.look(result_.nodes, result_.lower, first.bound);
      if (!goes_on || task_.out_of_time()) {
        result_.status = goes_on ? LipschitzStatus::kTimeLimit : LipschitzStatus::kCancelled;
        result_.upper = std::max(result_.upper, first.bound);
        break;
      }
      if (result_.nodes >= next_walk_) {
        next_walk_ = result_.nodes + kNodesAWalk;
        walk_on(first);
      }
      round(std::move(first));
    }
    result_.upper = std::max(result_.upper, result_.lower);
    result_.seconds = task_.seconds();
    return std::move(result_);
  }

 private:
  static Directions directions(const SlopeTask& task) {
    if (task.domain != nullptr) return directions_of(*task.domain);
    const Index n = task.network.input_size();
    return {Matrix::Identity(n, n)};
  }
  static std::vector<Index> margin(const LipschitzOptions& options) {
    return options.margin ? std::vector<Index>{options.margin->first, options.margin->second} : std::vector<Index>{};
  }
  // The highest bound is on top of the heap; of equal ones, the oldest.
  static bool later(const Node& a, const Node& b) {
    return std::tuple(a.bound, b.number) < std::tuple(b.bound, a.number);
  }

  void round(Node first) {
    std::vector<Node> nodes;
    nodes.push_back(std::move(first));
    while (nodes.size() < kPortions * kPortion && !open_.empty() && open_.front().bound > task_.enough(result_.lower)) {
      std::ranges::pop_heap(open_, later);
      nodes.push_back(std::move(open_.back()));
      open_.pop_back();
    }
    result_.nodes += nodes.size();
    std::vector<Expansion> expansions(nodes.size());
    const std::size_t portions = (nodes.size() + kPortion - 1) / kPortion;
    const double lower = result_.lower;
    team_.run(static_cast<int>(portions), [&](int k) {
      const std::size_t begin = static_cast<std::size_t>(k) * kPortion;
      for (std::size_t i = begin; i < std::min(begin + kPortion, nodes.size()); ++i)
        tools_[static_cast<std::size_t>(k)]->expand(std::move(nodes[i]), lower, expansions[i]);
    });
    for (Expansion& expansion : expansions) {
      result_.upper = std::max(result_.upper, expansion.settled);
      if (expansion.undecided) result_.upper = std::max(result_.upper, expansion.undecided->bound);
      for (const Candidate& candidate : expansion.candidates) consider(candidate);
      for (Node& child : expansion.children) {
        child.number = ++numbers_;
        open_.push_back(std::move(child));
        std::ranges::push_heap(open_, later);
      }
    }
  }

  // Proves that a candidate's region is there, and goes on from it.
  void consider(const Candidate& candidate) {
    if (candidate.point) {
      walk(*candidate.point);
    } else {
      accept(candidate.pattern, std::nullopt);
    }
  }

  bool accept(Pattern pattern, const std::optional<Vector>& point) {
    Workspace& tools = *tools_.front();
    for (signed char& piece : pattern) piece = piece == kEither ? 0 : piece;
    const double low = tools.norm_of(pattern).low;
    if (named_ && !(low > result_.lower)) return false;
    named_ = true;
    result_.lower = std::max(result_.lower, low);
    result_.configuration = configuration_of(task_.stages, std::vector<std::uint16_t>(pattern.begin(), pattern.end()));
    result_.point.reset();
    if (point) result_.point = tools.cone().input(*point);
    return true;
  }

  // Whether a walk from the point met a region steeper than all before.
  bool walk(const Vector& start) {
    const double most = kWalkProducts + kProductsANode * static_cast<double>(result_.nodes);
    const bool rich = static_cast<double>(walk_->norms) * products_ < most;
    const std::optional<SteepestWalk::Region> found =
        walk_->run(start, named_ ? result_.lower : -1, rich ? kPatience : 0, [&] { return task_.out_of_time(); });
    return found && accept(found->pattern, found->point);
  }

  // A point of the domain; of all inputs, near and far out.
  std::optional<Vector> random_point(Index turn) {
    PatternCone& cone = tools_.front()->cone();
    const Index k = cone.size() - 1;
    Vector point(k + 1);
    if (task_.domain == nullptr) {
      point = rng_.normal_vector(k + 1);
      point[k] = std::abs(point[k]) * std::pow(10.0, static_cast<double>(turn % 5) - 2);
    } else {
      for (Index d = 0; d < k; ++d) point[d] = 2 * rng_.uniform() - 1;
      point[k] = 1;
      if (!cone.admits(point)) return std::nullopt;
    }
    if (!(point[k] > 0)) return std::nullopt;
    return point;
  }

  // Points all over, and walks from the steepest of them and from others in turn.
  void begin() {
    products_ =
        static_cast<double>(task_.network.parameters() + 1) * static_cast<double>(tools_.front()->cone().size());
    const auto count =
        std::max<Index>(kInVain, static_cast<Index>(std::min<double>(kSamples, kSamplingProducts / products_)));
    std::vector<std::pair<double, Vector>> points;
    for (Index i = 0; i < count && (i < 8 || !task_.out_of_time()); ++i) {
      if (std::optional<Vector> point = random_point(i)) {
        const Pattern there = tools_.front()->graph().pattern_at(tools_.front()->cone().axes(), *point);
        points.emplace_back(-walk_->norm_of(there), std::move(*point));
      }
    }
    std::ranges::stable_sort(points, {}, [](const auto& p) { return p.first; });
    walk_->norms = 0;
    int in_vain = 0;
    for (std::size_t i = 0; i < points.size() && in_vain < kInVain && (i == 0 || !task_.out_of_time()); ++i) {
      // The i/2-th steepest, or one of the others from the flattest on.
      in_vain = walk(points[i % 2 == 0 ? i / 2 : points.size() - 1 - i / 2].second) ? 0 : in_vain + 1;
    }
  }

  // From the node that the bound likes best, and from anywhere, in turn.
  void walk_on(const Node& best) {
    const bool inside = ++walks_ % 2 == 0 && best.inside;
    if (const std::optional<Vector> start = inside ? best.inside : random_point(walks_)) walk(*start);
  }

  const SlopeTask& task_;
  UnitGraph graph_;
  Team team_;
  SlopeProgress progress_;
  Rng rng_;
  std::vector<std::unique_ptr<Workspace>> tools_;
  std::unique_ptr<SteepestWalk> walk_;  // with the first of them
  double products_ = 1;                 // of the slopes of one pattern
  std::uint64_t next_walk_ = kNodesAWalk;
  Index walks_ = 0;
  std::vector<Node> open_;  // a heap
  std::uint64_t numbers_ = 0;
  LipschitzResult result_;
  bool named_ = false;  // its region is known
};

}  // namespace

LipschitzResult search_patterns(const SlopeTask& task) { return PatternSearch(task).run(); }

}  // namespace unrect
