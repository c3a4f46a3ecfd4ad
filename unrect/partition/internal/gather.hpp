// Whatever is kept of the regions, a harvest a work unit, put in the order of the refinement.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "unrect/partition/explore.hpp"

namespace unrect {

/// What every work unit of an exploration left with a copy of `recorder`, which has visit(RegionView&) and take(): that
/// returns what was seen since, and starts afresh. The result does not depend on the number of threads, end to end not
/// even on the work units: a unit's regions come before all regions of the units it leaves open, and paths in
/// lexicographic order are the order of the refinement. `state` says whether the exploration is complete.
template <class Recorder>
auto gather(const Refinement& refinement, const Recorder& recorder, Exploration& state, ExploreOptions options,
            const Context& context) {
  using Harvest = decltype(std::declval<Recorder&>().take());
  struct Barn {
    std::mutex mutex;
    std::vector<std::pair<std::vector<std::uint16_t>, Harvest>> of_path;
  };
  class Gatherer final : public Collector {
   public:
    Gatherer(Recorder own, Barn& barn) : recorder_(std::move(own)), barn_(barn) {}
    bool visit(RegionView& region) override {
      recorder_.visit(region);
      return true;
    }
    void finish(const WorkUnit& unit, RegionCounts&) override {
      Harvest harvest = recorder_.take();
      const std::lock_guard lock(barn_.mutex);
      barn_.of_path.emplace_back(unit.path, std::move(harvest));
    }

   private:
    Recorder recorder_;
    Barn& barn_;
  };
  Barn barn;
  options.collectors = [&] { return std::make_unique<Gatherer>(recorder, barn); };
  explore(refinement, state, options, context);
  std::ranges::sort(barn.of_path, {}, [](const auto& entry) -> const auto& { return entry.first; });
  std::vector<Harvest> harvests;
  harvests.reserve(barn.of_path.size());
  for (auto& [path, harvest] : barn.of_path) harvests.push_back(std::move(harvest));
  return harvests;
}

}  // namespace unrect
