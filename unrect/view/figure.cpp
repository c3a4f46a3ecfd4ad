#include "unrect/view/figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/view/internal/layout.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

constexpr Color kGrid = hex(0xe7e9ee), kFrame = hex(0xa9b0bd), kTickInk = hex(0x4b5262);

void require_drawable(const Axis& axis, std::string_view name) {
  if (!axis.range) return;
  const auto [min, max] = *axis.range;
  UNRECT_REQUIRE(std::isfinite(min) && std::isfinite(max) && std::isfinite(max - min) &&
                     max - min > 1e-12 * std::max(std::abs(min), std::abs(max)),
                 ErrorCode::kInvalidArgument,
                 "range [{}, {}] of axis {}: expected finite min < max that a double tells apart", min, max, name);
  UNRECT_REQUIRE(!axis.log || min > 0, ErrorCode::kInvalidArgument, "range [{}, {}] of log axis {}: expected min > 0",
                 min, max, name);
}

void widen(std::optional<Range>& range, double value) {
  if (!range) range = Range{value, value};
  range->min = std::min(range->min, value);
  range->max = std::max(range->max, value);
}

// What an axis shows when its range is not given: the images, else what is covered and a little more; never one value.
Range shown(const std::optional<Range>& covered, const std::optional<Range>& image, bool log) {
  if (image) return *image;
  if (!covered) return log ? Range{1, 10} : Range{0, 1};
  const double min = log ? std::log10(covered->min) : covered->min;
  const double max = log ? std::log10(covered->max) : covered->max;
  const double size = std::max(std::abs(min), std::abs(max));
  const bool point = !(max - min > 1e-9 * size);
  const double margin = point ? (log || size == 0 ? 0.5 : 0.1 * size) : 0.04 * (max - min);
  return log ? Range{std::pow(10, min - margin), std::pow(10, max + margin)} : Range{min - margin, max + margin};
}

bool inside(const Frame& frame, Pixel p) {
  constexpr double kSlack = 0.01;
  return p.x >= frame.left() - kSlack && p.x <= frame.right() + kSlack && p.y >= frame.top() - kSlack &&
         p.y <= frame.bottom() + kSlack;
}

// Cairo counts in 1/256 of a pixel in 32 bits: what lies far outside is cut here, off the visible part.
constexpr double kSpare = 100;

// One side of the box at a time (Sutherland and Hodgman 1974).
std::vector<Pixel> cut(std::vector<Pixel> polygon, const Frame& frame) {
  const std::array<std::array<double, 3>, 4> sides = {{{1, 0, -(frame.left() - kSpare)},
                                                       {-1, 0, frame.right() + kSpare},
                                                       {0, 1, -(frame.top() - kSpare)},
                                                       {0, -1, frame.bottom() + kSpare}}};
  for (const auto& [a, b, c] : sides) {
    std::vector<Pixel> kept;
    for (std::size_t i = 0; i < polygon.size(); ++i) {
      const Pixel p = polygon[i], q = polygon[(i + 1) % polygon.size()];
      const double at_p = a * p.x + b * p.y + c, at_q = a * q.x + b * q.y + c;
      if (at_p >= 0) kept.push_back(p);
      if ((at_p < 0) != (at_q < 0)) {
        const double t = at_p / (at_p - at_q);
        kept.push_back({std::lerp(p.x, q.x, t), std::lerp(p.y, q.y, t)});
      }
    }
    polygon = std::move(kept);
  }
  return polygon;
}

// The pieces of a line that lie within the box (Liang and Barsky 1984, segment by segment).
std::vector<std::vector<Pixel>> pieces(const std::vector<Pixel>& line, const Frame& frame) {
  std::vector<std::vector<Pixel>> out;
  bool joined = false;  // the last piece ends where the next segment starts
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    const Pixel p = line[i], q = line[i + 1];
    double from = 0, to = 1;
    const auto keep = [&](double start, double step, double low, double high) {
      const double t0 = (low - start) / step, t1 = (high - start) / step;
      if (step == 0) {
        if (start < low || start > high) to = -1;
        return;
      }
      from = std::max(from, std::min(t0, t1));
      to = std::min(to, std::max(t0, t1));
    };
    keep(p.x, q.x - p.x, frame.left() - kSpare, frame.right() + kSpare);
    keep(p.y, q.y - p.y, frame.top() - kSpare, frame.bottom() + kSpare);
    if (from > to) {
      joined = false;
      continue;
    }
    const auto at = [&](double t) { return Pixel{std::lerp(p.x, q.x, t), std::lerp(p.y, q.y, t)}; };
    if (!joined || from > 0) out.push_back({at(from)});
    out.back().push_back(at(to));
    joined = to == 1;
  }
  return out;
}

double baseline(double centre, double size) { return centre + 0.36 * size; }

}  // namespace

