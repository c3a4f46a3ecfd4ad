// All regions of a domain: workers on a queue of subtrees, and a state that can be put down and taken up again.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// How far an exploration has come. Work units begun but not done are in `open`: nothing is lost, nothing counted
/// twice.
struct Exploration {
  std::vector<WorkUnit> open{WorkUnit{}};
  RegionCounts counts;
  double share = 0;      // of the tree
  bool stopped = false;  // by a collector

  bool complete() const { return open.empty() && !stopped; }
  /// Adds what a unit of work found; its rest is opened.
  void merge(WorkResult result);
};

/// What is done with regions besides counting them; one object a worker.
class Collector {
 public:
  virtual ~Collector() = default;
  /// Returning false stops the exploration.
  virtual bool visit(RegionView& region) = 0;
  /// The unit is done: put away what was collected (a unit that is done twice, after a crash, must give the same), add
  /// its sums and marks to the counts, and start afresh.
  virtual void finish(const WorkUnit& unit, RegionCounts& counts) = 0;
};
using CollectorFactory = std::function<std::unique_ptr<Collector>()>;

struct ExploreOptions {
  std::uint64_t max_regions = ~std::uint64_t{0};  // hand out no more work once so many are found
  std::filesystem::path checkpoint;               // saved every few seconds, and at the end; empty: never
  double checkpoint_seconds = 2;
  std::string purpose;          // what the collectors collect: only the same may resume the checkpoint
  CollectorFactory collectors;  // none: regions are only counted
};

/// Does one unit with a worker's tools, `most` regions of it at most; what every kind of machine runs.
WorkResult run_unit(Worker& worker, const WorkUnit& unit, Collector* collector, std::uint64_t most = ~std::uint64_t{0},
                    const std::function<bool()>& keep_going = {});

/// Calls context.progress and saves checkpoints when it is time, for whoever hands out the work.
class Overseer {
 public:
  Overseer(const Refinement& refinement, const ExploreOptions& options, const Context& context);
  /// in_hand: units that are out, or done but not merged; a checkpoint has them as open. False: stop handing out work.
  bool look(const Exploration& state, const std::vector<WorkUnit>& in_hand);
  void save(const Exploration& state, const std::vector<WorkUnit>& in_hand);
  /// Whether there is a reason to hand out no more.
  bool enough(const Exploration& state) const { return state.stopped || state.counts.regions >= options_.max_regions; }

 private:
  const ExploreOptions options_;
  const Context context_;
  std::uint64_t fingerprint_ = 0;
  std::chrono::steady_clock::time_point last_progress_, last_save_;
};

/// Goes on with an exploration until it is complete, stopped, or cancelled by context.progress, on context.threads
/// threads. The counts do not depend on their number. Progress: regions found, and their expected total.
/// Collectors are made concurrently, one a thread. @throws Error kFile where a checkpoint or a collector cannot write;
/// the state is then good to go on from: what was merged, and the rest as open.
void explore(const Refinement& refinement, Exploration& state, const ExploreOptions& options = {},
             const Context& context = {});

/// Counts every region. @throws Error kCancelled if the progress callback says stop.
RegionCounts count_regions(const Refinement& refinement, const Context& context = {});

/// A number that two refinements share only if they are about the same network and domain (64 bits).
std::uint64_t fingerprint(const Refinement& refinement);

/// Writes aside, then renames. `purpose` tells apart explorations that collect different things.
void save_checkpoint(const std::filesystem::path& path, const Exploration& state, std::uint64_t fingerprint,
                     const std::string& purpose);
/// @throws Error kFormat for a file that is no checkpoint, kInvalidArgument for one of another network, domain or
/// purpose.
Exploration read_checkpoint(const std::filesystem::path& path, std::uint64_t fingerprint, const std::string& purpose);

/// The same bytes, for whoever sends a state or a result elsewhere.
std::string format_units(const std::vector<WorkUnit>& units);
std::vector<WorkUnit> parse_units(std::string_view bytes, std::string_view name);
std::string format_result(const WorkResult& result);
WorkResult parse_result(std::string_view bytes, std::string_view name);

}  // namespace unrect
