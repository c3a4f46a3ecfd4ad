#include "training_ranks.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <climits>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// Boundaries as MPI's counts and displacements.
struct Parts {
  std::vector<int> counts, begins;

  explicit Parts(const std::vector<std::size_t>& cuts) {
    UNRECT_REQUIRE(cuts.back() <= INT_MAX, ErrorCode::kInvalidArgument, "a message of {} bytes between ranks",
                   cuts.back());
    for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
      begins.push_back(static_cast<int>(cuts[r]));
      counts.push_back(static_cast<int>(cuts[r + 1] - cuts[r]));
    }
  }
};

}  // namespace

Ranks training_ranks() {
  Ranks ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &ranks.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks.count);
  ranks.gather = [](std::byte* values, const std::vector<std::size_t>& cuts) {
    const Parts parts(cuts);
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, parts.counts.data(), parts.begins.data(), MPI_BYTE,
                   MPI_COMM_WORLD);
  };
  ranks.scatter = [me = static_cast<std::size_t>(ranks.rank)](int root, const std::byte* values,
                                                              const std::vector<std::size_t>& cuts, std::byte* part) {
    const Parts parts(cuts);
    const bool mine = root == static_cast<int>(me);
    MPI_Scatterv(values, parts.counts.data(), parts.begins.data(), MPI_BYTE, mine ? MPI_IN_PLACE : part,
                 mine ? 0 : parts.counts[me], MPI_BYTE, root, MPI_COMM_WORLD);
  };
  return ranks;
}

}  // namespace unrect