class Figure::Painter {
 public:
  Painter(Canvas& on, const Frame& within) : canvas(on), frame(within) {}

  std::vector<Pixel> pixels(const Matrix& points) const {
    std::vector<Pixel> out;
    out.reserve(static_cast<std::size_t>(points.rows()));
    for (Index i = 0; i < points.rows(); ++i) out.push_back(frame(points(i, 0), points(i, 1)));
    return out;
  }

  // Clips only what needs it: a clip makes an SVG larger.
  void clipped(const std::vector<Pixel>& points, const std::function<void()>& draw) {
    const bool all = std::all_of(points.begin(), points.end(), [&](Pixel p) { return inside(frame, p); });
    all ? draw() : canvas.clipped(frame.plot, draw);
  }

  void polyline(const std::vector<Pixel>& points, const Pen& pen) {
    clipped(points, [&] {
      for (const std::vector<Pixel>& piece : pieces(points, frame)) canvas.stroke(piece, pen);
    });
  }

  void marker(Pixel at, double radius, const Color& color) {
    canvas.disc(at, radius + 0.8, faded(kWhite, color.a));
    canvas.disc(at, radius, color);
  }

  Canvas& canvas;
  const Frame& frame;
};

Figure::Figure(FigureOptions options) : options_(std::move(options)) {
  validate(options_);
  require_drawable(options_.x, "x");
  require_drawable(options_.y, "y");
  UNRECT_REQUIRE(!options_.equal || (!options_.x.log && !options_.y.log), ErrorCode::kInvalidArgument,
                 "equal axes: expected both linear");
}

void Figure::cover(double x, double y) {
  UNRECT_REQUIRE(std::isfinite(x) && std::isfinite(y), ErrorCode::kInvalidArgument,
                 "point ({}, {}): expected finite coordinates", x, y);
  UNRECT_REQUIRE((!options_.x.log || x > 0) && (!options_.y.log || y > 0), ErrorCode::kInvalidArgument,
                 "point ({}, {}): expected a coordinate above 0 on a log axis", x, y);
  widen(covered_x_, x);
  widen(covered_y_, y);
}

void Figure::cover(const MatrixRef& points, Index least, std::string_view what) {
  UNRECT_REQUIRE(points.cols() == 2 && points.rows() >= least, ErrorCode::kInvalidArgument,
                 "{} of {} × {} coordinates: expected N × 2 with N ≥ {}", what, points.rows(), points.cols(), least);
  for (Index i = 0; i < points.rows(); ++i) cover(points(i, 0), points(i, 1));
}

Figure& Figure::image(const Raster& raster, Range x, Range y) {
  UNRECT_REQUIRE(raster.width > 0 && raster.height > 0 && raster.width <= 32767 && raster.height <= 32767 &&
                     raster.rgb.size() == static_cast<std::size_t>(3 * raster.width * raster.height),
                 ErrorCode::kInvalidArgument,
                 "image of {} × {} pixels in {} bytes: expected 1 to 32767 a side, 3 bytes each", raster.width,
                 raster.height, raster.rgb.size());
  UNRECT_REQUIRE(!options_.x.log && !options_.y.log && x.min < x.max && y.min < y.max, ErrorCode::kInvalidArgument,
                 "image over [{}, {}] × [{}, {}]: expected min < max and linear axes", x.min, x.max, y.min, y.max);
  cover(x.min, y.min);
  cover(x.max, y.max);
  for (const double end : {x.min, x.max}) widen(image_x_, end);
  for (const double end : {y.min, y.max}) widen(image_y_, end);
  layers_.emplace_back([raster, x, y](Painter& to) {
    const Pixel top_left = to.frame(x.min, y.max), bottom_right = to.frame(x.max, y.min);
    to.clipped({top_left, bottom_right}, [&] { to.canvas.image(raster, top_left, bottom_right); });
  });
  return *this;
}

Figure& Figure::polygon(const MatrixRef& points, const PolygonStyle& style) {
  cover(points, 3, "polygon");
  legend_.push_back({style.name, style.fill, {style.stroke, style.width}, 0});
  layers_.emplace_back([points = Matrix(points), style](Painter& to) {
    const std::vector<Pixel> pixels = to.pixels(points);
    to.clipped(pixels, [&] {
      const std::vector<Pixel> seen = cut(pixels, to.frame);
      if (seen.empty()) return;
      to.canvas.fill(seen, style.fill);
      to.canvas.stroke(seen, {style.stroke, style.width}, true);
    });
  });
  return *this;
}

Figure& Figure::polyline(const MatrixRef& points, const LineStyle& style) {
  cover(points, 2, "polyline");
  legend_.push_back({style.name, kTransparent, style, 0});
  layers_.emplace_back([points = Matrix(points), style](Painter& to) {
    to.polyline(to.pixels(points), {style.color, style.width, style.dashed});
  });
  return *this;
}

