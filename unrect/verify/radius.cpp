#include "unrect/verify/radius.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/tournament.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/verify/internal/engine.hpp"
#include "unrect/verify/internal/witness_judge.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRelativeGap = 1e-3;
// The attack: points of a ball, and a climb from each.
constexpr Index kStarts = 32;
constexpr int kSteps = 20;
constexpr double kStride = 0.25;
// Without a box the largest radius that is looked at, and the first one, relative to the size of x.
// What counts as no bound at all; inputs are asked to be well inside.
constexpr double kEverywhere = 1e30, kLargestInput = 1e29;
constexpr double kFarthest = 1e6, kFirst = 1e-3;
// Points of one look along a segment, and how many looks, each at the piece that the last one has found.
constexpr Index kOnSegment = 64;
constexpr int kLooks = 3;
// A search is given up after so many nodes at first, and this many times as many each time that no radius is left to
// decide with as many; a fraction of the radius is precise enough for all but the last.
constexpr std::uint64_t kNodes = 1, kMore = 8, kMostNodes = std::uint64_t{1} << 18;
constexpr double kSpacings = 4;  // balls of fewer are not told from their neighbours
constexpr double kCoarse = 0.1, kFirstShare = 0.25;

class RadiusSearch {
 public:
  RadiusSearch(const Network& network, const VectorRef& x, const RadiusOptions& options, const Context& context,
               Clock::time_point deadline)
      : x_(x),
        options_(options),
        context_(context),
        deadline_(deadline),
        stages_(stages_of(network)),
        graph_(without_maxima(stages_)),
        judge_(network, stages_),
        whole_(query(kInfinity)) {}

  RadiusResult run();

 private:
  Query query(double r) const;
  double farthest() const;
  double distance(const Vector& input) const;
  double gap() const { return options_.gap.value_or(kRelativeGap * top()); }
  double top() const { return std::min(result_.upper, farthest_); }
  bool late() const { return Clock::now() > deadline_; }
  bool closed() const { return result_.lower >= farthest_ || result_.upper - result_.lower <= gap(); }
  void note(const Vector& candidate);
  void note_on_segment(const Attack& attack, const VectorRef& adversarial);
  void attack(double r, Rng rng);
  void attack_all();
  SearchOutcome search(double r, std::uint64_t nodes);
  void confirm_in_float32();
  void bisect();
  Index other() const;

  Vector x_;
  const RadiusOptions& options_;
  const Context& context_;
  Clock::time_point deadline_;
  Stages stages_;
  BoundGraph graph_;
  WitnessJudge judge_;
  RadiusResult result_;
  double farthest_ = 0;
  Query whole_;
};

// All that is within r of x, and the outputs that are as large as the label's.
Query RadiusSearch::query(double r) const {
  Property::Case about;
  about.box.lower = (x_.array() - std::min(r, kEverywhere)).matrix();
  about.box.upper = (x_.array() + std::min(r, kEverywhere)).matrix();
  for (Index j = 0; j < x_.size(); ++j) {  // outward: all of the ball
    about.box.lower[j] = std::nextafter(about.box.lower[j], -kInfinity);
    about.box.upper[j] = std::nextafter(about.box.upper[j], kInfinity);
  }
  if (options_.within) {
    about.box.lower = about.box.lower.cwiseMax(options_.within->lower);
    about.box.upper = about.box.upper.cwiseMin(options_.within->upper);
  }
  for (Index other = 0; other < graph_.outputs(); ++other) {
    if (other == *options_.label) continue;
    Matrix row = Matrix::Zero(1, graph_.outputs());
    row(0, *options_.label) = 1;
    row(0, other) = -1;
    about.unsafe_outputs.emplace_back(std::move(row), Vector::Zero(1));
  }
  about.input_rows = Halfspaces(Matrix(0, x_.size()), Vector(0));
  Query out(about);
  if (options_.norm != Norm::kInfinity && r < kEverywhere) out.ball = NormBall{options_.norm, x_, r};
  return out;
}

// Rounded up.
double RadiusSearch::distance(const Vector& input) const {
  return length(options_.norm, input - x_) * (1 + static_cast<double>(x_.size() + 8) * 2 * kEpsilon);
}

double RadiusSearch::farthest() const {
  if (!options_.within) return std::min(kFarthest * (1 + x_.lpNorm<Eigen::Infinity>()), kEverywhere);
  return distance(x_ + (x_ - options_.within->lower).cwiseMax(options_.within->upper - x_));
}

