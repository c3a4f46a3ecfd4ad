// unrect sense: measures an image.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "sensing_options.hpp"

namespace unrect::cli {
namespace {

struct Command {
  std::filesystem::path image, out;
  SensingOptions sensing;
  double noise = 0, step = 0;
  bool json = false;

  void run() const {
    require_place(out, {".npz"}, "--out");
    const Sampling sampling = sensing.sampling();
    Measurement measured = measure(read_image(image), sampling, noise, sensing.seed);
    if (step > 0) measured = quantized(std::move(measured), step);
    write_npz(out, to_arrays(measured));
    const Index count = measured.y.size(), pixels = measured.height * measured.width;
    if (json) {
      const nlohmann::ordered_json result{{"height", measured.height},
                                          {"width", measured.width},
                                          {"operator", name_of(sampling.kind)},
                                          {"block", sampling.block},
                                          {"blocks", measured.y.rows()},
                                          {"measurements_per_block", sampling.measurements()},
                                          {"measurements", count},
                                          {"noise", measured.noise}};
      fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
      return;
    }
    fmt::print("{}: {} × {} pixels, {} blocks of {} × {} with {} measurements each ({}): {} numbers, {:.3g} a pixel\n",
               out.string(), measured.height, measured.width, measured.y.rows(), sampling.block, sampling.block,
               sampling.measurements(), name_of(sampling.kind), count,
               static_cast<double>(count) / static_cast<double>(pixels));
  }
};

}  // namespace

void add_sense(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("sense", "Measure an image block by block: y = Φx + noise");
  verb->add_option("IMAGE", command->image, "PNG, JPEG or PGM; colour is measured as luma")->required();
  command->sensing.add_to(*verb);
  verb->add_option("--noise", command->noise, "σ of Gaussian noise on the measurements")->capture_default_str();
  verb->add_option("--quantize", command->step,
                   "round the measurements to the middles of cells this wide (pixels are 0 … 1; default: not at all)")
      ->check(within(1e-9, 1e9));
  verb->add_option("--out", command->out, "write y, the image's size and the operator: .npz")->required();
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Examples:\n"
      "  unrect sense image.png --ratio 0.25 --operator gaussian --seed 1 --out y.npz\n"
      "  unrect sense image.png --phi phi.npy --noise 0.01 --out y.npz");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
