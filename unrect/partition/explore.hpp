// All regions of a domain: workers on a queue of subtrees, and a state that can be put down and taken up again.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
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
  std::uint64_t max_regions = ~std::uint64_t{0};
  std::filesystem::path checkpoint;
  double checkpoint_seconds = 2;
  std::string purpose;
  CollectorFactory collectors;  // none: regions are only counted

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.max_regions,
          {"max_regions", "find so many at most, the same ones whatever the threads", at_least(1), "all there are"});
    field(o.checkpoint,
          {.name = "checkpoint", .help = "file that keeps the state, and has the last one at the end", .aside = true});
    field(o.checkpoint_seconds, {"checkpoint_seconds", "seconds between checkpoints", between(0, 1e9), "", true});
    field(o.purpose,
          {.name = "purpose", .help = "what the collectors collect: only the same may resume the checkpoint"});
  }
};

/// A unit of work that is handed out: `most` regions of it at most.
struct Task {
  WorkUnit unit;
  std::uint64_t most = ~std::uint64_t{0};
  std::uint64_t number = 0;  // no other task of a queue has it

  bool operator==(const Task&) const = default;
};

/// Hands out what is open in an exploration, and merges what comes back. Not thread-safe.
///
/// Where a limit may end the exploration, work goes out in rounds, so that the regions that are found do not depend on
/// who is faster. A round is a number of units from the end of `open`: as many as cannot find more regions together, by
/// their budgets, than the limit leaves. If even one could, the round is that unit alone, stopped at the limit. The
/// next round begins when the whole round is done, and merged in the order in which it was handed out: so what a round
/// does is a function of the state alone.
class TaskQueue {
 public:
  /// The state must outlive the queue; nobody else changes it meanwhile.
  TaskQueue(Exploration& state, std::uint64_t max_regions) : state_(state), max_regions_(max_regions) {}

  /// The next task. Nothing if none can begin before another one is done, or if there is none to come (idle()).
  std::optional<Task> next();
  void done(std::uint64_t number, WorkResult result);
  /// Opens again what is out, and what is done and not merged, as if it had never been handed out.
  void give_back();
  /// How many tasks could be handed out now.
  std::size_t ready() const;
  /// Whether no task is out.
  bool idle() const { return tasks_.empty(); }
  /// The units that give_back() would open.
  std::vector<WorkUnit> in_hand() const;

 private:
  struct Entry {
    Task task;
    bool out = false;
    std::optional<WorkResult> result;
  };
  bool limited() const { return max_regions_ != ~std::uint64_t{0}; }
  void begin_round();

  Exploration& state_;
  std::uint64_t max_regions_;
  std::uint64_t handed_out_ = 0;
  std::map<std::uint64_t, Entry> tasks_;  // by number; with a limit: the round
};

/// Does one unit with a worker's tools, `most` regions of it at most; what every kind of machine runs.
WorkResult run_unit(Worker& worker, const WorkUnit& unit, Collector* collector, std::uint64_t most = ~std::uint64_t{0},
                    const std::function<bool()>& keep_going = {});

/// Calls context.progress and saves checkpoints when it is time, for whoever hands out the work.
class Overseer {
 public:
  Overseer(const Refinement& refinement, const ExploreOptions& options, const Context& context);
  /// Tells the progress and saves a checkpoint, each when it is time; units in hand stand in a checkpoint as open.
  /// False: the caller is to stop handing out work.
  bool look(const Exploration& state, const TaskQueue& queue);
  void save(const Exploration& state, const TaskQueue& queue);

 private:
  const ExploreOptions options_;
  const Context context_;
  std::uint64_t fingerprint_ = 0;
  std::chrono::steady_clock::time_point last_progress_, last_save_;
};

/// Goes on with an exploration until it is complete, stopped, or cancelled by context.progress, on context.threads
/// threads. What is found does not depend on their number, with a limit neither: TaskQueue. Progress: regions found,
/// and their expected total. Collectors are made concurrently, one a thread. @throws Error kFile where a checkpoint or
/// a collector cannot write; the state is then good to go on from: what was merged, and the rest as open.
void explore(const Refinement& refinement, Exploration& state, const ExploreOptions& options = {},
             const Context& context = {});

/// Counts every region. @throws Error kCancelled if the progress callback says stop.
RegionCounts count_regions(const Refinement& refinement, const Context& context = {});

/// A number that two refinements share only if they are about the same network and domain (64 bits).
std::uint64_t fingerprint(const Refinement& refinement);

/// Saves an exploration to a file, which is written aside and renamed. `purpose` tells apart explorations that collect
/// different things.
void save_checkpoint(const std::filesystem::path& path, const Exploration& state, std::uint64_t fingerprint,
                     const std::string& purpose);
/// @throws Error kFormat for a file that is no checkpoint, kInvalidArgument for one of another network, domain or
/// purpose.
Exploration read_checkpoint(const std::filesystem::path& path, std::uint64_t fingerprint, const std::string& purpose);

/// Tasks and their results as bytes, to be sent to other processes and machines.
std::string format_tasks(const std::vector<Task>& tasks);
std::vector<Task> parse_tasks(std::string_view bytes, std::string_view name);
std::string format_results(const std::vector<WorkResult>& results);
std::vector<WorkResult> parse_results(std::string_view bytes, std::string_view name);

}  // namespace unrect
