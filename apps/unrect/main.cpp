// unrect VERB FILE [--options]: results on stdout, one line of trouble on stderr, an exit status a script can act on.
#include "cli.hpp"

int main(int argc, char** argv) {
  return unrect::cli::run_app(argc, argv, [](CLI::App& app) {
    unrect::cli::add_info(app);
    unrect::cli::add_inspect(app);
    unrect::cli::add_convert(app);
    unrect::cli::add_random(app);
    unrect::cli::add_regions(app);
    unrect::cli::add_train(app);
    unrect::cli::add_signal(app);
    unrect::cli::add_sense(app);
    unrect::cli::add_verify(app);
    unrect::cli::add_check(app);
    unrect::cli::add_optimize(app);
    unrect::cli::add_radius(app);
    unrect::cli::add_lipschitz(app);
    unrect::cli::add_export(app);
    unrect::cli::add_recover(app);
    unrect::cli::add_bench(app);
  });
}