// A candidate as a float32 point if that costs next to nothing, else as it is.
void RadiusSearch::note(const Vector& candidate) {
  const double exact = distance(candidate);
  std::optional<Witness> found;
  if (exact < result_.upper * (1 + 1e-6)) found = judge_.judge(whole_, candidate);
  if (!found || distance(found->input) > exact * (1 + 1e-6))
    found = exact < result_.upper ? judge_.judge_as_it_is(whole_, candidate) : std::nullopt;
  if (!found || distance(found->input) >= result_.upper) return;
  result_.upper = distance(found->input);
  result_.adversarial = std::move(found);
}

// From x to an unsafe point: the first points that are unsafe, too.
void RadiusSearch::note_on_segment(const Attack& attack, const VectorRef& adversarial) {
  double begin = 0, end = 1;
  for (int look = 0; look < kLooks; ++look) {
    Matrix points(kOnSegment, x_.size());
    const auto share = [&](Index k) {
      return begin + (end - begin) * static_cast<double>(k + 1) / static_cast<double>(kOnSegment);
    };
    for (Index k = 0; k < kOnSegment; ++k) points.row(k) = (x_ + share(k) * (adversarial - x_)).transpose();
    const Vector depth = attack.depths(points);
    Index k = 0;
    while (k + 1 < kOnSegment && depth[k] < 0) ++k;
    const double last = begin;
    begin = k == 0 ? last : share(k - 1);
    end =
        k + 1 == kOnSegment ? end : last + (end - last) * static_cast<double>(k + 1) / static_cast<double>(kOnSegment);
  }
  for (const double further : {0.0, 1e-6, 1e-4, 1e-2}) {
    const double before = result_.upper;
    note(x_ + std::min(end * (1 + further), 1.0) * (adversarial - x_));
    if (result_.upper < before) return;
  }
  note(adversarial);
}

void RadiusSearch::attack(double r, Rng rng) {
  const Query here = query(r);
  const Attack attack(graph_, here);
  const Attack::Best best = attack.climb(attack.starts(kStarts, rng), kSteps, kStride, 0);
  if (best.depth >= 0) note_on_segment(attack, best.point);
}

void RadiusSearch::attack_all() {
  const Rng rng(context_.seed);
  std::uint64_t split = 0;
  for (double r = std::min(farthest_, kFirst * (1 + x_.lpNorm<Eigen::Infinity>())); !late(); r *= 2) {
    attack(std::min(r, farthest_), rng.split(split++));
    if (result_.upper < kInfinity || r >= farthest_) break;
  }
  // Closer and closer, as long as it goes.
  for (double share = 0.5; share < 0.99 && result_.upper < kInfinity && !late();) {
    const double before = result_.upper;
    attack(share * before, rng.split(split++));
    if (result_.upper >= before) share = 0.5 * (1 + share);
  }
}

SearchOutcome RadiusSearch::search(double r, std::uint64_t nodes) {
  const Query here = query(r);
  const Attack attack(graph_, here);
  const auto take = [&](const VectorRef& point, double depth) -> std::optional<double> {
    if (depth < 0) return 0.0;
    note_on_segment(attack, here.ball ? projected(point, *here.ball) : Vector(point));
    return result_.upper <= r * (1 + 1e-6) ? std::nullopt : std::optional(0.0);
  };
  return search_engine({graph_, here, attack, context_, deadline_, take, false, nodes});
}

void RadiusSearch::bisect() {
  std::uint64_t nodes = kNodes;
  double ceiling = top();  // nothing from here on has been decided with so many nodes
  // Large radii cost most and are certified least: the first one is small, and the largest that would close the
  // interval comes with more nodes.
  bool fresh = false, limited = true;
  while (!closed() && !late()) {
    ceiling = std::min(ceiling, top());
    double r = result_.lower > 0 ? 0.5 * (result_.lower + ceiling) : kFirstShare * ceiling;
    if (fresh) {
      r = result_.upper < kInfinity ? std::max(result_.upper - 0.9 * gap(), r) : farthest_;
      fresh = false;
    } else if ((ceiling < top() || result_.upper == kInfinity) && ceiling - result_.lower <= kCoarse * ceiling) {
      if (!limited) return;
      if (nodes >= kMostNodes) {
        result_.reason = fmt::format("{} boxes a radius do not decide what is left", nodes);
        return;
      }
      nodes *= kMore;
      ceiling = top();
      fresh = true;
      limited = false;
      continue;
    }
    if (r <= kSpacings * kEpsilon * x_.lpNorm<Eigen::Infinity>()) {
      result_.reason = fmt::format("a ball of {:.3g}, as narrow as doubles are apart there, is not decided", r);
      return;
    }
    const SearchOutcome outcome = search(r, nodes);
    result_.nodes += outcome.nodes;
    switch (outcome.kind) {
      case SearchOutcome::Kind::kRefuted:
        result_.lower = r;
        break;
      case SearchOutcome::Kind::kTaken:
        break;
      case SearchOutcome::Kind::kTime:
        return;
      case SearchOutcome::Kind::kNodes:
        limited = true;
        ceiling = r;
        break;
      case SearchOutcome::Kind::kCancelled:
        result_.reason = "cancelled";
        return;
      case SearchOutcome::Kind::kStuck:
        result_.reason = outcome.reason;
        ceiling = r;
        break;
    }
  }
}

