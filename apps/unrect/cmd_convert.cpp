// unrect convert: one format into another, folded on the way.
#include <fmt/format.h>

#include "cli.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::filesystem::path out;
  bool float32 = false, no_fold = false;

  void run() const {
    NetworkOptions source = network;
    source.import.fold = !no_fold;
    const Network result = source.read();
    write_network(out, result, float32 ? ExportPrecision::kFloat32 : ExportPrecision::kFloat64);
    fmt::print("{}: {} nodes, {} parameters\n", out.string(), result.nodes().size(), result.parameters());
  }
};

}  // namespace

void add_convert(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("convert", "Write a network as ONNX (opset 13) or .npz, folded");
  command->network.add_to(*verb);
  verb->add_option("--out", command->out, "file to write: .onnx, or .npz for a fully connected chain")->required();
  verb->add_flag("--float", command->float32, "weights in float32 instead of float64");
  verb->add_flag("--no-fold", command->no_fold, "keep affine chains as they are");
  verb->footer(
      "Examples:\n  unrect convert net.npz --out net.onnx\n  unrect convert big.onnx --out folded.onnx --float\n"
      "  unrect convert classifier.onnx --cut-softmax --out logits.onnx");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
