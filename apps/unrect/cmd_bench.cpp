// unrect bench: how well and how fast, on data.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "montage.hpp"
#include "picture_files.hpp"
#include "sensing_options.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/sensing/fit.hpp"
#include "unrect/sensing/recovery_region.hpp"
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
  double gain = 0;     // net's noise gain ‖A‖₂ around the first measurement; 0: not asked for

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
};

struct Command {
  std::string data, train_folder;
  std::filesystem::path model;
  PictureName picture;
  std::vector<std::string> methods;
  SensingOptions sensing;
  std::vector<double> noise{0}, ratios;
  bool gain = false, json = false;

  void run(const CLI::App& verb);
  std::vector<Result> score(const std::vector<NamedImage>& images, const Sampling& sampling,
                            const DecoderOptions& options, std::vector<MontageRow>& rows) const;
};

Json json_of(const Result& result, const std::vector<NamedImage>& images) {
  Json scores = Json::object();
  for (std::size_t i = 0; i < images.size(); ++i) scores[images[i].name] = result.psnr[i];
  Json object{{"method", result.method},
              {"psnr", Result::mean(result.psnr)},
              {"ssim", Result::mean(result.ssim)},
              {"seconds_per_image", result.seconds / static_cast<double>(images.size())},
              {"residual_to_asked", result.misfit},
              {"images", std::move(scores)}};
  if (result.gain > 0) object["noise_gain"] = result.gain;
  return object;
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

/// One sampling and noise, and what came of it.
struct Step {
  Sampling sampling;
  double noise = 0;
  double at = 0;  // what differs between steps: the ratio or the noise
  std::vector<Result> results;
};

void print(const std::vector<Step>& steps, const std::string& axis, const std::string& caption) {
  Table table;
  table.header = {axis};
  for (const Result& result : steps[0].results) {
    table.header.push_back(result.method);
    if (result.gain > 0) table.header.push_back("‖A‖₂");
  }
  for (const Step& step : steps) {
    std::vector<std::string> row{fmt::format("{:g}", step.at)};
    for (const Result& result : step.results) {
      row.push_back(fmt::format("{:.2f}", Result::mean(result.psnr)));
      if (result.gain > 0) row.push_back(fmt::format("{:.2f}", result.gain));
    }
    table.rows.push_back(std::move(row));
  }
  table.caption = caption + ", mean dB";
  fmt::print("{}", to_text(table));
}

Figure picture_of(const std::vector<Step>& steps, const std::string& axis, const std::string& title) {
  FigureOptions options;
  options.title = title;
  options.x.label = axis;
  options.y.label = "mean PSNR, dB";
  Figure figure(options);
  for (std::size_t k = 0; k < steps[0].results.size(); ++k) {
    Matrix line(static_cast<Index>(steps.size()), 2);
    for (std::size_t s = 0; s < steps.size(); ++s)
      line.row(static_cast<Index>(s)) << steps[s].at, Result::mean(steps[s].results[k].psnr);
    const Color color = categorical(static_cast<Index>(k));
    figure.polyline(line, {.color = color, .dashed = k >= 8, .name = steps[0].results[k].method});
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
  const bool drawn = !picture.empty() && noise.size() == 1 && ratios.size() <= 1;
  std::vector<Result> results;
  for (const std::string& method : methods) results.push_back({.method = method, .psnr = {}, .ssim = {}});
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& [name, truth] = images[i];
    const Measurement measured = measure(truth, sampling, options.noise, sensing.seed + i);
    const double asked = asked_residual(measured);
    if (drawn) rows.push_back({name, truth, {}});
    for (std::size_t k = 0; k < methods.size(); ++k) {
      const std::string what = fmt::format("{}, {}", name, methods[k]);
      naming(what, [&] { decoders[k].prepare(truth.rows(), truth.cols()); });
      const std::clock_t start = std::clock();
      Image found = naming(what, [&] { return decoders[k](measured); });
      results[k].seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      results[k].psnr.push_back(psnr(found, truth));
      results[k].ssim.push_back(ssim(found, truth));
      if (asked > 0) results[k].misfit = std::max(results[k].misfit, residual(measured, found) / asked);
      if (drawn) rows.back().found.push_back(std::move(found));
      if (gain && i == 0 && methods[k] == "net")
        results[k].gain = RecoveryRegion(*options.model, measured).noise_gain(Rng(sensing.seed));
    }
  }
  return results;
}

Json json_of(const Step& step, const std::vector<NamedImage>& images) {
  const auto best = std::ranges::max_element(step.results, {}, [](const Result& r) { return Result::mean(r.psnr); });
  Json object = json_of(*best, images);
  object["measurements"] = step.sampling.measurements();
  object["pixels"] = step.sampling.phi.cols();
  object["noise"] = step.noise;
  object["methods"] = Json::array();
  for (const Result& result : step.results) object["methods"].push_back(json_of(result, images));
  return object;
}

void Command::run(const CLI::App& verb) {
  if (methods.empty())
    methods = model.empty() ? std::vector<std::string>{"tv", "iht", "omp", "fista"} : std::vector<std::string>{"net"};
  require_used(verb, {{"--gain", uses_net(methods), "--model FILE.onnx, of whose network it is"},
                      {"--model", uses_net(methods), "--methods net"},
                      {"--train-folder", uses_images(methods), kLearners}});
  picture.require_place("--picture");
  UNRECT_REQUIRE(!noise.empty() && noise.size() <= 100, ErrorCode::kInvalidArgument,
                 "--noise: {} numbers, expected 1 to 100", noise.size());
  for (const double sigma : noise) {  // before work is done for the others
    UNRECT_REQUIRE(sigma >= 0 && std::isfinite(sigma), ErrorCode::kInvalidArgument, "--noise {}, expected ≥ 0", sigma);
  }
  UNRECT_REQUIRE(ratios.size() <= 100 && (ratios.empty() || noise.size() == 1), ErrorCode::kInvalidArgument,
                 "--ratios: {} numbers beside {} of --noise; expected at most 100, and one noise for several ratios",
                 ratios.size(), noise.size());
  std::vector<Step> steps;
  for (const double ratio : ratios) {
    SensingOptions own = sensing;
    own.ratio = ratio;
    steps.push_back({own.sampling(), noise[0], ratio, {}});
  }
  if (ratios.empty()) {
    const Sampling sampling = sensing.sampling();
    for (const double sigma : noise) steps.push_back({sampling, sigma, sigma, {}});
  }
  const Sampling& first = steps[0].sampling;
  const Learned learned = read_learned(train_folder, model, methods, first.block, sensing.seed);
  const std::vector<NamedImage> images = images_of(data, Rng(sensing.seed).split(2), 4);
  std::vector<MontageRow> rows;
  for (Step& step : steps) step.results = score(images, step.sampling, learned.options(step.noise, sensing.seed), rows);

  const std::string how =
      fmt::format("blocks of {} × {} ({})", first.block, first.block,
                  sensing.phi.empty() ? std::string(name_of(first.kind)) : sensing.phi.filename().string());
  const std::string name = (std::filesystem::path(data) / "").parent_path().filename().string();
  const std::string axis = ratios.empty() ? "noise σ" : "ratio";
  const std::string what =
      ratios.empty() ? fmt::format("{}: {} of {} measurements in {}{}", name, first.measurements(), first.phi.cols(),
                                   how, noise.size() == 1 ? fmt::format(", noise {:g}", noise[0]) : "")
                     : fmt::format("{}: {}, noise {:g}", name, how, noise[0]);
  if (!picture.empty()) picture.save(rows.empty() ? picture_of(steps, axis, what) : montage(rows, methods, what));
  if (!json) return steps.size() == 1 ? print(steps[0].results, images, what) : print(steps, axis, what);
  Json object = json_of(steps[0], images);
  if (steps.size() > 1) {
    object["sweep"] = Json::array();
    for (const Step& step : steps) object["sweep"].push_back(json_of(step, images));
  }
  fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
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
  verb->add_option("--ratios", command->ratios, "instead of --ratio: a,b,c: every method at each")
      ->delimiter(',')
      ->excludes("--ratio", "--phi");
  verb->add_flag("--gain", command->gain, "net: its noise gain around the first image, up to a minute each time");
  verb->add_option("--model", command->model, "net: a recovery network that unrect train wrote, .onnx");
  verb->add_option("--train-folder", command->train_folder, "lmmse, wiener, ksvd: images to learn from, or leaves");
  add_picture(*verb, "--picture", command->picture,
              "draw originals, recoveries and error maps, or PSNR over --noise or --ratios");
  verb->add_flag("--json", command->json, "print one JSON object: the best method's scores, and all methods'");
  verb->footer(
      "Seconds are processor time of one thread; what is made once for an operator and an image size is outside\n"
      "the clock.\n"
      "Examples:\n"
      "  unrect bench sensing --data images --phi phi.npy --methods tv,iht --json\n"
      "  unrect bench sensing --data images --phi phi.npy --model net.onnx\n"
      "  unrect bench sensing --data images --ratio 0.25 --methods tv,iht --noise 0,0.02,0.05 --picture noise.svg\n"
      "  unrect bench sensing --data images --ratios 0.1,0.25 --operator orthonormal --methods tv,iht\n"
      "  unrect bench sensing --data images --ratio 0.1 --operator orthonormal --picture montage.png");
  verb->callback([command, verb] { command->run(*verb); });
}

}  // namespace unrect::cli