// A little further out floats may say the same of the other class: if that does not open the interval again.
void RadiusSearch::confirm_in_float32() {
  if (!result_.adversarial || result_.adversarial->float32) return;
  const bool was_closed = closed();
  const Vector direction = result_.adversarial->input - x_;
  for (const double further : {1e-7, 1e-6, 1e-5, 1e-4}) {
    const Vector candidate = x_ + (1 + further) * direction;
    std::optional<Witness> found = judge_.judge(whole_, candidate);
    if (!found || !found->float32) continue;
    const double there = distance(found->input);
    if (was_closed && there - result_.lower > gap()) return;
    result_.upper = there;
    result_.adversarial = std::move(found);
    return;
  }
}

// The first output that is as large as the label's at the adversarial input, in exact arithmetic.
Index RadiusSearch::other() const {
  const std::vector<int> sides = ExactPass(stages_).sides(result_.adversarial->input, whole_.unsafe);
  const auto first = std::ranges::find_if(sides, [](int side) { return side >= 0; });
  const auto rival = static_cast<Index>(first - sides.begin());
  return rival < result_.label ? rival : rival + 1;  // the label has no set of its own
}

RadiusResult RadiusSearch::run() {
  farthest_ = farthest();
  result_.label = *options_.label;
  if (const std::optional<Witness> here = judge_.judge_as_it_is(whole_, x_)) {
    result_.adversarial = here;
    result_.upper = 0;
    result_.reason = here->strict ? "the input itself is of another class" : "outputs tie at the input itself";
  } else {
    attack_all();
    bisect();
    confirm_in_float32();
  }
  if (result_.adversarial) result_.other = other();
  if (result_.upper == kInfinity && result_.lower >= farthest_ && !options_.within) {
    result_.reason = fmt::format("no other class within {:g}, and nothing beyond was searched", farthest_);
  } else if (closed()) {
    result_.status = IntervalStatus::kClosed;
    if (result_.upper == kInfinity) result_.reason = "no other class anywhere in the box";
  } else if (result_.reason.empty() && late()) {
    result_.status = IntervalStatus::kTimeout;
  }
  return result_;
}

}  // namespace

RadiusResult radius(const Network& network, const VectorRef& x, const RadiusOptions& options, const Context& context) {
  UNRECT_REQUIRE(x.size() == network.input_size() && x.allFinite(), ErrorCode::kInvalidArgument,
                 "the input has {} numbers, expected {} finite ones", x.size(), network.input_size());
  const double largest_number =
      std::max(x.lpNorm<Eigen::Infinity>(), options.within ? std::max(options.within->lower.lpNorm<Eigen::Infinity>(),
                                                                      options.within->upper.lpNorm<Eigen::Infinity>())
                                                           : 0);
  UNRECT_REQUIRE(largest_number < kLargestInput, ErrorCode::kUnsupported,
                 "the input or its box has a number of {:g}; expected them below {:g}", largest_number, kLargestInput);
  UNRECT_REQUIRE(network.output_size() > 1, ErrorCode::kInvalidArgument,
                 "the network has one output, expected one for each of two classes at least");
  UNRECT_REQUIRE(!options.label || (*options.label >= 0 && *options.label < network.output_size()),
                 ErrorCode::kInvalidArgument, "class {}: expected one of 0 … {}", *options.label,
                 network.output_size() - 1);
  validate(options);
  UNRECT_REQUIRE(!options.within || options.within->dimension() == x.size(), ErrorCode::kInvalidArgument,
                 "the box has {} inputs, the network has {}", options.within->dimension(), x.size());
  UNRECT_REQUIRE(!options.within || options.within->contains(x), ErrorCode::kInvalidArgument,
                 "the input lies outside of the box; expected a point of it");
  const auto start = Clock::now();
  RadiusOptions own = options;
  if (!own.label) {
    Index largest = 0;
    evaluate(network, x).maxCoeff(&largest);
    own.label = largest;
  }
  RadiusResult result = RadiusSearch(network, x, own, context, deadline_after(start, options.time_limit)).run();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace unrect
