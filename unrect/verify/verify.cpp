#include "unrect/verify/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/verify/internal/certify.hpp"
#include "unrect/verify/internal/engine.hpp"
#include "unrect/verify/internal/region_walk.hpp"
#include "unrect/verify/internal/witness_judge.hpp"

namespace unrect {
namespace {

// Before any bound: points of the domain, and a short climb from each.
constexpr Index kStarts = 64;
constexpr int kSteps = 20;
constexpr double kStride = 0.25;
// Regions of the walk from where the climb has ended.
constexpr int kRegions = 30;

// A witness among the points of a climb; from one that has been found on to a strict one that float32 confirms.
std::optional<Witness> attacked(const Network& network, const Query& query, const Attack& attack,
                                const WitnessJudge& judge, Rng rng) {
  const auto better = [](const std::optional<Witness>& a, const std::optional<Witness>& b) {
    const auto rank = [](const std::optional<Witness>& w) {
      return !w ? 0 : 1 + (w->strict ? 1 : 0) + (w->float32 ? 2 : 0);
    };
    return rank(a) > rank(b);
  };
  std::optional<Witness> best;
  for (const double enough : {0.0, 1e-4, 1e-2}) {
    const Attack::Best found = attack.climb(attack.starts(kStarts, rng), kSteps, kStride, enough);
    if (found.depth < 0) {
      // What no gradient leads to may lie a few regions on.
      if (enough == 0) {
        const Attack::Best further = RegionWalk(network, query, attack).from(found.point, kRegions);
        if (further.depth >= 0) best = judge.judge(query, further.point);
      }
      break;
    }
    const std::optional<Witness> witness = judge.judge(query, found.point);
    if (better(witness, best)) best = witness;
    if (best && best->strict && best->float32) break;
  }
  return best;
}

// What the verdict rests on; nothing if the deadline comes first.
std::optional<Certificate> certificate_of(const Network& network, const Property& property, const VerifyResult& result,
                                          std::vector<SearchTree>& trees, Clock::time_point deadline) {
  Certificate out;
  out.network = fingerprint(network);
  out.property = fingerprint(property);
  if (result.verdict == Verdict::kSat) {
    out.witness = result.witness->input;
    return out;
  }
  if (result.verdict != Verdict::kUnsat) return std::nullopt;
  for (std::size_t i = 0; i < property.cases.size(); ++i) {
    if (trees[i].nodes.empty()) trees[i].nodes.push_back({property.cases[i].box});
    try {
      if (!certify(network, property.cases[i], trees[i], deadline, out)) return std::nullopt;
    } catch (const Error&) {  // values that the checker will not bound: the verdict stands without a certificate
      return std::nullopt;
    }
  }
  return out;
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
  require_sizes(property, network.input_size(), network.output_size());
  const auto start = Clock::now();
  const auto deadline = deadline_after(start, options.time_limit);
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
      case SearchOutcome::Kind::kTaken:
        result.verdict = Verdict::kSat;
        return;
      case SearchOutcome::Kind::kTime:
      case SearchOutcome::Kind::kNodes:
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
  std::vector<SearchTree> trees(options.certificate ? property.cases.size() : 0);
  std::vector<Query> queries(property.cases.begin(), property.cases.end());
  Rng rng(context.seed);
  for (std::size_t i = 0; i < queries.size() && result.verdict != Verdict::kSat; ++i) {
    const Attack attack(graph, queries[i]);
    result.witness = attacked(network, queries[i], attack, judge, rng.split(i));
    if (result.witness) result.verdict = Verdict::kSat;
  }
  for (std::size_t i = 0; i < queries.size() && result.verdict != Verdict::kSat; ++i) {
    const Attack attack(graph, queries[i]);
    const auto judged = [&](const VectorRef& point, double depth) -> std::optional<double> {
      if (depth >= 0) result.witness = judge.judge(queries[i], point);
      return result.witness ? std::nullopt : std::optional(0.0);
    };
    SearchTask task{graph, queries[i], attack, context, deadline, judged};
    if (!trees.empty()) task.tree = &trees[i];
    take(search_engine(task));
    if (result.verdict == Verdict::kTimeout || result.reason == "cancelled") break;
  }
  if (options.certificate) result.certificate = certificate_of(network, property, result, trees, deadline);
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace unrect
