// unrect lipschitz: how much can the output change at most, for each unit that the input does?
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/base/error.hpp"
#include "unrect/bounds/lipschitz_constant.hpp"

namespace unrect::cli {
namespace {

const std::map<std::string, Norm> kNorms{{"1", Norm::kOne}, {"2", Norm::kTwo}, {"inf", Norm::kInfinity}};

struct Command {
  NetworkOptions network;
  std::string box, norm = "2", norm_in, norm_out;
  std::vector<Index> margin;
  std::filesystem::path vnnlib;
  Index input_case = -1;
  LipschitzOptions options;
  Context context;
  bool global = false, json = false;

  void run() const;
  std::optional<Domain> domain(const Network& net) const;
};

std::optional<Domain> Command::domain(const Network& net) const {
  const int given = (box.empty() ? 0 : 1) + (vnnlib.empty() ? 0 : 1) + (global ? 1 : 0);
  UNRECT_REQUIRE(given == 1, ErrorCode::kInvalidArgument,
                 "lipschitz over which inputs? Give one of --box LO,HI, --vnnlib FILE or --global");
  UNRECT_REQUIRE(input_case < 0 || !vnnlib.empty(), ErrorCode::kInvalidArgument,
                 "--case {}: only beside --vnnlib, whose input sets it counts", input_case);
  if (global) return std::nullopt;
  if (!box.empty()) {
    const Box inputs = parse_box(box, net.input_size());
    return naming("--box", [&] { return Domain(inputs); });
  }
  return property_domain(vnnlib, input_case, net);
}

std::string pieces_text(const Configuration& configuration) {
  std::string text;
  for (const auto& layer : configuration.layers) {
    if (!text.empty()) text += ',';
    for (const std::uint16_t piece : layer) text += piece < 10 ? static_cast<char>('0' + piece) : '?';
  }
  return text;
}

void Command::run() const {
  const Network net = network.read_as_it_stands();
  LipschitzOptions asked = options;
  asked.from = kNorms.at(norm_in.empty() ? norm : norm_in);
  asked.to = kNorms.at(norm_out.empty() ? norm : norm_out);
  if (!margin.empty()) asked.margin = std::pair(margin[0], margin[1]);
  const std::optional<Domain> where = domain(net);
  const ProgressLine line(context, [](const Progress& progress, double seconds) {
    return fmt::format("{}, {:.0f} nodes, {:.3g}/s, {:.0f} s", progress.what, progress.done,
                       progress.done / std::max(seconds, 1e-3), seconds);
  });
  const LipschitzResult result =
      naming(network.file.string(), [&] { return lipschitz_constant(net, where, asked, line.context()); });
  if (json) {
    nlohmann::ordered_json out{{"lower", result.lower},
                               {"upper", result.upper},
                               {"status", to_string(result.status)},
                               {"norm_in", norm_in.empty() ? norm : norm_in},
                               {"norm_out", norm_out.empty() ? norm : norm_out},
                               {"configuration", pieces_text(result.configuration)},
                               {"point", nullptr},
                               {"nodes", result.nodes},
                               {"seconds", result.seconds}};
    if (result.point) out["point"] = std::vector<double>(result.point->begin(), result.point->end());
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  if (result.status == LipschitzStatus::kClosed) {
    fmt::print("{:.15g}\n", result.lower);
    fmt::print("  the Lipschitz constant {}, proved: at least that, and at most {:.15g}\n",
               global ? "over all inputs" : "over the domain", result.upper);
  } else {
    fmt::print("between {:.15g} and {:.15g}\n  proved on both sides; {}\n", result.lower, result.upper,
               result.status == LipschitzStatus::kTimeLimit ? "the time limit came first" : "interrupted");
  }
  if (result.point) fmt::print("  steepest around ({:.9g})\n", fmt::join(*result.point, ", "));
  fmt::print("  {} nodes, {:.2f} s\n", result.nodes, result.seconds);
}

}  // namespace

void add_lipschitz(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb =
      app.add_subcommand("lipschitz", "How steep is it at most? The exact Lipschitz constant, local or global");
  command->network.add_to(*verb);
  verb->add_option("--box", command->box, "inputs in LO,HI, or LO1,HI1,LO2,HI2,… one interval an input");
  verb->add_option("--vnnlib", command->vnnlib, "inputs of a property: .vnnlib, or .vnnlib.gz");
  verb->add_option("--case", command->input_case, "which of the property's input sets, from 0")
      ->check(CLI::Range(Index{0}, Index{1'000'000'000}));
  verb->add_flag("--global", command->global, "all inputs");
  verb->add_option("--norm", command->norm, "of inputs and outputs")
      ->capture_default_str()
      ->check(CLI::IsMember(kNorms));
  verb->add_option("--norm-in", command->norm_in, "of inputs, if it is another one")->check(CLI::IsMember(kNorms));
  verb->add_option("--norm-out", command->norm_out, "of outputs, if it is another one")->check(CLI::IsMember(kNorms));
  verb->add_option("--margin", command->margin, "I,J: of y_I - y_J instead of all outputs")
      ->delimiter(',')
      ->expected(2);
  add_field(*verb, "--gap", command->options, command->options.gap);
  add_field(*verb, "--time-limit", command->options, command->options.time_limit);
  add_threads(*verb, command->context);
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "The constant is the largest norm of a region's matrix, over the regions that have an interior in the domain.\n"
      "Both ends of the interval are proved; Ctrl-C and --time-limit leave the interval so far.\n"
      "Norms: 1→1, 2→2, inf→inf, 1→any, any→inf. The others are NP-hard even for one matrix.\n\n"
      "Examples:\n  unrect lipschitz net.onnx --box=-1,1\n"
      "  unrect lipschitz net.npz --global --json\n"
      "  unrect lipschitz net.onnx --vnnlib requirement.vnnlib --norm inf --margin 0,1");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
