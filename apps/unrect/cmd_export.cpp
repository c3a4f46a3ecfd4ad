// unrect export: the un-rectified network as a model for other solvers, and their solutions back.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "unrect/base/file.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/verify/network_mip.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::string maximize, minimize, box;
  std::filesystem::path vnnlib, out, read;
  bool property = false, relax = false, json = false;

  Property domain(const Network& net) const;
  void run() const;
};

// The largest of some residuals, and whose it is.
struct Worst {
  double value = 0;
  std::string name;

  void consider(double other, const std::string& whose) {
    if (!(other > value)) return;
    value = other;
    name = whose;
  }
};

// A solver's point against the model and the network.
struct Replay {
  MipSolution solution;
  Vector x, model, output;  // inputs; the outputs as the solver has them; the network's at x
  double difference = 0;    // the largest of |model − output|
  Worst definitions, units, unsafe, inputs, bounds, integrality;

  Replay(MipSolution from, const NetworkMip& exported, const Network& net) : solution(std::move(from)) {
    const Vector& values = solution.values;
    x = values.head(exported.inputs);
    model = values.segment(exported.first_output, exported.outputs);
    output = evaluate(net, x);
    difference = (model - output).cwiseAbs().maxCoeff();
    const Vector rows = row_residuals(exported.mip, values);
    for (Index r = 0; r < rows.size(); ++r) {
      const std::string& name = exported.mip.rows[static_cast<std::size_t>(r)].name;
      Worst& kind = name.starts_with("def_")                                         ? definitions
                    : name.starts_with("in_") || name == "one_case"                  ? inputs
                    : name.starts_with("unsafe_") || name.starts_with("one_unsafe_") ? unsafe
                                                                                     : units;
      kind.consider(rows[r], name);
    }
    for (Index v = 0; v < values.size(); ++v) {
      const Mip::Variable& variable = exported.mip.variables[static_cast<std::size_t>(v)];
      bounds.consider(std::max(variable.lower - values[v], values[v] - variable.upper), variable.name);
      if (variable.integer) integrality.consider(std::abs(values[v] - std::round(values[v])), variable.name);
    }
  }

  template <class Each>
  void each(const Each& each) const {
    each("definitions", definitions);
    each("units", units);
    each("inputs", inputs);
    each("unsafe", unsafe);
    each("bounds", bounds);
    each("integrality", integrality);
  }
};

Property Command::domain(const Network& net) const {
  if (!vnnlib.empty()) return read_vnnlib(vnnlib, {net.input_size(), net.output_size()});
  return {net.input_size(),
          net.output_size(),
          {{parse_box(box, net.input_size()),
            Halfspaces(Matrix(0, net.input_size()), Vector(0)),
            {Halfspaces(Matrix(0, net.output_size()), Vector(0))}}}};
}

