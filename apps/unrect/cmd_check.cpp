// unrect check: is a certificate a proof?
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/verify/check.hpp"

namespace unrect::cli {
namespace {

struct Command {
  std::filesystem::path certificate, property;
  NetworkOptions network;
  bool json = false;

  void run() const;
  Certificate read() const;
};

// A file that is no certificate is none that is valid, either: whoever reads the object is told as well.
Certificate Command::read() const {
  try {
    return read_certificate(certificate);
  } catch (const Error& error) {
    if (json) {
      const nlohmann::ordered_json out{{"valid", false}, {"reason", error.what()}};
      fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    throw;
  }
}

void Command::run() const {
  const Certificate proof = read();
  const Network net = network.read_as_it_stands();
  const Property requirement = read_vnnlib(property);
  const ProgressLine line(Context(), [](const Progress& progress, double seconds) {
    return fmt::format("{:.0f} of {:.0f} steps, {:.0f} s", progress.done, progress.total, seconds);
  });
  const CheckResult result = check_certificate(net, requirement, proof, line.context());
  const char* const verdict = proof.witness ? "sat" : "unsat";
  if (json) {
    const nlohmann::ordered_json out{{"valid", result.valid},
                                     {"result", verdict},
                                     {"reason", result.reason},
                                     {"steps", proof.steps.size()},
                                     {"seconds", result.seconds}};
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (result.valid) {
    fmt::print("valid: the property is {}\n  {} steps, {:.2f} s\n", verdict, proof.steps.size(), result.seconds);
  } else {
    fmt::print("not valid: {}\n", result.reason);
  }
}

}  // namespace

void add_check(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("check", "Is a certificate of unrect verify a proof?");
  verb->add_option("CERTIFICATE", command->certificate, "what unrect verify --certificate wrote: .npz")->required();
  command->network.add_to(*verb, "--network");
  verb->add_option("--property", command->property, "the property: .vnnlib, or .vnnlib.gz")->required();
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "Shares nothing with the search but the reading of networks and properties. The exit status is 0 for valid and\n"
      "for not valid; a file that is no certificate, or was changed, is refused.\n\n"
      "Example:\n  unrect check proof.npz --network net.onnx --property requirement.vnnlib");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
