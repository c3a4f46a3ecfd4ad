#include "explore_on_ranks.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

enum Tag { kResults = 1, kWork, kStop };

void send(const std::string& bytes, int to, int tag) {
  UNRECT_REQUIRE(bytes.size() <= INT_MAX, ErrorCode::kInvalidArgument, "a message of {} bytes between ranks",
                 bytes.size());
  MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD);
}

std::string receive(const MPI_Status& status) {
  int size = 0;
  MPI_Get_count(&status, MPI_BYTE, &size);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  MPI_Recv(bytes.data(), size, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return bytes;
}

// Every other rank: works until it is told to stop.
[[noreturn]] void serve(const Refinement& refinement, const ExploreOptions& options) {
  Worker worker(refinement);
  const std::unique_ptr<Collector> collector = options.collectors ? options.collectors() : nullptr;
  send("", 0, kResults);
  for (;;) {
    MPI_Status status;
    MPI_Probe(0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
    const std::string bytes = receive(status);
    if (status.MPI_TAG == kStop) break;
    std::vector<WorkResult> results;
    for (const Task& task : parse_tasks(bytes, "work"))
      results.push_back(run_unit(worker, task.unit, collector.get(), task.most));
    send(format_results(results), 0, kResults);
  }
  MPI_Finalize();
  std::exit(0);
}

// Rank 0: hands out work, and works itself while nobody calls.
class Master {
 public:
  Master(const Refinement& refinement, Exploration& state, const ExploreOptions& options, const Context& context,
         int ranks)
      : state_(state),
        overseer_(refinement, options, context),
        queue_(state, options.max_regions),
        worker_(refinement),
        ranks_(ranks) {
    if (options.collectors) collector_ = options.collectors();
  }

  void run() {
    for (;;) {
      while (!stop_ && !idle_.empty() && hand_out(idle_.back())) idle_.pop_back();
      std::optional<Task> task;
      int waiting = 0;
      MPI_Status status;
      MPI_Iprobe(MPI_ANY_SOURCE, kResults, MPI_COMM_WORLD, &waiting, &status);
      if (waiting != 0) {
        take(status);
      } else if (!stop_ && (task = queue_.next())) {
        queue_.done(task->number, run_unit(worker_, task->unit, collector_.get(), task->most));
      } else if (static_cast<int>(idle_.size()) == ranks_ - 1) {
        break;  // all ranks have reported for the last time, and nothing is left to hand out
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      if (!overseer_.look(state_, queue_)) stop_ = true;
    }
    queue_.give_back();
    for (int rank = 1; rank < ranks_; ++rank) send("", rank, kStop);
    overseer_.save(state_, queue_);
  }

 private:
  void take(const MPI_Status& status) {
    const int rank = status.MPI_SOURCE;
    const std::string bytes = receive(status);
    if (!bytes.empty()) {
      std::vector<WorkResult> results = parse_results(bytes, fmt::format("rank {}", rank));
      const std::vector<std::uint64_t>& numbers = out_[rank];
      UNRECT_REQUIRE(results.size() == numbers.size(), ErrorCode::kFormat, "rank {}: {} results of {} units", rank,
                     results.size(), numbers.size());
      for (std::size_t i = 0; i < numbers.size(); ++i) queue_.done(numbers[i], std::move(results[i]));
    }
    idle_.push_back(rank);
  }

  // A fair part of what is open, so that ranks call seldom and none of them runs dry. False if nothing is.
  bool hand_out(int rank) {
    const std::size_t most = 8;
    const std::size_t count = std::clamp<std::size_t>(queue_.ready() / static_cast<std::size_t>(2 * ranks_), 1, most);
    std::vector<Task> tasks;
    std::vector<std::uint64_t>& numbers = out_[rank];
    numbers.clear();
    while (tasks.size() < count) {
      const std::optional<Task> task = queue_.next();
      if (!task) break;
      tasks.push_back(*task);
      numbers.push_back(task->number);
    }
    if (tasks.empty()) return false;
    send(format_tasks(tasks), rank, kWork);
    return true;
  }

  Exploration& state_;
  Overseer overseer_;
  TaskQueue queue_;
  Worker worker_;
  std::unique_ptr<Collector> collector_;
  int ranks_;
  bool stop_ = false;
  std::vector<int> idle_;
  std::map<int, std::vector<std::uint64_t>> out_;  // the tasks that a rank has
};

}  // namespace

void explore_on_ranks(const Refinement& refinement, Exploration& state, const ExploreOptions& options,
                      const Context& context) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  UNRECT_REQUIRE(context.threads == 1, ErrorCode::kInvalidArgument,
                 "--threads {}: ranks have one thread each; start more ranks instead", context.threads);
  if (rank == 0) {
    Master(refinement, state, options, context, ranks).run();
    return;
  }
  try {
    serve(refinement, options);
  } catch (const std::exception& error) {
    fmt::print("unrect-mpi: rank {}: {}\n", rank, error.what());
    std::fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

}  // namespace unrect
