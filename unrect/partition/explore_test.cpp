// Subtrees, threads and collectors: the same answer however the work is cut up, and no silent wrong one.
#include "unrect/partition/explore.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "unrect/base/file.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/partition/internal/explore_for_tests.hpp"

namespace unrect {
namespace {

static_assert(std::is_copy_constructible_v<Refinement>, "who keeps a refinement keeps a copy");

TEST(Overseer, KeepsItsOptionsAndContext) {
  const Refinement refinement(medium(), cube(3));
  const std::filesystem::path kept = scratch("kept"), other = scratch("other");
  ExploreOptions options;
  options.checkpoint = kept;
  Overseer overseer(refinement, options, {});
  options.checkpoint = other;
  Exploration state;
  overseer.save(state, TaskQueue(state, options.max_regions));
  EXPECT_TRUE(std::filesystem::exists(kept));
  EXPECT_FALSE(std::filesystem::exists(other));
  std::filesystem::remove(kept);
}

TEST(Worker, KeepsItsRefinement) {
  Worker worker{Refinement(medium(), cube(3))};
  EXPECT_EQ(worker.run({}, ~std::uint64_t{0}).counts, count_regions(Refinement(medium(), cube(3))));
}

// Everything but the exact decisions: a path that is walked again asks again.
RegionCounts answer(RegionCounts counts) {
  counts.exact_decisions = 0;
  return counts;
}

TEST(WorkUnits, AnyBudgetsGiveTheSameRegionsOnce) {
  const Rng root(77);
  for (int i = 0; i < 60; ++i) {
    const oracle::Case c = oracle::random_case(root.split(static_cast<std::uint64_t>(i)));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Refinement refinement(c.network, c.domain);
    std::vector<oracle::Pieces> all;
    const RegionCounts whole = visit_regions(refinement, [&](RegionView& region) {
      all.emplace_back(region.pieces().begin(), region.pieces().end());
      return true;
    });
    for (const std::uint64_t budget : {1, 2, 7}) {
      std::vector<oracle::Pieces> seen;
      Exploration state;
      while (!state.open.empty()) {
        const WorkUnit unit = state.open.back();
        state.open.pop_back();
        std::uint64_t found = 0;
        Worker worker(refinement);  // a machine of its own
        state.merge(worker.run(unit, budget, [&](RegionView& region) {
          seen.emplace_back(region.pieces().begin(), region.pieces().end());
          ++found;
          return true;
        }));
        EXPECT_LE(found, budget);
      }
      std::ranges::sort(seen);
      std::ranges::sort(all);
      EXPECT_EQ(seen, all);
      EXPECT_EQ(answer(state.counts), answer(whole));
      const bool binary = std::ranges::all_of(
          c.network.layers(), [&](int n) { return std::holds_alternative<Piecewise>(*c.network.node(n).op); });
      if (binary && !all.empty()) {
        EXPECT_DOUBLE_EQ(state.share, 1);
      }
    }
  }
}

TEST(Explore, ThreadsDoNotChangeTheCounts) {
  for (const Detail detail : {Detail::kRegions, Detail::kIncidence}) {
    const Refinement refinement(medium(), cube(3), detail);
    const RegionCounts one = count_regions(refinement, threads(1));
    EXPECT_GT(one.regions, 1000u);
    for (const int n : {2, 4}) EXPECT_EQ(count_regions(refinement, threads(n)), one);
    EXPECT_EQ(answer(visit_regions(refinement, {})), answer(one));
  }
}

// Counts what it sees; asks to stop, or throws, at the region with that number.
class Counting final : public Collector {
 public:
  struct Plan {
    std::uint64_t stop_at = ~std::uint64_t{0};
    std::uint64_t throw_at = ~std::uint64_t{0};
    std::atomic<std::uint64_t> seen = 0;
  };
  explicit Counting(Plan& plan) : plan_(plan) {}
  bool visit(RegionView& region) override {
    const std::uint64_t number = ++plan_.seen;
    if (number == plan_.throw_at) throw std::runtime_error("enough");
    ++sum_;
    mark_ = std::max<std::uint64_t>(mark_, region.pieces()[0] + 1u);
    return number < plan_.stop_at;
  }
  void finish(const WorkUnit&, RegionCounts& counts) override {
    counts.sums = {sum_};
    counts.marks = {mark_};
    sum_ = mark_ = 0;
  }

