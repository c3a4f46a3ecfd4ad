#include "unrect/verify/optimize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/tournament.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/verify/internal/box_cuts.hpp"
#include "unrect/verify/internal/engine.hpp"
#include "unrect/verify/internal/exact_pass.hpp"
#include "unrect/verify/internal/region_walk.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRelativeGap = 1e-6, kGapOfTerms = 1e-11;
// A gap within rounding's reach would never close: relative to the terms, and where there are none.
constexpr double kSmallestOfTerms = 1e-12, kSmallestGap = 1e-200;
// Before any bound: points of the domain and a climb from each.
constexpr Index kStarts = 64;
constexpr int kSteps = 60;
constexpr double kStride = 0.25;
// Regions of one walk.
constexpr int kRegions = 200;

double rounded_up(double sum) { return std::nextafter(sum, kInfinity); }

// A search with a bar that rises: {y : direction · y ≥ bar} is what each set is searched for, and the bar is always the
// largest value found so far plus the gap. Where nothing is left, no value reaches the bar.
class Maximum {
 public:
  Maximum(const Network& network, const Objective& objective, const OptimizeOptions& options, const Context& context,
          Clock::time_point deadline)
      : network_(network),
        objective_(objective),
        options_(options),
        context_(context),
        deadline_(deadline),
        stages_(stages_of(network)),
        graph_(without_maxima(stages_)),
        exact_(stages_) {}

  void search(const InputSet& set, Rng rng);
  OptimizeResult result() const;

 private:
  double gap() const {
    const double usual = std::max(kRelativeGap * std::abs(best_), kGapOfTerms * terms_);
    return std::max({options_.gap.value_or(usual), kSmallestOfTerms * terms_, kSmallestGap});
  }
  double bar() const { return std::max(best_ + gap(), std::nextafter(best_, kInfinity)); }
  void consider(const Query& query, Vector point);
  void consider_around(const Query& query, const RegionWalk& walk, const Vector& point);
  void interrupted(const SearchOutcome& outcome, double bar);

  const Network& network_;
  const Objective& objective_;
  const OptimizeOptions& options_;
  const Context& context_;
  Clock::time_point deadline_;
  Stages stages_;
  BoundGraph graph_;
  ExactPass exact_;

  double best_ = -kInfinity;  // direction · M(point), rounded down
  Vector point_;
  double terms_ = 0;            // Σ |direction| · (a bound on the terms of an output), of the set at hand
  double proved_ = -kInfinity;  // no value of the sets searched so far is above this and above the bar
  bool complete_ = true;
  OptimizeResult so_far_;
};

// Keeps a point of the domain if it is the best one so far.
void Maximum::consider(const Query& query, Vector point) {
  if (!point.allFinite()) return;
  point = point.cwiseMax(query.box.lower).cwiseMin(query.box.upper);
  if (query.input_rows.size() > 0 && exact_side(point, query.input_rows) < 0) return;
  const double value = exact_.value(point, objective_.direction, 0).first;
  if (!(value > best_)) return;
  best_ = value;
  point_ = std::move(point);
}

void Maximum::consider_around(const Query& query, const RegionWalk& walk, const Vector& point) {
  consider(query, point);
  if (walk.possible()) consider(query, walk.from(point, kRegions).point);
}

void Maximum::interrupted(const SearchOutcome& outcome, double bar) {
  complete_ = false;
  proved_ = std::max(proved_, rounded_up(bar + outcome.gap));
  if (outcome.kind == SearchOutcome::Kind::kTime) {
    so_far_.status = IntervalStatus::kTimeout;
  } else {
    so_far_.reason = outcome.kind == SearchOutcome::Kind::kCancelled ? "cancelled" : outcome.reason;
  }
}

