// How the parts of a figure share its room. Used by figure.cpp only.
#pragma once

#include <string>
#include <vector>

#include "unrect/view/figure.hpp"
#include "unrect/view/internal/canvas.hpp"

namespace unrect {

inline constexpr double kPad = 14, kTitleRow = 25, kLegendRow = 19, kTickMark = 4, kSwatch = 16;
inline constexpr double kBarGap = 16, kBarWidth = 11;  // the colour bar's
inline constexpr Font kTitleFont{14, true}, kLabelFont{11.5}, kTickFont{10.5};

/// Where data land on the canvas.
struct Frame {
  LabelBox plot{};
  Range x{}, y{};
  bool log_x = false, log_y = false;

  double left() const { return plot.x - plot.width / 2; }
  double right() const { return plot.x + plot.width / 2; }
  double top() const { return plot.y - plot.height / 2; }
  double bottom() const { return plot.y + plot.height / 2; }
  /// Far outside, coordinates stop at 10⁷ pixels.
  Pixel operator()(double data_x, double data_y) const;
};

struct Layout {
  double width = 0, height = 0;
  Frame frame{};
  std::string title{};
  std::vector<Tick> x_ticks{}, y_ticks{}, bar_ticks{};
  double y_label_x = 0, bar_label_x = 0;  // baselines of what is written upwards
  std::vector<Pixel> legend{};            // where each entry starts
};

struct LayoutRequest {
  const FigureOptions* options = nullptr;
  Range x{}, y{};
  std::vector<std::string> legend{};
  bool bar = false, bar_label = false;
  Range bar_range{};
  bool bar_whole = false;
};

/// Ticks that the margins must fit and margins that leave room for ticks: a few rounds settle both.
/// @throws Error kInvalidArgument when nothing is left for the plot.
Layout lay_out(const LayoutRequest& request);

}  // namespace unrect