 private:
  Plan& plan_;
  std::uint64_t sum_ = 0, mark_ = 0;
};

// With a limit exactly so many regions are found, and the same ones, whoever does which part of the work.
TEST(Explore, ALimitIsMetToTheRegionWhateverTheThreads) {
  class Recorder final : public Collector {  // a sum over the configurations that depends on nothing else
   public:
    bool visit(RegionView& region) override {
      std::uint64_t hash = 7;
      for (const std::uint16_t piece : region.pieces()) hash = (hash ^ piece) * 0x9e3779b97f4a7c15u;
      sum_ += hash ^ (hash >> 32);
      return true;
    }
    void finish(const WorkUnit&, RegionCounts& counts) override { counts.sums = {std::exchange(sum_, 0)}; }

   private:
    std::uint64_t sum_ = 0;
  };
  for (const std::uint64_t seed : {3u, 8u}) {
    const Refinement refinement(random_chain({3, 24, 24, 2}, Rng(seed)), cube(3));
    const std::uint64_t all = count_regions(refinement).regions;
    ASSERT_GT(all, 5000u);
    for (const std::uint64_t limit :
         {std::uint64_t{1}, std::uint64_t{257}, std::uint64_t{3000}, all - 1, all, all + 1}) {
      ExploreOptions options;
      options.max_regions = limit;
      options.collectors = [] { return std::make_unique<Recorder>(); };
      Exploration one;
      explore(refinement, one, options);
      EXPECT_EQ(one.counts.regions, std::min(limit, all));
      EXPECT_EQ(one.complete(), limit >= all);
      for (const int n : {1, 2, 4, 2, 4}) {
        Exploration state;
        explore(refinement, state, options, threads(n));
        EXPECT_EQ(state.counts, one.counts) << limit << " regions, " << n << " threads";
        EXPECT_EQ(state.open, one.open) << limit << " regions, " << n << " threads";
        EXPECT_EQ(state.share, one.share);
      }
    }
  }
}

// A round that is broken off begins anew: the checkpoint knows nothing of the half that was done.
TEST(Explore, ALimitIsMetAfterAnInterruption) {
  const Refinement refinement(random_chain({3, 24, 24, 2}, Rng(3)), cube(3));
  ExploreOptions options;
  options.max_regions = 3000;
  Exploration whole;
  explore(refinement, whole, options);
  for (const std::uint64_t broken : {1u, 300u, 1500u, 2999u}) {
    Counting::Plan plan;
    plan.throw_at = broken;
    ExploreOptions throwing = options;
    throwing.collectors = [&] { return std::make_unique<Counting>(plan); };
    Exploration state;
    EXPECT_THROW(explore(refinement, state, throwing, threads(2)), std::runtime_error);
    explore(refinement, state, options, threads(2));
    state.counts.sums.clear();
    state.counts.marks.clear();
    EXPECT_EQ(state.counts, whole.counts);
    EXPECT_EQ(state.open, whole.open);
  }
}

TEST(Explore, ProgressCanCancel) {
  const Refinement refinement(medium(), cube(3));
  Context context;
  int calls = 0;
  context.progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.what, "regions");
    EXPECT_GT(progress.done, 0);
    ++calls;
    return false;
  };
  class Slow final : public Collector {  // so that there is a report after each unit
   public:
    bool visit(RegionView&) override { return true; }
    void finish(const WorkUnit&, RegionCounts&) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
    }
  };
  ExploreOptions options;
  options.collectors = [] { return std::make_unique<Slow>(); };
  Exploration state;
  explore(refinement, state, options, context);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(state.complete());
  EXPECT_FALSE(state.stopped);
  explore(refinement, state);
  EXPECT_EQ(state.counts, count_regions(refinement));
}

TEST(Collectors, SeeEveryRegion) {
  const Refinement refinement(medium(), cube(3));
  for (const int n : {1, 4}) {
    Counting::Plan plan;
    ExploreOptions options;
    options.collectors = [&] { return std::make_unique<Counting>(plan); };
    Exploration state;
    explore(refinement, state, options, threads(n));
    EXPECT_TRUE(state.complete());
    EXPECT_EQ(plan.seen, state.counts.regions);
    EXPECT_EQ(state.counts.sums, (std::vector<std::uint64_t>{state.counts.regions}));
    EXPECT_EQ(state.counts.marks, (std::vector<std::uint64_t>{1, 2}));
  }
}

