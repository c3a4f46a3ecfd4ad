// unrect radius: how far until the class changes?
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/verify/radius.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::string at, sample, norm = "inf", box;
  RadiusOptions options;
  Context context;
  bool raw = false, json = false;

  void run(const CLI::App& verb) const;
};

void Command::run(const CLI::App& verb) const {
  require_used(verb, {{"--raw", !sample.empty(), "--sample"}});
  const Network net = network.read_as_it_stands();
  const Vector x = sample.empty() ? parse_vector(at, "--at") : read_sample(sample, raw);
  RadiusOptions asked = options;
  asked.norm = norm == "inf" ? Norm::kInfinity : norm == "2" ? Norm::kTwo : Norm::kOne;
  if (!box.empty()) asked.within = parse_box(box, net.input_size());
  const ProgressLine line(context, [](const Progress&, double seconds) {
    return fmt::format("between certified and attacked, {:.0f} s", seconds);
  });
  const RadiusResult result = radius(net, x, asked, line.context());
  if (json) {
    nlohmann::ordered_json out{{"status", to_string(result.status)},
                               {"lower", result.lower},
                               {"upper", result.upper},
                               {"norm", norm},
                               {"class", result.label},
                               {"other", nullptr},
                               {"point", nullptr},
                               {"output", nullptr},
                               {"float32", nullptr},
                               {"nodes", result.nodes},
                               {"seconds", result.seconds}};
    if (result.adversarial) {
      const Witness& w = *result.adversarial;
      out["other"] = result.other;
      out["point"] = std::vector<double>(w.input.begin(), w.input.end());
      out["output"] = std::vector<double>(w.output.begin(), w.output.end());
      out["float32"] = w.float32;
    }
    if (!result.reason.empty()) out["reason"] = result.reason;
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("class {} stays up to {:.9g} in the norm {}, proved\n", result.label, result.lower, norm);
  if (result.adversarial) {
    fmt::print("  at {:.9g} output {} is as large{}: in exact arithmetic{}\n", result.upper, result.other,
               x.size() <= 16 ? fmt::format(", at ({:.9g})", fmt::join(result.adversarial->input, ", ")) : "",
               result.adversarial->float32 ? ", and in float32" : ", but not in float32");
  }
  const std::string ending = result.reason.empty() ? std::string(to_string(result.status)) : result.reason;
  fmt::print("  {}; {} nodes, {:.2f} s\n", ending, result.nodes, result.seconds);
}

}  // namespace

void add_radius(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("radius", "How far from an input is the nearest one of another class?");
  command->network.add_to(*verb);
  CLI::App* const where = verb->add_option_group("input")->require_option(1);
  where->add_option("--at", command->at, "\"v1,v2,…\" or an .npy file");
  where->add_option("--sample", command->sample,
                    "item NUMBER of an IDX file, \"FILE:NUMBER\", divided by 255 unless --raw");
  verb->add_flag("--raw", command->raw, "do not divide --sample by 255");
  verb->add_option("--norm", command->norm, "of the distance")
      ->capture_default_str()
      ->check(CLI::IsMember({"inf", "2", "1"}));
  add_field(*verb, "--label", command->options, command->options.label);
  verb->add_option("--box", command->box, "only inputs of this box count: LO,HI, or LO1,HI1,LO2,HI2,…");
  add_field(*verb, "--gap", command->options, command->options.gap);
  add_field(*verb, "--time-limit", command->options, command->options.time_limit);
  add_threads(*verb, command->context);
  add_seed(*verb, command->context.seed, "of the points that the attack starts from");
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "lower: as far as that the class is proved to stay, in real numbers. upper: the distance of an input at which\n"
      "another output is as large, replayed in exact arithmetic.\n\n"
      "Examples:\n  unrect radius net.onnx --at 0.1,0.2\n"
      "  unrect radius mnist.onnx --sample t10k-images-idx3-ubyte.gz:17 --box 0,1 --time-limit 60 --json\n"
      "  unrect radius net.onnx --at x.npy --norm 2 --gap 1e-4");
  verb->callback([command, verb] { command->run(*verb); });
}

}  // namespace unrect::cli
