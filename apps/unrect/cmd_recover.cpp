// unrect recover: an image from its measurements.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "sensing_options.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/fit.hpp"
#include "unrect/sensing/scores.hpp"

namespace unrect::cli {
namespace {

struct Command {
  std::filesystem::path measurements, out, phi, model, reference;
  std::string method, train_folder;
  std::uint64_t seed = Context{}.seed;
  bool json = false;

  void run(const CLI::App& verb);
};

void Command::run(const CLI::App& verb) {
  if (method.empty()) method = model.empty() ? "iht" : "net";
  require_used(verb,
               {{"--model", method == "net", "--method net"}, {"--train-folder", uses_images({method}), kLearners}});
  require_place(out, {".png"}, "--out");
  const std::string name = measurements.string();
  const ArrayMap arrays = read_npz(measurements);
  const Measurement measured =
      phi.empty() ? to_measurement(arrays, name) : to_measurement(arrays, name, read_sampling(phi));
  const std::optional<Image> truth = reference.empty() ? std::nullopt : std::optional(read_image(reference));
  UNRECT_REQUIRE(!truth || (truth->rows() == measured.height && truth->cols() == measured.width),
                 ErrorCode::kInvalidArgument, "--reference {}: {} × {} pixels, but {} × {} were measured",
                 reference.string(), truth->rows(), truth->cols(), measured.height, measured.width);
  const Learned learned = read_learned(train_folder, model, {method}, measured.sampling.block, seed);
  const std::string at_fault = model.empty() ? name : name + " or " + model.string();
  const Decoder decode = naming(at_fault, [&] {
    Decoder chosen = decoder_named(method, measured.sampling, learned.options(measured.noise, seed));
    chosen.prepare(measured.height, measured.width);
    return chosen;
  });
  const std::clock_t start = std::clock();
  const Image found = naming(at_fault, [&] { return decode(measured); });
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  UNRECT_REQUIRE(found.allFinite(), ErrorCode::kInvalidArgument,
                 "{}: {} finds no finite image; expected numbers of sane size", at_fault, method);
  write_png(out, found);
  const double norm = measured.y.norm();
  const double left = residual(measured, found), misfit = norm > 0 ? left / norm : left;
  if (left > asked_residual(measured))
    fmt::print(stderr, "unrect: {}: no image near by gives these measurements: {:.2g} of {:.2g} is left (noise {:g})\n",
               name, left, norm, measured.noise);
  if (json) {
    nlohmann::ordered_json result{{"method", method},           {"height", measured.height},
                                  {"width", measured.width},    {"seconds", seconds},
                                  {"residual", left},           {"asked_residual", asked_residual(measured)},
                                  {"relative_residual", misfit}};
    if (truth) {
      result["psnr"] = psnr(found, *truth);
      result["ssim"] = ssim(found, *truth);
      result["nmse"] = nmse(found, *truth);
    }
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {} × {} pixels by {} in {:.2f} s, ‖Φx − y‖ = {:.2g} ‖y‖\n", out.string(), measured.height,
             measured.width, method, seconds, misfit);
  if (truth) fmt::print("PSNR {:.2f} dB, SSIM {:.4f}\n", psnr(found, *truth), ssim(found, *truth));
}

}  // namespace

void add_recover(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("recover", "Recover an image from measurements");
  verb->add_option("MEASUREMENTS", command->measurements, ".npz that unrect sense wrote")->required();
  verb->add_option("--method", command->method, fmt::format("{}", fmt::join(decoder_names(), ", ")))
      ->default_str("iht; net with --model");
  verb->add_option("--model", command->model, "net: a recovery network that unrect train wrote, .onnx");
  verb->add_option("--phi", command->phi, "Φ, m × block², .npy, instead of the operator in the file");
  verb->add_option("--train-folder", command->train_folder, "lmmse, wiener, ksvd: images to learn from");
  add_seed(*verb, command->seed, "seed of shifts and of ksvd's patches");
  verb->add_option("--out", command->out, "write the image: .png, 8 bits")->required();
  verb->add_option("--reference", command->reference, "the image itself: print PSNR and SSIM");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Examples:\n"
      "  unrect recover y.npz --method tv --out x.png --reference image.png\n"
      "  unrect recover y.npz --model net.onnx --out x.png\n"
      "  unrect recover y.npz --method lmmse --train-folder images --out x.png");
  verb->callback([command, verb] { command->run(*verb); });
}

}  // namespace unrect::cli
