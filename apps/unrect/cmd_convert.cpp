// unrect convert: one format into another, folded on the way.
#include <fmt/format.h>

#include <algorithm>

#include "cli.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/network/mean.hpp"
#include "unrect/recipes/ensemble.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::vector<std::filesystem::path> others;
  std::filesystem::path out;
  bool float32 = false, int8 = false, no_fold = false;

  void run() const;
};

bool mixes_pixels(const Node& node) {
  const Convolution* const conv = std::get_if<Convolution>(node.op.get());
  return conv != nullptr && !conv->window.pointwise();
}

// What the file says of itself.
Metadata said_by(const std::filesystem::path& file) {
  return file.extension() == ".onnx" ? parse_onnx_metadata(read_file(file), file.string()) : Metadata{};
}

void Command::run() const {
  UNRECT_REQUIRE(!(int8 || float32) || out.extension() == ".onnx", ErrorCode::kInvalidArgument,
                 "--out {}: {} goes with .onnx alone", out.string(), int8 ? "--int8" : "--float");
  NetworkOptions source = network;
  source.import.fold = !no_fold;
  std::vector<Network> networks{source.read()};
  const Index inputs = networks[0].input_size(), outputs = networks[0].output_size();
  Metadata about = said_by(source.file);
  for (const std::filesystem::path& other : others) {
    source.file = other;
    const Network next = source.read();
    UNRECT_REQUIRE(next.input_size() == inputs && next.output_size() == outputs, ErrorCode::kInvalidArgument,
                   "--mean {}: {} → {}; expected {} → {}, as {} has", other.string(), next.input_size(),
                   next.output_size(), inputs, outputs, network.file.string());
    networks.push_back(next);
    // A mean is no longer what its parts say they are; but for the Φ that all were trained for.
    const Metadata says = said_by(other);
    std::erase_if(about, [&](const auto& entry) {
      const auto also = says.find(entry.first);
      return entry.first != kPhi || also == says.end() || also->second != entry.second;
    });
  }
  const Network side_by_side = mean(networks), result = no_fold ? side_by_side : fold(side_by_side);
  write_network(out, result,
                int8      ? ExportPrecision::kInt8
                : float32 ? ExportPrecision::kFloat32
                          : ExportPrecision::kFloat64,
                about);
  fmt::print("{}: {} nodes, {} parameters\n", out.string(), result.nodes().size(), result.parameters());
  const bool in_double = out.extension() == ".onnx" && !float32 && !int8;
  if (in_double && std::ranges::any_of(result.nodes(), mixes_pixels)) {
    fmt::print("onnxruntime has Conv in float32 alone; --float writes a file that it runs.\n");
  }
}

}  // namespace

void add_convert(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("convert", "Write a network as ONNX (opset 13) or .npz, folded");
  command->network.add_to(*verb);
  verb->add_option("--out", command->out, "file to write: .onnx, or .npz for a fully connected chain")->required();
  verb->add_option("--mean", command->others,
                   "further networks, comma-separated: write the mean of all, as one network")
      ->delimiter(',')
      ->allow_extra_args(false);
  CLI::Option* const narrow = verb->add_flag("--float", command->float32, "weights in float32 instead of float64");
  verb->add_flag("--int8", command->int8, "matrices and kernels in 8 bits, a factor an output; the rest in float32")
      ->excludes(narrow);
  verb->add_flag("--no-fold", command->no_fold, "keep affine chains as they are");
  verb->footer(
      "Examples:\n  unrect convert net.npz --out net.onnx\n  unrect convert big.onnx --out folded.onnx --float\n"
      "  unrect convert classifier.onnx --cut-softmax --out logits.onnx\n"
      "  unrect convert one.onnx --mean two.onnx,three.onnx --int8 --out mean.onnx");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