Figure& Figure::arrow(double from_x, double from_y, double to_x, double to_y, const LineStyle& style) {
  cover(from_x, from_y);
  cover(to_x, to_y);
  legend_.push_back({style.name, kTransparent, style, 0});
  layers_.emplace_back([=](Painter& to) {
    const Pixel from = to.frame(from_x, from_y), tip = to.frame(to_x, to_y);
    const double length = std::hypot(tip.x - from.x, tip.y - from.y);
    if (length == 0 || !inside(to.frame, tip)) return;
    const double dx = (tip.x - from.x) / length, dy = (tip.y - from.y) / length;
    const double head = std::min(length, 4 + 3 * style.width), half = 0.42 * head;
    const Pixel neck{tip.x - head * dx, tip.y - head * dy};
    to.polyline({from, neck}, {style.color, style.width, style.dashed});
    to.canvas.fill({tip, {neck.x - half * dy, neck.y + half * dx}, {neck.x + half * dy, neck.y - half * dx}},
                   style.color);
  });
  return *this;
}

Figure& Figure::points(const MatrixRef& points, const MarkerStyle& style) {
  cover(points, 1, "points");
  legend_.push_back({style.name, kTransparent, {style.color, 0}, style.radius});
  layers_.emplace_back([points = Matrix(points), style](Painter& to) {
    for (const Pixel p : to.pixels(points)) {
      if (inside(to.frame, p)) to.marker(p, style.radius, style.color);
    }
  });
  return *this;
}

Figure& Figure::text(double x, double y, std::string_view text, const TextStyle& style) {
  cover(x, y);
  layers_.emplace_back([x, y, text = printable(text), style](Painter& to) {
    const Pixel p = to.frame(x, y);
    if (!inside(to.frame, p)) return;
    to.canvas.text({p.x + style.dx, baseline(p.y + style.dy, style.size)}, text, {style.size, style.bold}, style.color,
                   style.align, 2.2);
  });
  return *this;
}

Figure& Figure::label(double x, double y, std::string_view text, const TextStyle& style) {
  cover(x, y);
  labels_.push_back({x, y, printable(text), style});
  return *this;
}

Figure& Figure::legend(std::string_view name, const Color& color) {
  legend_.push_back({std::string(name), color, {mix(color, kInk, 0.3), 0.8}, 0});
  return *this;
}

Figure& Figure::colorbar(Range range, std::string_view label, ColorMap map, bool whole) {
  require_drawable({.range = range}, "of the colour bar");
  colorbar_ = Scale{range, printable(label), map, whole};
  return *this;
}

