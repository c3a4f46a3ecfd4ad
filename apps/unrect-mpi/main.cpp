// unrect-mpi VERB …: verbs that many ranks can share, with the results of one.
#include <mpi.h>

#include <cstdio>

#include "cli.hpp"
#include "explore_on_ranks.hpp"
#include "training_ranks.hpp"

int main(int argc, char** argv) {
  using namespace unrect;
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  // All ranks make the same mistakes: one of them says so. (What fails on a rank alone it says itself.)
  if (rank > 0 && std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
  const int status = cli::run_app(argc, argv, [](CLI::App& app) {
    cli::add_regions(app, explore_on_ranks);
    cli::add_train(app, training_ranks());
  });
  // A rank that fails alone must not leave the others waiting.
  if (status != 0) MPI_Abort(MPI_COMM_WORLD, status);
  MPI_Finalize();
  return status;
}