void Command::run() const {
  UNRECT_REQUIRE(!property || !vnnlib.empty(), ErrorCode::kInvalidArgument, "--property goes with --vnnlib");
  require_place(out, {".lp", ".mps"}, "--out");
  const Network net = network.read_as_it_stands();
  const bool most = !maximize.empty();
  const std::string sum = most ? maximize : minimize;
  NetworkMipOptions options{{}, most, property, relax};
  if (!sum.empty())
    options.objective =
        naming(most ? "--maximize" : "--minimize", [&] { return parse_objective(sum, net.output_size()); });
  const NetworkMip exported = network_mip(net, domain(net), options);
  if (!out.empty()) write_mip(out, exported.mip);
  std::optional<Replay> replay;
  if (!read.empty()) replay.emplace(parse_mip_solution(read_file(read), read.string(), exported.mip), exported, net);
  const auto value = [&](const Vector& y) { return options.objective->direction.dot(y) + options.objective->constant; };

  if (json) {
    nlohmann::ordered_json object{{"units", exported.units},
                                  {"stable", exported.stable},
                                  {"binaries", exported.binaries},
                                  {"relaxed", relax},
                                  {"columns", exported.mip.variables.size()},
                                  {"rows", exported.mip.rows.size()},
                                  {"nonzeros", exported.mip.entries()}};
    if (replay) {
      nlohmann::ordered_json residuals;
      replay->each([&](const char* kind, const Worst& worst) {
        residuals[kind] = {{"largest", worst.value}, {"where", worst.name}};
      });
      object["solution"] = {{"status", replay->solution.status},
                            {"input", std::vector<double>(replay->x.begin(), replay->x.end())},
                            {"model_output", std::vector<double>(replay->model.begin(), replay->model.end())},
                            {"output", std::vector<double>(replay->output.begin(), replay->output.end())},
                            {"difference", replay->difference},
                            {"residuals", residuals}};
      if (options.objective) {
        object["solution"]["model_value"] = replay->solution.values[exported.objective];
        object["solution"]["value"] = value(replay->output);
      }
    }
    fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{} units, {} of them on one piece all over the domain\n", exported.units, exported.stable);
  fmt::print("{} columns, {} of them {}, {} rows, {} non-zeros\n", exported.mip.variables.size(), exported.binaries,
             relax ? "0 … 1 instead of 0 or 1" : "0 or 1", exported.mip.rows.size(), exported.mip.entries());
  if (!out.empty()) fmt::print("{}\n", out.string());
  if (!replay) return;
  fmt::print("solution: {}\n  input    ({:.9g})\n  outputs  ({:.9g})\n  network  ({:.9g}), {:.3g} away at most\n",
             replay->solution.status, fmt::join(replay->x, ", "), fmt::join(replay->model, ", "),
             fmt::join(replay->output, ", "), replay->difference);
  if (options.objective)
    fmt::print("  {}: {:.17g} in the solution, {:.17g} of the network at this input\n", sum,
               replay->solution.values[exported.objective], value(replay->output));
  std::vector<std::string> missed;
  replay->each([&](const char* kind, const Worst& worst) {
    if (worst.value > 0) missed.push_back(fmt::format("{} by {:.3g} ({})", kind, worst.value, worst.name));
  });
  fmt::print("  missed at most: {}\n", missed.empty() ? "nothing" : fmt::format("{}", fmt::join(missed, ", ")));
}

}  // namespace

void add_export(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("export", "The un-rectified network as a mixed-integer model for other solvers");
  command->network.add_to(*verb);
  CLI::App* const where = verb->add_option_group("domain")->require_option(1);
  where->add_option("--box", command->box, "LO,HI for all inputs, or LO1,HI1,LO2,HI2,…");
  where->add_option("--vnnlib", command->vnnlib, "the inputs of a property file");
  CLI::App* const what = verb->add_option_group("what")->require_option(0, 1);
  what->add_option("--maximize", command->maximize, "a sum of outputs, such as \"2*y0 - y1 + 0.5\"");
  what->add_option("--minimize", command->minimize, "alike");
  what->add_flag("--property", command->property,
                 "only what the property file calls unsafe: the model has a solution if the requirement can be broken");
  verb->add_flag("--relax", command->relax, "0 ≤ d ≤ 1 instead of 0 or 1: a linear program");
  CLI::App* const files = verb->add_option_group("files")->require_option(1, 2);
  files->add_option("--out", command->out, "write the model: .mps or .lp");
  files->add_option("--read", command->read,
                    "a solution of the model with these options, from Cbc (solution FILE) or GLPK (glpsol -w FILE)");
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "Variables: x_j inputs, z_l_i what unit i of layer l reads, a_l_i its value, d_l_i its side, y_k outputs, and\n"
      "objective. The files always minimize: with --maximize, the objective's negative.\n\n"
      "Examples:\n  unrect export net.onnx --box -1,1 --maximize \"y0 - y1\" --out model.mps\n"
      "  cbc model.mps solve solution answer.txt\n"
      "  unrect export net.onnx --box -1,1 --maximize \"y0 - y1\" --read answer.txt\n"
      "  unrect export net.onnx --vnnlib requirement.vnnlib --property --out model.lp\n"
      "  unrect export net.onnx --vnnlib requirement.vnnlib --minimize y0 --relax --out relaxed.lp");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