std::string Figure::draw(bool svg) const {
  std::vector<Entry> entries = legend_;
  std::erase_if(entries, [](const Entry& entry) { return entry.name.empty(); });
  LayoutRequest request{.options = &options_,
                        .x = options_.x.range.value_or(shown(covered_x_, image_x_, options_.x.log)),
                        .y = options_.y.range.value_or(shown(covered_y_, image_y_, options_.y.log))};
  require_drawable({.range = request.x, .log = options_.x.log}, "x");
  require_drawable({.range = request.y, .log = options_.y.log}, "y");
  for (Entry& entry : entries) request.legend.push_back(entry.name = printable(entry.name));
  if (colorbar_) {
    request.bar = true;
    request.bar_label = !colorbar_->label.empty();
    request.bar_range = colorbar_->range;
    request.bar_whole = colorbar_->whole;
  }
  const Layout layout = lay_out(request);
  const Frame& frame = layout.frame;
  Canvas canvas(layout.width, layout.height, svg ? Canvas::Format::kSvg : Canvas::Format::kPng);
  Painter painter(canvas, frame);
  const double left = frame.left(), right = frame.right(), top = frame.top(), bottom = frame.bottom();

  const auto at_x = [&](const Tick& tick) { return frame(tick.at, frame.y.min).x; };
  const auto at_y = [&](const Tick& tick) { return frame(frame.x.min, tick.at).y; };
  for (const Tick& tick : layout.x_ticks) {
    if (options_.x.grid && !tick.text.empty()) canvas.stroke({{at_x(tick), top}, {at_x(tick), bottom}}, {kGrid, 1});
  }
  for (const Tick& tick : layout.y_ticks) {
    if (options_.y.grid && !tick.text.empty()) canvas.stroke({{left, at_y(tick)}, {right, at_y(tick)}}, {kGrid, 1});
  }

  for (const Layer& layer : layers_) layer(painter);

  const Pen thin{kFrame, 1};
  if (image_x_) {
    canvas.stroke({{left, top}, {right, top}, {right, bottom}, {left, bottom}}, thin, true);
  } else {
    canvas.stroke({{left, top}, {left, bottom}, {right, bottom}}, thin);
  }
  double written = -1e9;  // how far the ticks' text reaches
  for (const Tick& tick : layout.x_ticks) {
    const double x = at_x(tick), half = canvas.text_width(tick.text, kTickFont) / 2;
    if (options_.x.grid) canvas.stroke({{x, bottom}, {x, bottom + (tick.text.empty() ? 2.5 : kTickMark)}}, thin);
    if (tick.text.empty() || x - half < written + 4) continue;
    canvas.text({x, bottom + kTickMark + 12}, tick.text, kTickFont, kTickInk, 0.5);
    written = x + half;
  }
  for (const Tick& tick : layout.y_ticks) {
    const double y = at_y(tick);
    if (options_.y.grid) canvas.stroke({{left - (tick.text.empty() ? 2.5 : kTickMark), y}, {left, y}}, thin);
    canvas.text({left - kTickMark - 4, baseline(y, kTickFont.size)}, tick.text, kTickFont, kTickInk, 1);
  }
  canvas.text({frame.plot.x, layout.height - kPad}, printable(options_.x.label), kLabelFont, kInk, 0.5);
  canvas.upward_text({layout.y_label_x, frame.plot.y}, printable(options_.y.label), kLabelFont, kInk);
  canvas.text({left, kPad + 11}, layout.title, kTitleFont, kInk);

  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const auto [x, y] = layout.legend[i];
    const Pen pen{entry.line.color, entry.line.width, entry.line.dashed};
    const bool patch = entry.fill.a > 0;
    const std::vector<Pixel> box = {{x + 2, y - 5}, {x + kSwatch - 2, y - 5}, {x + kSwatch - 2, y + 5}, {x + 2, y + 5}};
    canvas.fill(box, entry.fill);
    canvas.stroke(patch ? box : std::vector<Pixel>{{x, y}, {x + kSwatch, y}}, pen, patch);
    if (entry.radius > 0) painter.marker({x + kSwatch / 2, y}, entry.radius, entry.line.color);
    canvas.text({x + kSwatch + 6, baseline(y, kTickFont.size)}, entry.name, kTickFont, kInk);
  }

  if (colorbar_) {
    const Range range = colorbar_->range;
    const Vector values = Vector::LinSpaced(256, range.max, range.min);
    const double x = right + kBarGap;
    canvas.image(colorize(values, range, colorbar_->map), {x, top}, {x + kBarWidth, bottom});
    canvas.stroke({{x, top}, {x + kBarWidth, top}, {x + kBarWidth, bottom}, {x, bottom}}, thin, true);
    for (const Tick& tick : layout.bar_ticks) {
      const double y = std::lerp(bottom, top, (tick.at - range.min) / (range.max - range.min));
      canvas.stroke({{x + kBarWidth, y}, {x + kBarWidth + kTickMark, y}}, thin);
      canvas.text({x + kBarWidth + kTickMark + 4, baseline(y, kTickFont.size)}, tick.text, kTickFont, kTickInk);
    }
    canvas.upward_text({layout.bar_label_x, frame.plot.y}, colorbar_->label, kLabelFont, kInk);
  }

  std::vector<Label> labels = labels_;
  std::erase_if(labels, [&](const Label& label) { return !inside(frame, frame(label.x, label.y)); });
  std::vector<LabelBox> wanted;
  for (const Label& label : labels) {
    const Pixel p = frame(label.x, label.y);
    const double width = canvas.text_width(label.text, {label.style.size, label.style.bold});
    wanted.push_back({p.x, p.y, width + 4, 1.2 * label.style.size + 2});
  }
  const std::vector<LabelBox> placed =
      place_labels(wanted, {frame.plot.x, frame.plot.y, frame.plot.width - 4, frame.plot.height - 4});
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Leader line = leader_to(wanted[i], placed[i]);
    const Pixel from{line.x0, line.y0}, to{line.x1, line.y1};
    if (std::hypot(to.x - from.x, to.y - from.y) > 10) {
      canvas.stroke({from, to}, {faded(kWhite, 0.8), 2.4});
      canvas.stroke({from, to}, {labels[i].style.color, 0.7});
    }
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const TextStyle& style = labels[i].style;
    canvas.text({placed[i].x, baseline(placed[i].y, style.size)}, labels[i].text, {style.size, style.bold}, style.color,
                0.5, 2.2);
  }
  return canvas.finish();
}

std::string Figure::svg() const { return draw(true); }

std::string Figure::png() const { return draw(false); }

void Figure::save(const std::filesystem::path& path) const {
  const std::string kind = path.extension().string();
  UNRECT_REQUIRE(kind == ".svg" || kind == ".png", ErrorCode::kInvalidArgument,
                 "{}: expected a file name that ends in .svg or .png", path.string());
  write_file(path, draw(kind == ".svg"));
}

}  // namespace unrect
