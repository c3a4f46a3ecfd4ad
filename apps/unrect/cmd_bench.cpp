// unrect bench: how well and how fast, on data.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "montage.hpp"
#include "sensing_options.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/scores.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

using Json = nlohmann::ordered_json;

/// One method over all images.
struct Result {
  std::string method;
  std::vector<double> psnr, ssim;
  double seconds = 0;  // of a processor, of all images

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
};

struct Command {
  std::filesystem::path data, train_folder, model, picture;
  std::vector<std::string> methods;
  SensingOptions sensing;
  bool json = false;

  void run();
};

Json json_of(const Result& result, const std::vector<NamedImage>& images) {
  Json scores = Json::object();
  for (std::size_t i = 0; i < images.size(); ++i) scores[images[i].name] = result.psnr[i];
  return {{"method", result.method},
          {"psnr", Result::mean(result.psnr)},
          {"ssim", Result::mean(result.ssim)},
          {"seconds_per_image", result.seconds / static_cast<double>(images.size())},
          {"images", std::move(scores)}};
}

void print(const std::vector<Result>& results, const std::vector<NamedImage>& images, const std::string& caption) {
  Table table;
  table.header = {"image"};
  for (const Result& result : results) table.header.push_back(result.method);
  const auto add = [&](const std::string& name, const auto& cell) {
    std::vector<std::string> row{name};
    for (const Result& result : results) row.push_back(cell(result));
    table.rows.push_back(std::move(row));
  };
  for (std::size_t i = 0; i < images.size(); ++i) {
    add(images[i].name, [&](const Result& r) { return fmt::format("{:.2f}", r.psnr[i]); });
  }
  add("mean dB", [](const Result& r) { return fmt::format("{:.2f}", Result::mean(r.psnr)); });
  add("mean SSIM", [](const Result& r) { return fmt::format("{:.4f}", Result::mean(r.ssim)); });
  add("seconds an image",
      [&](const Result& r) { return fmt::format("{:.3f}", r.seconds / static_cast<double>(images.size())); });
  table.caption = caption;
  fmt::print("{}", to_text(table));
}

void Command::run() {
  if (methods.empty())
    methods = model.empty() ? std::vector<std::string>{"tv", "iht", "omp", "fista"} : std::vector<std::string>{"net"};
  UNRECT_REQUIRE(picture.empty() || picture.extension() == ".png" || picture.extension() == ".svg",
                 ErrorCode::kInvalidArgument, "--picture {}: expected .png or .svg", picture.string());
  const Sampling sampling = sensing.sampling();
  const std::optional<BlockStatistics> statistics = read_statistics(train_folder, methods, sampling.block);
  const std::optional<Unrolled> net = read_model(model, methods);
  const DecoderOptions options{sensing.noise, statistics ? &*statistics : nullptr, net ? &*net : nullptr, sensing.seed};
  std::vector<Decoder> decoders;
  decoders.reserve(methods.size());
  for (const std::string& method : methods) decoders.push_back(decoder_named(method, sampling, options));
  const std::vector<NamedImage> images = read_images(data);

  std::vector<Result> results;
  for (const std::string& method : methods) results.push_back({method, {}, {}, 0});
  std::vector<MontageRow> rows;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& [name, truth] = images[i];
    const Measurement measured = measure(truth, sampling, sensing.noise, sensing.seed + i);
    if (!picture.empty()) rows.push_back({name, truth, {}});
    for (std::size_t k = 0; k < methods.size(); ++k) {
      decoders[k].prepare(truth.rows(), truth.cols());
      const std::clock_t start = std::clock();
      Image found = decoders[k](measured);
      results[k].seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      results[k].psnr.push_back(psnr(found, truth));
      results[k].ssim.push_back(ssim(found, truth));
      if (!picture.empty()) rows.back().found.push_back(std::move(found));
    }
  }

  const std::string what = fmt::format(
      "{}: {} of {} measurements in blocks of {} × {} ({}), noise {:g}", data.filename().string(),
      sampling.measurements(), sampling.phi.cols(), sampling.block, sampling.block,
      sensing.phi.empty() ? std::string(name_of(sampling.kind)) : sensing.phi.filename().string(), sensing.noise);
  if (!picture.empty()) montage(rows, methods, what).save(picture);
  if (!json) return print(results, images, what);
  const auto best = std::ranges::max_element(results, {}, [](const Result& r) { return Result::mean(r.psnr); });
  Json object = json_of(*best, images);
  object["measurements"] = sampling.measurements();
  object["pixels"] = sampling.phi.cols();
  object["noise"] = sensing.noise;
  object["methods"] = Json::array();
  for (const Result& result : results) object["methods"].push_back(json_of(result, images));
  fmt::print("{}\n", object.dump(2));
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Score methods on data");
  bench->require_subcommand(1);
  auto command = std::make_shared<Command>();
  CLI::App* verb = bench->add_subcommand("sensing", "Measure and recover every image of a folder");
  verb->add_option("--data", command->data, "folder of images")->required();
  command->sensing.add_to(*verb);
  verb->add_option("--methods", command->methods, fmt::format("some of {}", fmt::join(decoder_names(), ", ")))
      ->delimiter(',')
      ->default_str("tv,iht,omp,fista; net with --model");
  verb->add_option("--model", command->model, "net: a recovery network that unrect train wrote, .onnx");
  verb->add_option("--train-folder", command->train_folder, "lmmse: images to learn the blocks' covariance from");
  verb->add_option("--picture", command->picture, "draw originals, recoveries and error maps: .png or .svg");
  verb->add_flag("--json", command->json, "print one JSON object: the best method's scores, and all methods'");
  verb->footer(
      "Seconds are processor time of one thread; what is made once for an operator and an image size is outside\n"
      "the clock.\n"
      "Examples:\n"
      "  unrect bench sensing --data images --phi phi.npy --methods tv,iht --json\n"
      "  unrect bench sensing --data images --phi phi.npy --model net.onnx\n"
      "  unrect bench sensing --data images --ratio 0.1 --operator orthonormal --picture montage.png");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
