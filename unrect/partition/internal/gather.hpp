// What recorders keep of the regions, a part for each work unit, put in the order of the refinement.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "unrect/partition/explore.hpp"

namespace unrect {

/// Explores with copies of `recorder`, which has visit(RegionView&) and take(): take() returns what was visited since
/// the last call, and starts afresh. The result holds a part for each work unit, in the order of the refinement: a
/// unit's regions come before all regions of the units that it leaves open, and paths in lexicographic order are that
/// order. It does not depend on the number of threads; put end to end, the parts do not even depend on the work units.
/// `state` says whether the exploration is complete.
template <class Recorder>
auto gather(const Refinement& refinement, const Recorder& recorder, Exploration& state, ExploreOptions options,
            const Context& context) {
  using Part = decltype(std::declval<Recorder&>().take());
  struct Store {
    std::mutex mutex;
    std::vector<std::pair<std::vector<std::uint16_t>, Part>> of_path;
  };
  class Gatherer final : public Collector {
   public:
    Gatherer(Recorder own, Store& store) : recorder_(std::move(own)), store_(store) {}
    bool visit(RegionView& region) override {
      recorder_.visit(region);
      return true;
    }
    void finish(const WorkUnit& unit, RegionCounts&) override {
      Part part = recorder_.take();
      const std::lock_guard lock(store_.mutex);
      store_.of_path.emplace_back(unit.path, std::move(part));
    }

   private:
    Recorder recorder_;
    Store& store_;
  };
  Store store;
  options.collectors = [&] { return std::make_unique<Gatherer>(recorder, store); };
  explore(refinement, state, options, context);
  std::ranges::sort(store.of_path, {}, [](const auto& entry) -> const auto& { return entry.first; });
  std::vector<Part> parts;
  parts.reserve(store.of_path.size());
  for (auto& [path, part] : store.of_path) parts.push_back(std::move(part));
  return parts;
}

}  // namespace unrect
