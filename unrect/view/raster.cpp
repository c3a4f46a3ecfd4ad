#include "unrect/view/raster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {

Raster colorize(const MatrixRef& values, Range range, ColorMap map) {
  UNRECT_REQUIRE(std::isfinite(range.max - range.min) && range.min < range.max, ErrorCode::kInvalidArgument,
                 "colour range [{}, {}]: expected finite min < max", range.min, range.max);
  using Rgb = std::array<std::uint8_t, 3>;
  const auto bytes = [](const Color& c) {
    const auto byte = [](double v) { return static_cast<std::uint8_t>(std::lround(v * 255)); };
    return Rgb{byte(c.r), byte(c.g), byte(c.b)};
  };
  constexpr int kSteps = 1023;
  std::vector<Rgb> table(kSteps + 1);  // a colour costs three powers; a pixel should not
  for (int i = 0; i <= kSteps; ++i) table[static_cast<std::size_t>(i)] = bytes(map(static_cast<double>(i) / kSteps));
  const Rgb missing = bytes(hex(0xdddde2));
  Raster raster{values.cols(), values.rows(), {}};
  raster.rgb.reserve(static_cast<std::size_t>(3 * values.size()));
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) {
      const double t = (values(i, j) - range.min) / (range.max - range.min);
      const Rgb& color =
          std::isnan(t) ? missing : table[static_cast<std::size_t>(std::lround(std::clamp(t, 0.0, 1.0) * kSteps))];
      raster.rgb.insert(raster.rgb.end(), color.begin(), color.end());
    }
  }
  return raster;
}

}  // namespace unrect
