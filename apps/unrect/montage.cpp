#include "montage.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"
#include "unrect/sensing/scores.hpp"

namespace unrect::cli {
namespace {

constexpr int kCell = 128;  // pixels of the figure
constexpr double kGap = 0.04;
constexpr Range kErrors{0, 0.2};

Color grey(double t) { return {t, t, t, 1}; }

/// Within the unit cell of a column and a row, its proportions kept.
void place(Figure& figure, const Raster& raster, double column, double row) {
  const auto longest = static_cast<double>(std::max(raster.width, raster.height));
  const double w = (1 - kGap) * static_cast<double>(raster.width) / longest / 2;
  const double h = (1 - kGap) * static_cast<double>(raster.height) / longest / 2;
  figure.image(raster, {column + 0.5 - w, column + 0.5 + w}, {-row - 0.5 - h, -row - 0.5 + h});
}

}  // namespace

Figure montage(const std::vector<MontageRow>& rows, const std::vector<std::string>& methods, const std::string& title) {
  UNRECT_REQUIRE(!rows.empty() && methods.size() <= 24, ErrorCode::kInvalidArgument,
                 "montage of {} images and {} methods, expected at least 1 image, at most 24 methods", rows.size(),
                 methods.size());
  const std::size_t count = std::min<std::size_t>(rows.size(), 40);
  const std::size_t columns = 1 + 2 * methods.size();
  FigureOptions options;
  options.title = title;
  options.equal = true;
  options.x.grid = options.y.grid = false;
  options.x.range = Range{0, static_cast<double>(columns)};
  options.y.range = Range{-static_cast<double>(count), 0};
  options.x.ticks.push_back({0.5, "original"});
  for (std::size_t k = 0; k < methods.size(); ++k) {
    options.x.ticks.push_back({1.5 + 2 * static_cast<double>(k), methods[k]});
    options.x.ticks.push_back({2.5 + 2 * static_cast<double>(k), "error"});
  }
  for (std::size_t i = 0; i < count; ++i) options.y.ticks.push_back({-0.5 - static_cast<double>(i), rows[i].name});
  options.width = static_cast<int>(columns) * kCell + 200;
  options.height = static_cast<int>(count) * kCell + 110;
  Figure figure(options);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = static_cast<double>(i);
    place(figure, colorize(rows[i].truth, {0, 1}, grey), 0, row);
    for (std::size_t k = 0; k < methods.size(); ++k) {
      const Image& found = rows[i].found.at(k);
      const double column = 1 + 2 * static_cast<double>(k);
      place(figure, colorize(found, {0, 1}, grey), column, row);
      place(figure, colorize((found.cwiseMax(0).cwiseMin(1) - rows[i].truth).cwiseAbs(), kErrors), column + 1, row);
      figure.text(column + 0.5, -row - 0.91, fmt::format("{:.2f} dB", psnr(found, rows[i].truth)), {.size = 10});
    }
  }
  figure.colorbar(kErrors, "|error|");
  return figure;
}

}  // namespace unrect::cli