TEST(Collectors, CanStop) {
  const Refinement refinement(medium(), cube(3));
  for (const int n : {1, 4}) {
    Counting::Plan plan;
    plan.stop_at = 700;
    ExploreOptions options;
    options.collectors = [&] { return std::make_unique<Counting>(plan); };
    Exploration state;
    explore(refinement, state, options, threads(n));
    EXPECT_TRUE(state.stopped);
    EXPECT_FALSE(state.complete());
    EXPECT_EQ(plan.seen, state.counts.regions);
    if (n == 1) {
      EXPECT_EQ(plan.seen, 700u);
    }
    explore(refinement, state, options, threads(n));  // stopped is stopped
    EXPECT_EQ(plan.seen, state.counts.regions);
  }
}

TEST(Collectors, AnExceptionLosesNothingThatWasMerged) {
  const Refinement refinement(medium(), cube(3));
  const RegionCounts whole = count_regions(refinement);
  for (const int n : {1, 4}) {
    Counting::Plan plan;
    plan.throw_at = 700;
    ExploreOptions options;
    options.collectors = [&] { return std::make_unique<Counting>(plan); };
    Exploration state;
    EXPECT_THROW(explore(refinement, state, options, threads(n)), std::runtime_error);
    EXPECT_FALSE(state.complete());
    EXPECT_FALSE(state.open.empty());
    explore(refinement, state, {}, threads(n));
    EXPECT_TRUE(state.complete());
    state.counts.sums.clear();
    state.counts.marks.clear();
    EXPECT_EQ(state.counts, whole);
  }
}

TEST(VisitRegions, StopsWhenTold) {
  for (const Network& network : {medium(), random_residual(1, 4, 2, Rng(2))}) {
    const Domain domain = network.input_size() == 3 ? cube(3)
                                                    : Domain(Vector::Zero(16), Rng(6).normal_matrix(16, 2),
                                                             Box(Vector::Constant(2, -1), Vector::Ones(2)));
    const Refinement refinement(network, domain);
    for (const int limit : {1, 2, 17}) {
      int seen = 0;
      const RegionCounts counts = visit_regions(refinement, [&](RegionView&) { return ++seen < limit; });
      EXPECT_EQ(seen, limit);
      EXPECT_EQ(counts.regions, static_cast<std::uint64_t>(limit));
    }
    Worker worker(refinement);
    const WorkResult stopped = worker.run({}, 1000, [](RegionView&) { return false; });
    EXPECT_TRUE(stopped.stopped);
    // The worker is as good as new.
    const RegionCounts whole = count_regions(refinement);
    EXPECT_EQ(answer(worker.run({}, ~std::uint64_t{0}).counts), answer(whole));
  }
}

TEST(Refinement, RefusesWhatItCannotDo) {
  EXPECT_EQ(error_of([] { Refinement(medium(), cube(2)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { Domain(Box(Vector::Ones(2), Vector::Ones(2))); }), ErrorCode::kInvalidArgument);
  NetworkBuilder b(Shape{2});
  const int last = b.add(Maximum{2, {0, 1}}, {0});
  const Network maxima = std::move(b).build(last);
  EXPECT_EQ(error_of([&] { Refinement(maxima, cube(2), Detail::kIncidence); }), ErrorCode::kUnsupported);
  EXPECT_EQ(count_regions(Refinement(maxima, cube(2))).regions, 2u);
  const Network huge = Network::chain({Matrix::Constant(2, 2, 1e300), Matrix::Constant(2, 2, 1e300)},
                                      {Vector::Zero(2), Vector::Zero(2)});
  EXPECT_EQ(error_of([&] { Refinement(huge, cube(2)); }), ErrorCode::kInvalidArgument);
  Context context;
  context.progress = [](const Progress&) { return false; };
  EXPECT_EQ(count_regions(Refinement(maxima, cube(2)), context).regions, 2u);  // done before anyone was asked
}

}  // namespace
}  // namespace unrect