void Maximum::search(const InputSet& set, Rng rng) {
  const Vector& direction = objective_.direction;
  Query query(Property::Case{set.box, set.rows, {Halfspaces(-direction.transpose(), Vector::Zero(1))}});
  if (query.dimension() == 0) {
    if (query.input_rows.size() > 0 && exact_side(set.box.lower, query.input_rows) < 0) return;
    consider(query, set.box.lower);
    if (point_.size() == 0) return interrupted(overflows(), kInfinity);
    proved_ = std::max(proved_, exact_.value(set.box.lower, direction, 0).second);
    return;
  }
  const Attack attack(graph_, query);
  const RegionWalk walk(network_, query, attack);
  if (query.input_rows.size() > 0) {
    const AffineRows rows{query.input_rows.normals, -query.input_rows.offsets};
    consider(query, deepest_point(rows, set.box.lower, set.box.upper).point);
  }
  consider_around(query, walk, attack.climb(attack.starts(kStarts, rng), kSteps, kStride, kInfinity).point);

  // The whole set at once.
  Relaxation relaxation(graph_, set.box);
  Objectives both{Matrix(2, direction.size()), Vector::Zero(2)};
  both.rows << direction.transpose(), -direction.transpose();
  Minorants whole;
  relaxation.minimize(relaxation.root(), both, whole);
  if (!relaxation.finite() || !whole.value.allFinite()) return interrupted(overflows(), 0);
  const double least = whole.value[0], most = -whole.value[1];
  terms_ = direction.cwiseAbs().dot(relaxation.magnitude(graph_.size() - 1));
  // Without a point yet, whatever there is is above the bar.
  double here = best_ > -kInfinity ? bar() : least;
  if (best_ > -kInfinity && most <= here) {
    proved_ = std::max(proved_, most);
    return;
  }
  query.raise_bar(-here);
  const auto take = [&](const VectorRef& point, double depth) -> std::optional<double> {
    // What gains less than half a gap is not worth its exact pass.
    if (best_ > -kInfinity && depth <= -0.5 * gap()) return 0.0;
    const double before = best_;
    if (before == -kInfinity || attack.depths(point.transpose())[0] > -0.5 * gap()) consider_around(query, walk, point);
    if (!(best_ > before) || bar() <= here) return 0.0;
    here = bar();
    return query.raise_bar(-here);
  };
  const SearchTask task{graph_, query, attack, context_, deadline_, take, true};
  SearchOutcome outcome = search_engine(task);
  if (query.input_rows.size() > 0) outcome.gap = std::max(outcome.gap, most - here);  // it mixes the rows' units
  so_far_.nodes += outcome.nodes;
  if (outcome.kind != SearchOutcome::Kind::kRefuted) return interrupted(outcome, here);
  if (best_ > -kInfinity) proved_ = std::max(proved_, std::min(here, most));
}

OptimizeResult Maximum::result() const {
  OptimizeResult result = so_far_;
  result.upper = proved_;
  if (point_.size() > 0) {
    result.point = point_;
    const double sum = proved_ + objective_.constant;
    result.lower = exact_.value(point_, objective_.direction, objective_.constant).first;
    if (objective_.constant != 0) result.upper = rounded_up(sum);
    result.upper = std::max(result.upper, result.lower);
  }
  const double open = result.upper - result.lower;
  const bool narrow = point_.size() > 0 && std::isfinite(open) && (complete_ || open <= gap());
  if (narrow || (complete_ && point_.size() == 0))
    result.status = point_.size() > 0 ? IntervalStatus::kClosed : IntervalStatus::kEmpty;
  return result;
}

OptimizeResult optimum(const Network& network, const Objective& objective, const std::vector<InputSet>& domain,
                       const OptimizeOptions& options, const Context& context) {
  UNRECT_REQUIRE(objective.direction.size() == network.output_size(), ErrorCode::kInvalidArgument,
                 "the objective is about {} outputs, the network has {}", objective.direction.size(),
                 network.output_size());
  UNRECT_REQUIRE(objective.direction.allFinite() && std::isfinite(objective.constant), ErrorCode::kInvalidArgument,
                 "the objective has a coefficient that is not finite");
  validate(options);
  for (const InputSet& set : domain) {
    UNRECT_REQUIRE(set.box.dimension() == network.input_size(), ErrorCode::kInvalidArgument,
                   "the domain has {} inputs, the network has {}", set.box.dimension(), network.input_size());
  }
  const auto start = Clock::now();
  Maximum maximum(network, objective, options, context, deadline_after(start, options.time_limit));
  const Rng rng(context.seed);
  for (std::size_t i = 0; i < domain.size(); ++i) maximum.search(domain[i], rng.split(i));
  OptimizeResult result = maximum.result();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace

std::string_view to_string(IntervalStatus status) {
  switch (status) {
    case IntervalStatus::kClosed:
      return "closed";
    case IntervalStatus::kTimeout:
      return "timeout";
    case IntervalStatus::kUnknown:
      return "unknown";
    case IntervalStatus::kEmpty:
      return "empty";
  }
  return "";
}

std::vector<InputSet> input_sets(const Property& property) {
  std::vector<InputSet> sets;
  for (const Property::Case& each : property.cases) {
    const auto same = [&](const InputSet& set) {
      return set.box.lower == each.box.lower && set.box.upper == each.box.upper &&
             set.rows.size() == each.input_rows.size() &&
             (set.rows.size() == 0 ||
              (set.rows.normals == each.input_rows.normals && set.rows.offsets == each.input_rows.offsets));
    };
    if (std::ranges::none_of(sets, same)) sets.push_back({each.box, each.input_rows});
  }
  return sets;
}

OptimizeResult maximize(const Network& network, const Objective& objective, const std::vector<InputSet>& domain,
                        const OptimizeOptions& options, const Context& context) {
  return optimum(network, objective, domain, options, context);
}

OptimizeResult minimize(const Network& network, const Objective& objective, const std::vector<InputSet>& domain,
                        const OptimizeOptions& options, const Context& context) {
  OptimizeResult result = optimum(network, {-objective.direction, -objective.constant}, domain, options, context);
  result.lower = std::exchange(result.upper, -result.lower);
  result.lower = -result.lower;
  return result;
}

}  // namespace unrect
