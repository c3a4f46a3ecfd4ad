// A picture of what lies in the plane: axes, and layers over them in the order in which they are added.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/view/color.hpp"
#include "unrect/view/raster.hpp"
#include "unrect/view/ticks.hpp"

namespace unrect {

struct Axis {
  std::string label{};
  std::optional<Range> range{};  // not given: what the images cover, else what the layers do
  bool log = false;
  std::vector<Tick> ticks{};  // none given: round numbers
  bool grid = true;           // faint lines behind the layers
};

struct FigureOptions {
  std::string title{};
  Axis x{}, y{};
  bool equal = false;
  int width = 640, height = 440;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.title, {"title", "above the figure"});
    field(o.equal, {"equal", "a unit is as long on both axes; the figure gives up the room that this leaves"});
    field(o.width, {"width", "in pixels; PNG has two pixels to each of these", between(100, 8192)});
    field(o.height, {"height", "the same", between(100, 8192)});
  }
};

// `name`, where not empty, makes an entry of the legend.
struct PolygonStyle {
  Color fill = faded(categorical(0), 0.25);
  Color stroke = kInk;
  double width = 1.2;
  std::string name{};
};

struct LineStyle {
  Color color = kInk;
  double width = 1.8;
  bool dashed = false;
  std::string name{};
};

struct MarkerStyle {
  Color color = kInk;
  double radius = 3.2;  // a thin white ring around it keeps markers apart
  std::string name{};
};

struct TextStyle {
  Color color = kInk;
  double size = 11;
  bool bold = false;
  double dx = 0, dy = 0;  // pixels to the right and down
  double align = 0.5;     // 0: starts at the point, 1: ends at it
};

/// Coordinates are data's; points come one per row (N × 2). What lies outside the axes is clipped. Every function that
/// adds a layer returns the figure. @throws Error kInvalidArgument for coordinates that are not finite (or not above 0
/// on a log axis), for the wrong number of columns, and for too few points.
class Figure {
 public:
  /// @throws Error kInvalidArgument for a size or an axis range that cannot be drawn.
  explicit Figure(FigureOptions options = {});

  /// A picture over the rectangle x × y, both linear; its top row lies at y.max.
  Figure& image(const Raster& raster, Range x, Range y);
  Figure& polygon(const MatrixRef& points, const PolygonStyle& style = {});
  Figure& polyline(const MatrixRef& points, const LineStyle& style = {});
  Figure& arrow(double from_x, double from_y, double to_x, double to_y, const LineStyle& style = {});
  Figure& points(const MatrixRef& points, const MarkerStyle& style = {});
  /// Written at the point itself, with a halo, so that it can be read over anything.
  Figure& text(double x, double y, std::string_view text, const TextStyle& style = {});
  /// Written beside the point, above all layers and so that no two labels overlap; a thin line leads to it from afar.
  Figure& label(double x, double y, std::string_view text, const TextStyle& style = {});
  /// An entry of the legend for something drawn otherwise, such as the classes of an image.
  Figure& legend(std::string_view name, const Color& color);
  /// What the colours of an image mean; `whole`: of numbers that are never broken. One per figure, the last one given.
  Figure& colorbar(Range range, std::string_view label, ColorMap map = sequential, bool whole = false);

  /// Equal figures give equal bytes. @throws Error kInvalidArgument when the axes have nothing to show.
  std::string svg() const;
  std::string png() const;
  /// In the format that the file's extension names. @throws Error kInvalidArgument unless that is .svg or .png, kFile.
  void save(const std::filesystem::path& path) const;

  class Painter;  // draws on a canvas; known to figure.cpp alone

 private:
  using Layer = std::function<void(Painter&)>;
  struct Label {
    double x, y;
    std::string text;
    TextStyle style;
  };
  struct Entry {
    std::string name;
    Color fill;      // a patch of this colour, …
    LineStyle line;  // … a piece of this line (width 0: none), …
    double radius;   // … and a marker of this size
  };
  struct Scale {
    Range range;
    std::string label;
    ColorMap map;
    bool whole;
  };

  void cover(double x, double y);
  void cover(const MatrixRef& points, Index least, std::string_view what);
  std::string draw(bool svg) const;

  FigureOptions options_;
  std::vector<Layer> layers_;
  std::vector<Label> labels_;
  std::vector<Entry> legend_;
  std::optional<Scale> colorbar_;
  std::optional<Range> covered_x_, covered_y_, image_x_, image_y_;  // by all layers, by images
};

}  // namespace unrect
