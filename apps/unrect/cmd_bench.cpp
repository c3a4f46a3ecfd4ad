// unrect bench: how well and how fast, on data.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
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
  double misfit = 0;   // the largest residual, as a part of what was asked

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
};

struct Command {
  std::string data, train_folder;
  std::filesystem::path model, picture;
  std::vector<std::string> methods;
  SensingOptions sensing;
  std::vector<double> noise{0};
  bool json = false;

  void run();
  std::vector<Result> score(const std::vector<NamedImage>& images, const Sampling& sampling,
                            const DecoderOptions& options, std::vector<MontageRow>& rows) const;
};

Json json_of(const Result& result, const std::vector<NamedImage>& images) {
  Json scores = Json::object();
  for (std::size_t i = 0; i < images.size(); ++i) scores[images[i].name] = result.psnr[i];
  return {{"method", result.method},
          {"psnr", Result::mean(result.psnr)},
          {"ssim", Result::mean(result.ssim)},
          {"seconds_per_image", result.seconds / static_cast<double>(images.size())},
          {"residual_to_asked", result.misfit},
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

/// Every noise's results: mean PSNR.
using Sweep = std::vector<std::vector<Result>>;

void print(const Sweep& sweep, const std::vector<double>& noise, const std::string& caption) {
  Table table;
  table.header = {"noise σ"};
  for (const Result& result : sweep[0]) table.header.push_back(result.method);
  for (std::size_t s = 0; s < noise.size(); ++s) {
    std::vector<std::string> row{fmt::format("{:g}", noise[s])};
    for (const Result& result : sweep[s]) row.push_back(fmt::format("{:.2f}", Result::mean(result.psnr)));
    table.rows.push_back(std::move(row));
  }
  table.caption = caption + ", mean dB";
  fmt::print("{}", to_text(table));
}

Figure picture_of(const Sweep& sweep, const std::vector<double>& noise, const std::string& title) {
  FigureOptions options;
  options.title = title;
  options.x.label = "σ of the noise on measurements";
  options.y.label = "mean PSNR, dB";
  Figure figure(options);
  for (std::size_t k = 0; k < sweep[0].size(); ++k) {
    Matrix line(static_cast<Index>(noise.size()), 2);
    for (std::size_t s = 0; s < noise.size(); ++s) {
      line.row(static_cast<Index>(s)) << noise[s], Result::mean(sweep[s][k].psnr);
    }
    const Color color = categorical(static_cast<Index>(k));
    figure.polyline(line, {.color = color, .dashed = k >= 8, .name = sweep[0][k].method});
    figure.points(line, {.color = color});
  }
  return figure;
}

/// `rows`: of a montage, filled if there is one to be drawn.
std::vector<Result> Command::score(const std::vector<NamedImage>& images, const Sampling& sampling,
                                   const DecoderOptions& options, std::vector<MontageRow>& rows) const {
  std::vector<Decoder> decoders;
  decoders.reserve(methods.size());
  for (const std::string& method : methods) decoders.push_back(decoder_named(method, sampling, options));
  const bool drawn = !picture.empty() && noise.size() == 1;
  std::vector<Result> results;
  for (const std::string& method : methods) results.push_back({.method = method, .psnr = {}, .ssim = {}});
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& [name, truth] = images[i];
    const Measurement measured = measure(truth, sampling, options.noise, sensing.seed + i);
    const double asked = asked_residual(measured);
    if (drawn) rows.push_back({name, truth, {}});
    for (std::size_t k = 0; k < methods.size(); ++k) {
      decoders[k].prepare(truth.rows(), truth.cols());
      const std::clock_t start = std::clock();
      Image found = decoders[k](measured);
      results[k].seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      results[k].psnr.push_back(psnr(found, truth));
      results[k].ssim.push_back(ssim(found, truth));
      if (asked > 0) results[k].misfit = std::max(results[k].misfit, residual(measured, found) / asked);
      if (drawn) rows.back().found.push_back(std::move(found));
    }
  }
  return results;
}

Json json_of(const std::vector<Result>& results, const std::vector<NamedImage>& images, const Sampling& sampling,
             double noise) {
  const auto best = std::ranges::max_element(results, {}, [](const Result& r) { return Result::mean(r.psnr); });
  Json object = json_of(*best, images);
  object["measurements"] = sampling.measurements();
  object["pixels"] = sampling.phi.cols();
  object["noise"] = noise;
  object["methods"] = Json::array();
  for (const Result& result : results) object["methods"].push_back(json_of(result, images));
  return object;
}

void Command::run() {
  if (methods.empty())
    methods = model.empty() ? std::vector<std::string>{"tv", "iht", "omp", "fista"} : std::vector<std::string>{"net"};
  require_place(picture, {".png", ".svg"}, "--picture");
  UNRECT_REQUIRE(!noise.empty() && noise.size() <= 100, ErrorCode::kInvalidArgument,
                 "--noise: {} numbers, expected 1 to 100", noise.size());
  for (const double sigma : noise) {  // before work is done for the others
    UNRECT_REQUIRE(sigma >= 0 && std::isfinite(sigma), ErrorCode::kInvalidArgument, "--noise {}, expected ≥ 0", sigma);
  }
  const Sampling sampling = sensing.sampling();
  const Learned learned = read_learned(train_folder, model, methods, sampling.block, sensing.seed);
  const std::vector<NamedImage> images = images_of(data, Rng(sensing.seed).split(2), 4);
  Sweep sweep;
  std::vector<MontageRow> rows;
  for (const double sigma : noise) sweep.push_back(score(images, sampling, learned.options(sigma, sensing.seed), rows));

  const std::string what = fmt::format(
      "{}: {} of {} measurements in blocks of {} × {} ({}){}", std::filesystem::path(data).filename().string(),
      sampling.measurements(), sampling.phi.cols(), sampling.block, sampling.block,
      sensing.phi.empty() ? std::string(name_of(sampling.kind)) : sensing.phi.filename().string(),
      noise.size() == 1 ? fmt::format(", noise {:g}", noise[0]) : "");
  if (!picture.empty()) (rows.empty() ? picture_of(sweep, noise, what) : montage(rows, methods, what)).save(picture);
  if (!json) return noise.size() == 1 ? print(sweep[0], images, what) : print(sweep, noise, what);
  Json object = json_of(sweep[0], images, sampling, noise[0]);
  if (noise.size() > 1) {
    object["sweep"] = Json::array();
    for (std::size_t s = 0; s < noise.size(); ++s) {
      object["sweep"].push_back(json_of(sweep[s], images, sampling, noise[s]));
    }
  }
  fmt::print("{}\n", object.dump(2));
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Score methods on data");
  bench->require_subcommand(1);
  add_bench_recovery(*bench);
  auto command = std::make_shared<Command>();
  CLI::App* verb = bench->add_subcommand("sensing", "Measure and recover every image of a folder");
  verb->add_option("--data", command->data, "folder of images, or leaves: generated ones")->required();
  command->sensing.add_to(*verb);
  verb->add_option("--methods", command->methods, fmt::format("some of {}", fmt::join(decoder_names(), ", ")))
      ->delimiter(',')
      ->default_str("tv,iht,omp,fista; net with --model");
  verb->add_option("--noise", command->noise, "σ of Gaussian noise on the measurements; a,b,c: every method at each")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--model", command->model, "net: a recovery network that unrect train wrote, .onnx");
  verb->add_option("--train-folder", command->train_folder, "lmmse, ksvd: images to learn from, or leaves");
  verb->add_option("--picture", command->picture,
                   "draw originals, recoveries and error maps, or PSNR over several --noise: .png or .svg");
  verb->add_flag("--json", command->json, "print one JSON object: the best method's scores, and all methods'");
  verb->footer(
      "Seconds are processor time of one thread; what is made once for an operator and an image size is outside\n"
      "the clock.\n"
      "Examples:\n"
      "  unrect bench sensing --data images --phi phi.npy --methods tv,iht --json\n"
      "  unrect bench sensing --data images --phi phi.npy --model net.onnx\n"
      "  unrect bench sensing --data images --ratio 0.25 --methods tv,iht --noise 0,0.02,0.05 --picture noise.svg\n"
      "  unrect bench sensing --data images --ratio 0.1 --operator orthonormal --picture montage.png");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
