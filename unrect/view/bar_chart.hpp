// Quantities side by side.
#pragma once

#include <string>
#include <vector>

#include "unrect/view/figure.hpp"

namespace unrect {

struct Bar {
  std::string name{};
  double value = 0;
  Color color = categorical(0);
};

struct BarChartOptions {
  std::string title{}, label{};
  bool log = false;
  int width = FigureOptions{}.width;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.title, {"title", "above the bars"});
    field(o.label, {"label", "what the values are"});
    field(o.log, {"log", "a logarithmic axis"});
    field(o.width, {"width", "in pixels; the height follows from the number of bars", between(100, 8192)});
  }
};

/// Horizontal bars from 0 (on a log axis: from a power of ten below them all), the first on top, each with its name on
/// the left and its value at its end. @throws Error kInvalidArgument for no bars, for more than 200, for values that
/// are not finite and ≥ 0 (log: > 0).
Figure bar_chart(const std::vector<Bar>& bars, const BarChartOptions& options = {});

}  // namespace unrect
