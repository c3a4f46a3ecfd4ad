// Pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "unrect/view/color.hpp"

namespace unrect {

struct Range {
  double min = 0, max = 1;
};

struct Raster {
  Index width = 0, height = 0;
  std::vector<std::uint8_t> rgb{};  // height × width × 3, the top row first
};

/// values(i, j) becomes the colour of the pixel in row i from the top and column j; `range` maps onto [0, 1], and what
/// lies outside takes the end colours. NaN is drawn light grey. @throws Error kInvalidArgument for an empty range.
Raster colorize(const MatrixRef& values, Range range, ColorMap map = sequential);

}  // namespace unrect
