#include "region_picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inspection.hpp"
#include "unrect/base/error.hpp"

namespace unrect::cli {
namespace {

constexpr double kFar = 1e6;    // stands in for infinity while an unbounded region's window is sought
constexpr double kWork = 4e10;  // multiplications that a background may cost
constexpr Index kLeastPixels = 24, kMostPixels = 480;
constexpr int kMostLabels = 40;

double multiplications(const Network& network) {
  double total = 0;
  for (const Node& node : network.nodes()) {
    if (const Dense* dense = std::get_if<Dense>(node.op.get())) total += static_cast<double>(dense->weight.size());
    if (const Convolution* conv = std::get_if<Convolution>(node.op.get())) {
      total += static_cast<double>(conv->kernel.size() * conv->window.out_height() * conv->window.out_width());
    }
    total += static_cast<double>(node.size);
  }
  return total;
}

struct Square {
  double x, y, half;
};

// A window with the region in its middle and as much around it; an unbounded one is shown as far as its walls reach.
Square window_around(const RegionPolygon& polygon, const Eigen::Vector2d& input) {
  double low_x = input.x(), high_x = low_x, low_y = input.y(), high_y = low_y;  // the input is always in sight
  for (Index i = 0; i < polygon.vertices.rows(); ++i) {
    const double x = polygon.vertices(i, 0), y = polygon.vertices(i, 1);
    if (std::max(std::abs(x - input.x()), std::abs(y - input.y())) >= kFar * 0.999) continue;
    low_x = std::min(low_x, x);
    high_x = std::max(high_x, x);
    low_y = std::min(low_y, y);
    high_y = std::max(high_y, y);
  }
  const double extent = std::max(high_x - low_x, high_y - low_y);
  if (extent > 0) return {(low_x + high_x) / 2, (low_y + high_y) / 2, 0.9 * extent};
  // No corner in reach: a strip or a half-plane, shown to beyond its nearest wall.
  double nearest = kFar;
  const Index k = polygon.vertices.rows();
  for (Index i = 0; i < k; ++i) {
    if (polygon.cut[static_cast<std::size_t>(i)]) continue;
    const Eigen::RowVector2d a = polygon.vertices.row(i), step = polygon.vertices.row((i + 1) % k) - a;
    const Eigen::RowVector2d to = input.transpose() - a;
    nearest = std::min(nearest, std::abs(step.x() * to.y() - step.y() * to.x()) / step.norm());
  }
  return {input.x(), input.y(), nearest < kFar ? 2.5 * nearest : 1};
}

}  // namespace

Figure region_picture(const Region& region, const Plane& plane, const std::string& title, const std::string& x_label,
                      const std::string& y_label) {
  const RegionPolygon whole = slice_region(region, plane, kFar);
  UNRECT_REQUIRE(whole.vertices.rows() >= 3, ErrorCode::kInvalidArgument,
                 "the plane only touches the region: there is nothing to draw");
  const Square window = window_around(whole, plane.centre);
  const Range x_range{window.x - window.half, window.x + window.half};
  const Range y_range{window.y - window.half, window.y + window.half};
  // Drawn only a little beyond the window: a canvas knows no coordinates of 10⁶ widths.
  const double offset = std::max(std::abs(window.x - plane.centre.x()), std::abs(window.y - plane.centre.y()));
  const RegionPolygon shown = slice_region(region, plane, offset + 1.5 * window.half);

  const auto pixels =
      static_cast<Index>(std::clamp(std::sqrt(kWork / multiplications(region.network())),
                                    static_cast<double>(kLeastPixels), static_cast<double>(kMostPixels)));
  Matrix switched(pixels, pixels);
  for (Index row = 0; row < pixels; ++row) {
    Matrix samples(pixels, plane.origin.size());
    const double y = y_range.max - (static_cast<double>(row) + 0.5) / static_cast<double>(pixels) * 2 * window.half;
    for (Index column = 0; column < pixels; ++column) {
      const double x =
          x_range.min + (static_cast<double>(column) + 0.5) / static_cast<double>(pixels) * 2 * window.half;
      samples.row(column) = (plane.origin + plane.axes * (Eigen::Vector2d(x, y) - plane.centre)).transpose();
    }
    switched.row(row) = switched_units(region.network(), region.configuration(), samples).transpose();
  }
  const Range counts{0, std::max(1.0, switched.maxCoeff())};

  FigureOptions options;
  options.title = title;
  options.x = {x_label, x_range, false, {}, false};
  options.y = {y_label, y_range, false, {}, false};
  options.equal = true;
  options.width = 720;
  options.height = 620;
  Figure figure(options);
  figure.image(colorize(switched, counts), x_range, y_range).colorbar(counts, "units switched", sequential, true);
  figure.polygon(shown.vertices, {faded(kWhite, 0.94), kInk, 1.8, ""});
  figure.points(plane.centre.transpose(), {categorical(1), 4.5, "input"});

  int labels = 0;
  for (Index i = 0; i < shown.vertices.rows() && labels < kMostLabels; ++i) {
    if (shown.cut[static_cast<std::size_t>(i)]) continue;
    Eigen::RowVector2d a = shown.vertices.row(i), b = shown.vertices.row((i + 1) % shown.vertices.rows());
    // Only the part of the edge in sight carries the label: clip the segment to the window.
    double from = 0, to = 1;
    const Eigen::RowVector2d step = b - a;
    for (int axis = 0; axis < 2; ++axis) {
      const double low = axis ? y_range.min : x_range.min, high = axis ? y_range.max : x_range.max;
      if (step[axis] == 0) continue;
      const double t0 = (low - a[axis]) / step[axis], t1 = (high - a[axis]) / step[axis];
      from = std::max(from, std::min(t0, t1));
      to = std::min(to, std::max(t0, t1));
    }
    if (to <= from) continue;
    const Eigen::RowVector2d middle = a + (from + to) / 2 * step;
    figure.label(middle.x(), middle.y(), wall_label(shown.walls[static_cast<std::size_t>(i)]));
    ++labels;
  }
  return figure;
}

}  // namespace unrect::cli
