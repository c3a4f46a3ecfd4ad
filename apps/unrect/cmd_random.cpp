// unrect random: a network to play with.
#include <fmt/format.h>

#include "cli.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect::cli {
namespace {

struct Command {
  std::vector<Index> widths;
  std::uint64_t seed = Context{}.seed;
  double bias = kBiasSpread;
  std::filesystem::path out;

  void run() const {
    const Network network = random_chain(widths, Rng(seed), bias);
    write_network(out, network);
    fmt::print("{}: {} parameters, {} ReLU units\n", out.string(), network.parameters(), network.units());
  }
};

}  // namespace

void add_random(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("random", "Write a fully connected ReLU network with random weights");
  verb->add_option("WIDTHS", command->widths, "widths of input, hidden layers and output")
      ->delimiter(',')
      ->required()
      ->check(CLI::Range(1, 65536));
  verb->add_option("--out", command->out, "file to write: .onnx or .npz")->required();
  add_seed(*verb, command->seed, "seed of the weights");
  verb->add_option("--bias", command->bias, "standard deviation of the biases; weights are He-normal")
      ->capture_default_str()
      ->check(not_negative());
  verb->footer("Example:\n  unrect random 2,16,16,3 --seed 7 --out net.onnx");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
