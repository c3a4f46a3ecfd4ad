// unrect info: what a network is made of.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  bool json = false;

  void run() const;
};

std::string detail(const Op& op) {
  return by_kind(
      op, [](const Dense& dense) { return fmt::format("{}×{}", dense.weight.rows(), dense.weight.cols()); },
      [](const Convolution& conv) {
        const Window& w = conv.window;
        return fmt::format("{}→{} channels, {}×{} kernel, {}×{} → {}×{}", w.channels, conv.kernel.rows(),
                           w.kernel_height, w.kernel_width, w.height, w.width, w.out_height(), w.out_width());
      },
      [](const Maximum& max) { return fmt::format("windows of {}", max.width); },
      [](const Piecewise& f) { return f.is_relu() ? std::string() : fmt::format("{} pieces", f.pieces()); },
      alike<Input, Scale, Select, Sum, Concat>([](const auto&) { return std::string(); }));
}

void Command::run() const {
  ImportOptions as_it_stands = network.import;
  as_it_stands.fold = false;
  const Network raw = read_network(network.file, as_it_stands);
  const Network folded = fold(raw);
  if (json) {
    nlohmann::ordered_json out;
    out["file"] = network.file.string();
    out["parameters"] = folded.parameters();
    out["inputs"] = folded.input_size();
    out["outputs"] = folded.output_size();
    out["relu_units"] = folded.units();
    out["input_shape"] = folded.input_shape();
    out["output_shape"] = folded.output_shape();
    out["widths"] = folded.widths();
    out["nodes_before_folding"] = raw.nodes().size();
    for (std::size_t i = 0; i < folded.nodes().size(); ++i) {
      const Node& node = folded.nodes()[i];
      out["nodes"].push_back({{"name", node.name},
                              {"op", name_of(*node.op)},
                              {"inputs", node.inputs},
                              {"size", node.size},
                              {"parameters", parameters_of(*node.op)}});
    }
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n", network.file.string());
  fmt::print("  inputs       {} ({})\n", folded.input_size(), shape_text(folded.input_shape()));
  fmt::print("  outputs      {} ({})\n", folded.output_size(), shape_text(folded.output_shape()));
  fmt::print("  parameters   {}\n", folded.parameters());
  fmt::print("  ReLU units   {} in {} layers ({})\n", folded.units(), folded.layers().size(),
             fmt::join(folded.widths(), ", "));
  fmt::print("  folded form  {} of {} nodes\n\n", folded.nodes().size(), raw.nodes().size());
  Table table{{"node", "op", "reads", "size", "parameters", "", "name"}, {}, {}};
  for (std::size_t i = 0; i < folded.nodes().size(); ++i) {
    const Node& node = folded.nodes()[i];
    table.rows.push_back({std::to_string(i), name_of(*node.op), fmt::format("{}", fmt::join(node.inputs, " ")),
                          std::to_string(node.size), std::to_string(parameters_of(*node.op)), detail(*node.op),
                          node.name});
  }
  fmt::print("{}", to_text(table));
}

}  // namespace

void add_info(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("info", "What a network is made of: graph, widths, parameters, folded form");
  command->network.add_to(*verb);
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "Layers are the piecewise-linear nodes, counted from 0. A network with an unsupported node ends with exit\n"
      "status 3 and one line that names node and op.\n\n"
      "Examples:\n  unrect info net.onnx\n  unrect info net.npz --json | jq .relu_units");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
