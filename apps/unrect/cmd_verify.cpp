// unrect verify: can it ever…?
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/base/file.hpp"
#include "unrect/verify/verify.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::filesystem::path property, results, certificate;
  VerifyOptions options;
  Context context;
  bool json = false;

  void run() const;
};

// What the competition's harness reads: the verdict, and for sat the witness with the outputs.
std::string results_text(const VerifyResult& result) {
  std::string text = fmt::format("{}\n", to_string(result.verdict));
  if (!result.witness) return text;
  text += "(";
  for (Index j = 0; j < result.witness->input.size(); ++j)
    text += fmt::format("{}(X_{} {:.17g})", j == 0 ? "" : "\n", j, result.witness->input[j]);
  for (Index i = 0; i < result.witness->output.size(); ++i)
    text += fmt::format("\n(Y_{} {:.17g})", i, result.witness->output[i]);
  return text + ")\n";
}

void Command::run() const {
  require_place(results, {".txt", ".out", ""}, "--results");
  require_place(certificate, {".npz"}, "--certificate");
  const Network net = network.read_as_it_stands();
  const Property requirement = read_vnnlib(property);
  const ProgressLine line(context, [](const Progress& progress, double seconds) {
    const double left = progress.done > 0 ? seconds * (1 - progress.done) / progress.done : 0;
    return fmt::format("{:.1f} % of the domain refuted, {:.0f} s, {:.0f} s to go", 100 * progress.done, seconds, left);
  });
  VerifyOptions asked = options;
  asked.certificate = !certificate.empty();
  const VerifyResult result = verify(net, requirement, asked, line.context());
  if (result.certificate) write_certificate(certificate, *result.certificate);
  if (!results.empty()) write_file(results, results_text(result));
  if (json) {
    nlohmann::ordered_json out{{"result", to_string(result.verdict)},
                               {"witness", nullptr},
                               {"output", nullptr},
                               {"real", nullptr},
                               {"float32", nullptr},
                               {"representable", nullptr},
                               {"seconds", result.seconds},
                               {"nodes", result.nodes}};
    if (result.witness) {
      out["witness"] = std::vector<double>(result.witness->input.begin(), result.witness->input.end());
      out["output"] = std::vector<double>(result.witness->output.begin(), result.witness->output.end());
      out["real"] = result.witness->real;
      out["float32"] = result.witness->float32;
      out["representable"] = result.witness->representable;
    }
    if (!certificate.empty()) {
      out["certificate"] = nullptr;
      if (result.certificate) out["certificate"] = certificate.string();
    }
    if (result.verdict == Verdict::kUnknown || result.verdict == Verdict::kTimeout) {
      out["gap"] = result.gap;
      out["reason"] = result.reason;
    }
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{}\n", to_string(result.verdict));
  if (result.witness) {
    const Witness& w = *result.witness;
    fmt::print("  input    ({:.9g})\n  output   ({:.9g})\n", fmt::join(w.input, ", "), fmt::join(w.output, ", "));
    fmt::print("  holds in exact arithmetic{}, {} in float32\n", w.strict ? ", strictly" : ", on the boundary",
               w.float32 ? "and" : "but not");
  } else if (result.verdict == Verdict::kUnsat) {
    fmt::print("  no input of the domain is unsafe (real numbers, rounding included)\n");
  } else {
    fmt::print("  {}; open gap {:.3g}\n", result.reason.empty() ? "the time limit came first" : result.reason,
               result.gap);
  }
  if (result.certificate)
    fmt::print("  certificate of {} steps in {}\n", result.certificate->steps.size(), certificate.string());
  else if (!certificate.empty())
    fmt::print("  no certificate: {}\n", result.verdict == Verdict::kSat || result.verdict == Verdict::kUnsat
                                             ? "the time limit came first, or too many inputs vary"
                                             : "there is no verdict");
  fmt::print("  {} nodes, {:.2f} s\n", result.nodes, result.seconds);
}

}  // namespace

void add_verify(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("verify", "Does a requirement hold over its whole domain? A witness or a proof");
  command->network.add_to(*verb);
  verb->add_option("PROPERTY", command->property, "what must not happen: .vnnlib, or .vnnlib.gz")->required();
  add_field(*verb, "--time-limit", command->options, command->options.time_limit);
  add_threads(*verb, command->context);
  verb->add_option("--results", command->results, "write verdict and witness as the competition's harness reads them");
  verb->add_option("--certificate", command->certificate, "write what unrect check accepts: .npz");
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "sat: an input of the domain has an unsafe output; it is printed, and judged in exact arithmetic and in "
      "float32.\n"
      "unsat: there is none, proved about the network as a function of real numbers. unknown, timeout: neither.\n"
      "The exit status is 0 for any of them.\n\n"
      "Examples:\n  unrect verify net.onnx requirement.vnnlib\n"
      "  unrect verify net.onnx.gz requirement.vnnlib.gz --time-limit 60 --json\n"
      "  unrect verify net.npz requirement.vnnlib --results out.txt --certificate proof.npz");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
