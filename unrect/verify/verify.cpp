#include "unrect/verify/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/verify/internal/box_search.hpp"
#include "unrect/verify/internal/unit_search.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

// Up to so many inputs that vary, boxes are halved; beyond, units are split.
constexpr Index kFewInputs = 8;
// Before any bound: points of the domain, and a short climb from each.
constexpr Index kStarts = 64;
constexpr int kSteps = 20;
constexpr double kStride = 0.25;

// A witness among the points of a climb; from one that has been found on to a strict one that float32 confirms.
std::optional<Witness> attacked(const SearchTask& task, Rng rng) {
  const auto better = [](const std::optional<Witness>& a, const std::optional<Witness>& b) {
    const auto rank = [](const std::optional<Witness>& w) {
      return !w ? 0 : 1 + (w->strict ? 1 : 0) + (w->float32 ? 2 : 0);
    };
    return rank(a) > rank(b);
  };
  std::optional<Witness> best;
  for (const double enough : {0.0, 1e-4, 1e-2}) {
    const Attack::Best found = task.attack.climb(task.attack.starts(kStarts, rng), kSteps, kStride, enough);
    if (found.depth < 0) break;
    const std::optional<Witness> witness = task.judge.judge(task.query, found.point);
    if (better(witness, best)) best = witness;
    if (best && best->strict && best->float32) break;
  }
  return best;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSat:
      return "sat";
    case Verdict::kUnsat:
      return "unsat";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kTimeout:
      return "timeout";
  }
  return "";
}

VerifyResult verify(const Network& network, const Property& property, const VerifyOptions& options,
                    const Context& context) {
  UNRECT_REQUIRE(property.inputs == network.input_size() && property.outputs == network.output_size(),
                 ErrorCode::kInvalidArgument,
                 "the property is about {} inputs and {} outputs, the network has {} and {}", property.inputs,
                 property.outputs, network.input_size(), network.output_size());
  validate(options);
  const auto start = Clock::now();
  const auto deadline =
      options.time_limit > 0
          ? start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.time_limit))
          : Clock::time_point::max();
  const Stages stages = stages_of(network);
  const BoundGraph graph(stages);
  const WitnessJudge judge(network, stages);
  VerifyResult result;
  result.verdict = Verdict::kUnsat;
  const auto take = [&](SearchOutcome&& outcome) {
    result.nodes += outcome.nodes;
    result.gap = std::max(result.gap, outcome.gap);
    switch (outcome.kind) {
      case SearchOutcome::Kind::kRefuted:
        return;
      case SearchOutcome::Kind::kWitness:
        result.verdict = Verdict::kSat;
        result.witness = std::move(outcome.witness);
        return;
      case SearchOutcome::Kind::kTime:
        result.verdict = Verdict::kTimeout;
        return;
      case SearchOutcome::Kind::kCancelled:
        result.verdict = Verdict::kUnknown;
        result.reason = "cancelled";
        return;
      case SearchOutcome::Kind::kStuck:
        if (result.verdict == Verdict::kUnsat) result.verdict = Verdict::kUnknown;
        result.reason = outcome.reason;
        return;
    }
  };
  std::vector<Query> queries(property.cases.begin(), property.cases.end());
  Rng rng(context.seed);
  for (std::size_t i = 0; i < queries.size() && result.verdict != Verdict::kSat; ++i) {
    const Attack attack(graph, queries[i]);
    const SearchTask task{graph, queries[i], attack, judge, context, deadline};
    if (std::optional<Witness> witness = attacked(task, rng.split(i))) {
      take({SearchOutcome::Kind::kWitness, std::move(witness), 0, 0, {}});
    }
  }
  for (std::size_t i = 0; i < queries.size() && result.verdict != Verdict::kSat; ++i) {
    const Attack attack(graph, queries[i]);
    const SearchTask task{graph, queries[i], attack, judge, context, deadline};
    take(queries[i].dimension() <= kFewInputs ? search_boxes(task) : search_units(task));
    if (result.verdict == Verdict::kTimeout || result.reason == "cancelled") break;
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace unrect
