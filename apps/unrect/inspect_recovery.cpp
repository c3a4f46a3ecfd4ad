#include "inspect_recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/recovery_region.hpp"
#include "unrect/view/figure.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

constexpr double kSigmas[] = {0.001, 0.01, 0.1};
constexpr Index kLanczosSteps = 24;

// Around the pixel, as far as three blocks; red and blue on one scale around 0.
void draw_filter(const PictureName& name, const Image& filter, Index row, Index col, Index block) {
  const Index reach = 3 * block / 2;
  const Index top = std::max<Index>(0, row - reach), left = std::max<Index>(0, col - reach);
  const Image part = filter.block(top, left, std::min(filter.rows(), row + reach + 1) - top,
                                  std::min(filter.cols(), col + reach + 1) - left);
  const double most = std::max(part.cwiseAbs().maxCoeff(), 1e-300);
  FigureOptions options;
  options.title = fmt::format("what pixel ({}, {}) is made of", row, col);
  options.equal = true;
  options.x.grid = options.y.grid = false;
  options.x.label = "column";
  options.y.label = "row";
  for (Index at = (top + 19) / 20 * 20; at < top + part.rows(); at += 20)
    options.y.ticks.push_back({-static_cast<double>(at), std::to_string(at)});
  Figure figure(options);
  const Range scale{-most, most};
  figure.image(colorize(part, scale, diverging), {static_cast<double>(left), static_cast<double>(left + part.cols())},
               {-static_cast<double>(top + part.rows()), -static_cast<double>(top)});
  figure.colorbar(scale, "weight", diverging);
  name.save(figure);
}

// All that is computed: long for a large image.
struct Findings {
  std::vector<RectifierActivity> layers;
  double gain = 0, misfit = 0;
  std::array<double, std::size(kSigmas)> switched{};
  Image filter;  // of the pixel
};

Findings open_up(const Unrolled& unrolled, const Measurement& measurement, Index row, Index col, std::uint64_t seed) {
  const ProgressLine line({}, [](const Progress& now, double seconds) {
    const std::string part = now.total > 0 ? fmt::format("{:.0f} of {:.0f} ", now.done, now.total) : "";
    return fmt::format("{}{}, {:.0f} s", part, now.what, seconds);
  });
  const auto begin = [&](std::string_view what) {
    UNRECT_REQUIRE(line.context().progress({what, 0, 0}), ErrorCode::kCancelled, "interrupted before the {}", what);
  };
  begin("forward pass");
  const RecoveryRegion opened(unrolled, measurement);
  const Rng rng(seed);
  Findings found;
  found.layers = opened.activity();
  found.gain = opened.noise_gain(rng.split(0), kLanczosSteps, line.context());
  found.misfit = residual(measurement, opened.image()) / std::max(measurement.y.norm(), 1e-300);
  begin("filter of the pixel");
  found.filter = opened.filter(row, col);
  for (std::size_t i = 0; i < std::size(kSigmas); ++i) {
    begin("pass with noise added");
    found.switched[i] = opened.switched(kSigmas[i], rng.split(i + 1));
  }
  return found;
}

}  // namespace

void inspect_recovery(const RecoveryRequest& request) {
  request.filter.require_place("--filter");
  const Unrolled unrolled = read_unrolled(request.model);
  const Measurement measurement = to_measurement(read_npz(request.measurement), request.measurement.string());
  Index row = measurement.height / 2, col = measurement.width / 2;
  if (!request.pixel.empty()) {
    const Vector pixel = parse_vector(request.pixel, "--pixel");
    UNRECT_REQUIRE(pixel.size() == 2 && pixel == pixel.array().floor().matrix() && pixel.minCoeff() >= 0 &&
                       pixel[0] < static_cast<double>(measurement.height) &&
                       pixel[1] < static_cast<double>(measurement.width),
                   ErrorCode::kInvalidArgument, "--pixel {}: expected ROW,COLUMN of an image of {} × {}", request.pixel,
                   measurement.height, measurement.width);
    row = static_cast<Index>(pixel[0]);
    col = static_cast<Index>(pixel[1]);
  }
  const Findings found = open_up(unrolled, measurement, row, col, request.seed);
  const std::vector<RectifierActivity>& layers = found.layers;
  const Image& filter = found.filter;
  RectifierActivity all;
  for (const RectifierActivity& layer : layers) {
    all.units += layer.units;
    all.on += layer.on;
    all.channels += layer.channels;
    all.dead += layer.dead;
  }
  const Index block = measurement.sampling.block;
  const auto of_block = [block](Index k) { return k / block * block; };
  const double own = filter
                         .block(of_block(row), of_block(col), std::min(block, filter.rows() - of_block(row)),
                                std::min(block, filter.cols() - of_block(col)))
                         .squaredNorm() /
                     std::max(filter.squaredNorm(), 1e-300);
  if (!request.filter.empty()) draw_filter(request.filter, filter, row, col, block);
  if (request.json) {
    nlohmann::ordered_json result{{"height", measurement.height},
                                  {"width", measurement.width},
                                  {"units", all.units},
                                  {"active_units", all.on},
                                  {"channels", all.channels},
                                  {"dead_channels", all.dead},
                                  {"noise_gain", found.gain},
                                  {"relative_residual", found.misfit},
                                  {"switched", nlohmann::ordered_json::object()},
                                  {"pixel", {row, col}},
                                  {"filter_centre", filter(row, col)},
                                  {"filter_norm", filter.norm()},
                                  {"filter_own_block", own}};
    for (std::size_t i = 0; i < std::size(kSigmas); ++i)
      result["switched"][fmt::format("{:g}", kSigmas[i])] = found.switched[i];
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  fmt::print("{} at a measurement of {} × {} pixels: x̂ = A y + c as long as no unit switches\n\n",
             request.model.filename().string(), measurement.height, measurement.width);
  Table table;
  table.header = {"rectifiers", "units", "on", "channels", "dead here"};
  const auto add = [&](const std::string& name, const RectifierActivity& layer) {
    table.rows.push_back(
        {name, std::to_string(layer.units),
         fmt::format("{:.1f} %", 100.0 * static_cast<double>(layer.on) / static_cast<double>(layer.units)),
         std::to_string(layer.channels), std::to_string(layer.dead)});
  };
  for (std::size_t l = 0; l < layers.size(); ++l) add(fmt::format("phase {}, {}", l / 3 + 1, l % 3 + 1), layers[l]);
  add("all", all);
  fmt::print("{}\n", to_text(table));
  fmt::print("noise gain ‖A‖₂           {:.4g}\n", found.gain);
  fmt::print("‖Φx̂ − y‖ / ‖y‖            {:.2g}\n", found.misfit);
  for (std::size_t i = 0; i < std::size(kSigmas); ++i)
    fmt::print("units switched by σ = {:<5g} {:.3f} %\n", kSigmas[i], 100 * found.switched[i]);
  fmt::print("pixel ({}, {}): weight {:.3f} on itself, {:.1f} % of its filter's energy in its own block\n", row, col,
             filter(row, col), 100 * own);
}

}  // namespace unrect::cli
