#include "explore_on_ranks.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <map>
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
    WorkResult all;
    for (const WorkUnit& unit : parse_units(bytes, "work")) {
      WorkResult result = run_unit(worker, unit, collector.get());
      all.counts += result.counts;
      all.share += result.share;
      all.stopped = all.stopped || result.stopped;
      all.open.insert(all.open.end(), result.open.begin(), result.open.end());
    }
    send(format_result(all), 0, kResults);
  }
  MPI_Finalize();
  std::exit(0);
}

// Rank 0: hands out work, and works itself while nobody calls.
class Master {
 public:
  Master(const Refinement& refinement, Exploration& state, const ExploreOptions& options, const Context& context,
         int ranks)
      : state_(state), overseer_(refinement, options, context), worker_(refinement), ranks_(ranks) {
    if (options.collectors) collector_ = options.collectors();
  }

  void run() {
    while (!done()) {
      if (overseer_.enough(state_)) stop_ = true;
      int waiting = 0;
      MPI_Status status;
      MPI_Iprobe(MPI_ANY_SOURCE, kResults, MPI_COMM_WORLD, &waiting, &status);
      if (waiting != 0) {
        take(status);
      } else if (state_.open.empty() || stop_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } else {
        const WorkUnit unit = std::move(state_.open.back());
        state_.open.pop_back();
        state_.merge(run_unit(worker_, unit, collector_.get()));
      }
      for (auto idle = idle_.begin(); idle != idle_.end() && !state_.open.empty() && !stop_;) {
        hand_out(*idle);
        idle = idle_.erase(idle);
      }
      if (!overseer_.look(state_, in_hand())) stop_ = true;
    }
    for (int rank = 1; rank < ranks_; ++rank) send("", rank, kStop);
    overseer_.save(state_, {});
  }

 private:
  // All ranks have reported for the last time, and nothing is left to hand out.
  bool done() const { return static_cast<int>(idle_.size()) == ranks_ - 1 && (state_.open.empty() || stop_); }

  void take(const MPI_Status& status) {
    const std::string bytes = receive(status);
    if (!bytes.empty()) state_.merge(parse_result(bytes, fmt::format("rank {}", status.MPI_SOURCE)));
    out_.erase(status.MPI_SOURCE);
    idle_.push_back(status.MPI_SOURCE);
  }

  // A fair part of what is open, so that ranks call seldom and none of them runs dry.
  void hand_out(int rank) {
    const std::size_t most = 8;
    const std::size_t count =
        std::clamp<std::size_t>(state_.open.size() / static_cast<std::size_t>(2 * ranks_), 1, most);
    std::vector<WorkUnit> units(state_.open.end() - static_cast<std::ptrdiff_t>(count), state_.open.end());
    state_.open.resize(state_.open.size() - count);
    send(format_units(units), rank, kWork);
    out_[rank] = std::move(units);
  }

  std::vector<WorkUnit> in_hand() const {
    std::vector<WorkUnit> units;
    for (const auto& [rank, theirs] : out_) units.insert(units.end(), theirs.begin(), theirs.end());
    return units;
  }

  Exploration& state_;
  Overseer overseer_;
  Worker worker_;
  std::unique_ptr<Collector> collector_;
  int ranks_;
  bool stop_ = false;
  std::vector<int> idle_;
  std::map<int, std::vector<WorkUnit>> out_;
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
