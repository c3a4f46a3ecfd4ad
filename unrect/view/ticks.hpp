// Round numbers for axes.
#pragma once

#include <string>
#include <vector>

#include "unrect/view/raster.hpp"

namespace unrect {

struct Tick {
  double at = 0;
  std::string text{};  // "" for a minor tick
};

/// Multiples of 1, 2 or 5 × 10ᵏ ≥ `least` within the range, `most` + 1 at most, written with just the digits that they
/// need. Of counts `least` is 1.
std::vector<Tick> linear_ticks(Range range, int most, double least = 0);

/// Powers of ten within the range (every second, third, … when there are more than `most`), with minor ticks between
/// neighbours; under two decades also 2 and 5 × 10ᵏ, and linear ticks where those would be fewer than three. min > 0.
std::vector<Tick> log_ticks(Range range, int most);

/// Four digits or so, for people: 0.1234, 12.5, 48211, 1.23×10⁷.
std::string format_number(double value);

}  // namespace unrect
