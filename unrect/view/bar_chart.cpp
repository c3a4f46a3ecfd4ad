#include "unrect/view/bar_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {

Figure bar_chart(const std::vector<Bar>& bars, const BarChartOptions& options) {
  UNRECT_REQUIRE(!bars.empty() && bars.size() <= 200, ErrorCode::kInvalidArgument, "{} bars: expected 1 to 200",
                 bars.size());
  double min = std::numeric_limits<double>::infinity(), max = 0;
  for (const Bar& bar : bars) {
    UNRECT_REQUIRE(std::isfinite(bar.value) && (options.log ? bar.value > 0 : bar.value >= 0),
                   ErrorCode::kInvalidArgument, "bar \"{}\" of {}: expected a finite value {} 0", bar.name, bar.value,
                   options.log ? ">" : "≥");
    min = std::min(min, bar.value);
    max = std::max(max, bar.value);
  }
  // The longest bar leaves a sixth of the axis to its value's text.
  constexpr double kRoom = 1.18;
  Range range{0, max > 0 ? kRoom * max : 1};
  if (options.log) {
    range.min = std::pow(10, std::floor(std::log10(min) - 0.3));
    range.max = range.min * std::pow(max / range.min, kRoom);
  }
  const double count = static_cast<double>(bars.size());
  std::vector<Tick> names;
  for (std::size_t i = 0; i < bars.size(); ++i) names.push_back({count - 1 - static_cast<double>(i), bars[i].name});
  const double around = (options.title.empty() ? 0 : 25) + (options.label.empty() ? 0 : 20) + 60;
  Figure figure({.title = options.title,
                 .x = {.label = options.label, .range = range, .log = options.log},
                 .y = {.range = Range{-0.6, count - 0.4}, .ticks = names, .grid = false},
                 .width = options.width,
                 .height = static_cast<int>(std::max(100.0, around + 26 * count))});
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double low = names[i].at - 0.32, high = names[i].at + 0.32, from = range.min, to = bars[i].value;
    figure.polygon(Matrix{{from, low}, {to, low}, {to, high}, {from, high}},
                   {.fill = bars[i].color, .stroke = kTransparent});
    figure.text(to, names[i].at, format_number(to), {.dx = 6, .align = 0});
  }
  return figure;
}

}  // namespace unrect
