// Two lines that one unit of a piecewise-linear layer lies between, rounding included.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "unrect/network/ops.hpp"

namespace unrect {

/// Covers a product that is too small to have a relative error.
inline constexpr double kSmallestProduct = 1e-290;

/// low_slope z + low_offset ≤ f(z) ≤ high_slope z + high_offset, offsets rounded outward.
struct UnitLines {
  double low_slope = 0, low_offset = 0, high_slope = 0, high_offset = 0;
};

/// For a rectifier with z in [l, h]. Inlined: there is one for each unit and node.
inline UnitLines relu_lines(double low, double high) {
  if (low >= 0) return {1, 0, 1, 0};
  if (high <= 0) return {0, 0, 0, 0};
  const double slope = high / (high - low);
  const double offset = std::max(-slope * low, high - slope * high) +
                        4 * std::numeric_limits<double>::epsilon() * high + kSmallestProduct;
  return {high > -low ? 1.0 : 0.0, 0, slope, offset};
}

/// For one unit of f with z in [l, h], the lower line with the slope that is best in the middle.
UnitLines lines_of(const Piecewise& f, Index unit, double low, double high);

/// Whether f has a break strictly inside (l, h): two lines cannot be one then.
inline bool straddles(const Piecewise& f, Index unit, double low, double high) {
  const Index row = f.row_of(unit);
  for (Index b = 0; b < f.breaks.cols(); ++b) {
    if (low < f.breaks(row, b) && f.breaks(row, b) < high) return true;
  }
  return false;
}

/// The range of f over [l, h], rounded outward.
std::pair<double, double> range_of(const Piecewise& f, Index unit, double low, double high);

}  // namespace unrect
