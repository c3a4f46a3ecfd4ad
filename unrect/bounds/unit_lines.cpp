#include "unrect/bounds/internal/unit_lines.hpp"

#include <cmath>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// f(p) − slope p for a break or an end p, and how far rounding may have moved it.
struct Offset {
  double value, doubt;
};
Offset offset_at(const Piecewise& f, Index row, Index piece, double p, double slope) {
  const double inner = f.slopes(row, piece) * p, outer = slope * p;
  const double value = inner + f.offsets(row, piece) - outer;
  return {value,
          4 * kEpsilon * (std::abs(inner) + std::abs(f.offsets(row, piece)) + std::abs(outer)) + kSmallestProduct};
}

constexpr std::pair<double, double> kEverything{-std::numeric_limits<double>::infinity(),
                                                std::numeric_limits<double>::infinity()};

// The piece of f just above z.
Index piece_above(const Piecewise& f, Index row, double z) {
  Index piece = 0;
  while (piece < f.breaks.cols() && f.breaks(row, piece) <= z) ++piece;
  return piece;
}

// The smallest and largest offset of a line with this slope that touches f on [l, h].
std::pair<double, double> offsets(const Piecewise& f, Index row, double low, double high, double slope) {
  Index piece = piece_above(f, row, low);
  Offset o = offset_at(f, row, piece, low, slope);
  double largest = o.value + o.doubt, smallest = o.value - o.doubt;
  const auto take = [&](const Offset& more) {
    largest = std::max(largest, more.value + more.doubt);
    smallest = std::min(smallest, more.value - more.doubt);
  };
  for (; piece < f.breaks.cols() && f.breaks(row, piece) < high; ++piece)
    take(offset_at(f, row, piece, f.breaks(row, piece), slope));
  take(offset_at(f, row, piece, high, slope));
  return {smallest, largest};
}

}  // namespace

std::pair<double, double> range_of(const Piecewise& f, Index unit, double low, double high) {
  if (f.is_relu()) return {std::max(low, 0.0), std::max(high, 0.0)};
  if (!std::isfinite(low) || !std::isfinite(high)) return kEverything;
  return offsets(f, f.row_of(unit), low, high, 0);
}

UnitLines lines_of(const Piecewise& f, Index unit, double low, double high) {
  if (f.is_relu()) return relu_lines(low, high);
  const Index row = f.row_of(unit);
  if (!straddles(f, unit, low, high)) {
    const Index piece = piece_above(f, row, low);
    const double slope = f.slopes(row, piece), offset = f.offsets(row, piece);
    return {slope, offset, slope, offset};
  }
  if (!std::isfinite(low) || !std::isfinite(high)) return {0, kEverything.first, 0, kEverything.second};
  const double middle = 0.5 * (low + high);
  UnitLines best;
  double low_at = -std::numeric_limits<double>::infinity(), high_at = -low_at;
  const auto consider = [&](double slope) {
    const auto [smallest, largest] = offsets(f, row, low, high, slope);
    if (slope * middle + smallest > low_at) {
      low_at = slope * middle + smallest;
      best.low_slope = slope;
      best.low_offset = smallest;
    }
    if (slope * middle + largest < high_at) {
      high_at = slope * middle + largest;
      best.high_slope = slope;
      best.high_offset = largest;
    }
  };
  Index piece = piece_above(f, row, low);
  const double start = f.slopes(row, piece) * low + f.offsets(row, piece);
  consider(f.slopes(row, piece));
  for (; piece < f.breaks.cols() && f.breaks(row, piece) < high; ++piece) consider(f.slopes(row, piece + 1));
  const double end = f.slopes(row, piece) * high + f.offsets(row, piece);
  consider((end - start) / (high - low));
  return best;
}

}  // namespace unrect
