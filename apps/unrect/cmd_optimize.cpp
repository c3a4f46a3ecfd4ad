// unrect optimize: how large, how small at worst?
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/verify/optimize.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::string maximize, minimize, box;
  std::filesystem::path vnnlib;
  OptimizeOptions options;
  Context context;
  bool range = false, json = false;

  void run() const;
};

nlohmann::ordered_json object(const OptimizeResult& result, bool with_point) {
  nlohmann::ordered_json out{{"status", to_string(result.status)}, {"lower", result.lower}, {"upper", result.upper}};
  if (with_point) {
    out["point"] = nullptr;
    if (result.point.size() > 0) out["point"] = std::vector<double>(result.point.begin(), result.point.end());
  }
  if (!result.reason.empty()) out["reason"] = result.reason;
  return out;
}

// What stopped a search, for people.
std::string ending(const OptimizeResult& result) {
  if (result.status == IntervalStatus::kClosed) return "";
  return fmt::format(", {}", result.reason.empty() ? to_string(result.status) : result.reason);
}

void Command::run() const {
  const Network net = network.read_as_it_stands();
  std::vector<InputSet> domain;
  if (!box.empty()) {
    domain.push_back({parse_box(box, net.input_size()), Halfspaces(Matrix(0, net.input_size()), Vector(0))});
  } else {
    domain = input_sets(read_vnnlib(vnnlib, {net.input_size(), net.output_size()}));
  }
  const bool most = !maximize.empty();
  Objective objective;
  if (!range) {
    objective = naming(most ? "--maximize" : "--minimize",
                       [&] { return parse_objective(most ? maximize : minimize, net.output_size()); });
  }
  const ProgressLine line(context, [](const Progress& progress, double seconds) {
    return fmt::format("{:.1f} % of the domain refuted, {:.0f} s", 100 * progress.done, seconds);
  });
  if (!range) {
    const OptimizeResult result = most ? unrect::maximize(net, objective, domain, options, line.context())
                                       : unrect::minimize(net, objective, domain, options, line.context());
    if (json) {
      nlohmann::ordered_json out = object(result, true);
      out["nodes"] = result.nodes;
      out["seconds"] = result.seconds;
      fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
      return;
    }
    if (result.status == IntervalStatus::kEmpty) {
      fmt::print("the domain is empty\n");
      return;
    }
    fmt::print("{} of {} over the domain: {:.17g} … {:.17g} (gap {:.3g}{})\n", most ? "maximum" : "minimum",
               most ? maximize : minimize, result.lower, result.upper, result.upper - result.lower, ending(result));
    if (result.point.size() > 0)
      fmt::print("  {} attained at ({:.17g})\n", most ? "the former" : "the latter", fmt::join(result.point, ", "));
    fmt::print("  {} nodes, {:.2f} s\n", result.nodes, result.seconds);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  nlohmann::ordered_json ranges = nlohmann::json::array();
  std::uint64_t nodes = 0;
  for (Index i = 0; i < net.output_size(); ++i) {
    const Objective output{Vector::Unit(net.output_size(), i)};
    const auto extreme = [&](bool largest) {
      OptimizeOptions left = options;
      if (left.time_limit > 0) left.time_limit = std::max(left.time_limit - seconds(), 1e-3);
      const OptimizeResult result = largest ? unrect::maximize(net, output, domain, left, line.context())
                                            : unrect::minimize(net, output, domain, left, line.context());
      nodes += result.nodes;
      return result;
    };
    const OptimizeResult least = extreme(false), most_of_it = extreme(true);
    if (json) {
      ranges.push_back({{"output", i}, {"minimum", object(least, true)}, {"maximum", object(most_of_it, true)}});
    } else if (least.status == IntervalStatus::kEmpty) {
      fmt::print("the domain is empty\n");
      return;
    } else {
      fmt::print("y{}: minimum {:.9g} … {:.9g}{}, maximum {:.9g} … {:.9g}{}\n", i, least.lower, least.upper,
                 ending(least), most_of_it.lower, most_of_it.upper, ending(most_of_it));
    }
  }
  if (json) {
    const nlohmann::ordered_json out{{"ranges", ranges}, {"nodes", nodes}, {"seconds", seconds()}};
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("  {} nodes, {:.2f} s\n", nodes, seconds());
  }
}

}  // namespace

void add_optimize(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("optimize", "How large or small can a sum of outputs be? A proved interval");
  command->network.add_to(*verb);
  CLI::App* const what = verb->add_option_group("what")->require_option(1);
  what->add_option("--maximize", command->maximize, "a sum of outputs, such as \"2*y0 - y1 + 0.5\"");
  what->add_option("--minimize", command->minimize, "alike");
  what->add_flag("--range", command->range, "the smallest and the largest value of every output");
  CLI::App* const where = verb->add_option_group("domain")->require_option(1);
  where->add_option("--box", command->box, "LO,HI for all inputs, or LO1,HI1,LO2,HI2,…");
  where->add_option("--vnnlib", command->vnnlib,
                    "the inputs of a property file; what it says of outputs is left aside");
  add_field(*verb, "--gap", command->options, command->options.gap);
  add_field(*verb, "--time-limit", command->options, command->options.time_limit);
  add_threads(*verb, command->context);
  add_seed(*verb, command->context.seed, "of the points that the search starts from");
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "The true optimum lies in the interval: one end is attained at the printed point, the other is proved.\n"
      "When the time limit comes first the interval is wider, and holds all the same.\n\n"
      "Examples:\n  unrect optimize net.onnx --maximize \"y0 - y1\" --box -1,1\n"
      "  unrect optimize net.onnx --minimize y0 --vnnlib requirement.vnnlib --gap 1e-3 --json\n"
      "  unrect optimize net.onnx --range --box 0,1,-2,2 --time-limit 60");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
