#include "unrect/view/internal/layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

double along(Range range, bool log, double value) {
  return log ? std::log(value / range.min) / std::log(range.max / range.min)
             : (value - range.min) / (range.max - range.min);
}

// Shortened to the width, with "…".
std::string fitted(const Canvas& canvas, const std::string& text, const Font& font, double width) {
  if (canvas.text_width(text, font) <= width) return text;
  const auto start = [&](std::size_t count) { return std::string(first_characters(text, count)) + "…"; };
  std::size_t low = 0, high = text.size();  // the longest start that fits lies between
  while (low < high) {
    const std::size_t middle = (low + high + 1) / 2;
    if (canvas.text_width(start(middle), font) <= width) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return start(low);
}

std::vector<Tick> ticks_of(const Axis& axis, Range range, int most) {
  std::vector<Tick> ticks = !axis.ticks.empty() ? axis.ticks
                            : axis.log          ? log_ticks(range, most)
                                                : linear_ticks(range, most);
  std::erase_if(ticks, [&](const Tick& tick) {
    const double t = along(range, axis.log, tick.at);
    return !(t > -1e-6 && t < 1 + 1e-6);
  });
  for (Tick& tick : ticks) tick.text = printable(tick.text);
  return ticks;
}

double widest(const Canvas& canvas, const std::vector<Tick>& ticks) {
  double width = 0;
  for (const Tick& tick : ticks) width = std::max(width, canvas.text_width(tick.text, kTickFont));
  return width;
}

}  // namespace

Pixel Frame::operator()(double data_x, double data_y) const {
  const auto finite = [](double p) { return std::clamp(p, -1e7, 1e7); };
  return {finite(left() + along(x, log_x, data_x) * plot.width),
          finite(bottom() - along(y, log_y, data_y) * plot.height)};
}

Layout lay_out(const LayoutRequest& request) {
  const FigureOptions& options = *request.options;
  const Canvas ruler(1, 1, Canvas::Format::kPng);
  Layout out;
  Frame& frame = out.frame;
  frame = {{}, request.x, request.y, options.x.log, options.y.log};
  const double y_label = options.y.label.empty() ? 0 : 20, x_label = options.x.label.empty() ? 0 : 20;
  const double bottom = kPad + x_label + kTickMark + 15;
  double left = 60, right = kPad, top = kPad;
  for (int round = 0; round < 4; ++round) {
    // The title and the legend, over the plot's left edge.
    const double room = options.width - left - kPad;
    out.title = fitted(ruler, printable(options.title), kTitleFont, room);
    double header = ruler.text_width(out.title, kTitleFont);
    top = kPad + (out.title.empty() ? 0 : kTitleRow);
    out.legend.clear();
    double x = 0;
    for (const std::string& name : request.legend) {
      const double width = kSwatch + 6 + ruler.text_width(name, kTickFont);
      if (x > 0 && x + width > room) x = 0, top += kLegendRow;
      out.legend.push_back({left + x, top + kLegendRow / 2 - 2});
      header = std::max(header, x + width);
      x += width + 18;
    }
    if (!request.legend.empty()) top += kLegendRow + 5;

    double plot_width = options.width - left - right, plot_height = options.height - top - bottom;
    if (options.equal) {
      const double across = request.x.max - request.x.min, up = request.y.max - request.y.min;
      const double scale = std::min(plot_width / across, plot_height / up);
      plot_width = across * scale;
      plot_height = up * scale;
    }
    UNRECT_REQUIRE(plot_width >= 20 && plot_height >= 20, ErrorCode::kInvalidArgument,
                   "figure of {} × {} pixels: its title, labels and ticks leave {:.0f} × {:.0f} for the plot, expected "
                   "20 × 20 at least",
                   options.width, options.height, plot_width, plot_height);
    frame.plot = {left + plot_width / 2, top + plot_height / 2, plot_width, plot_height};
    out.width = std::ceil(std::min<double>(options.width, left + std::max(plot_width + right, header + kPad)));
    out.height = std::ceil(top + plot_height + bottom);

    out.x_ticks = ticks_of(options.x, request.x, static_cast<int>(plot_width / (options.x.log ? 55 : 75)));
    out.y_ticks = ticks_of(options.y, request.y, static_cast<int>(plot_height / (options.y.log ? 30 : 45)));
    for (Tick& tick : out.y_ticks) tick.text = fitted(ruler, tick.text, kTickFont, 0.4 * options.width);
    left = kPad + y_label + widest(ruler, out.y_ticks) + kTickMark + 5;
    out.y_label_x = kPad + 9;
    right = kPad + (out.x_ticks.empty() ? 0 : ruler.text_width(out.x_ticks.back().text, kTickFont) / 2 - 4);
    if (request.bar) {
      out.bar_ticks = linear_ticks(request.bar_range, static_cast<int>(plot_height / 45), request.bar_whole ? 1 : 0);
      const double bar = kBarGap + kBarWidth + kTickMark + 4 + widest(ruler, out.bar_ticks);
      out.bar_label_x = frame.right() + bar + 16;
      right = kPad + bar + (request.bar_label ? 18 : 0);
    }
  }
  return out;
}

}  // namespace unrect
