// The one place that draws: lines, areas, text and pixels, in pixels from the top left corner, kept as SVG or as PNG.
// Used by the figures of this room only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "unrect/view/internal/labels.hpp"
#include "unrect/view/raster.hpp"

struct _cairo;  // cairo's own name for it. NOLINT(bugprone-reserved-identifier)

namespace unrect {

struct Pixel {
  double x = 0, y = 0;
};

struct Pen {
  Color color = kInk;
  double width = 1;
  bool dashed = false;
};

struct Font {
  double size = 11;
  bool bold = false;
};

class Canvas {
 public:
  enum class Format { kSvg, kPng };

  /// PNG has two pixels to each of ours, so that it stays crisp on dense screens.
  Canvas(double width, double height, Format format);

  void fill(const std::vector<Pixel>& polygon, const Color& color);
  void stroke(const std::vector<Pixel>& line, const Pen& pen, bool closed = false);
  void disc(Pixel centre, double radius, const Color& color);
  /// `align` 0 puts the text's left end at x, 1 its right end; y is the baseline. `halo` > 0 paints white around it.
  void text(Pixel at, const std::string& text, const Font& font, const Color& color, double align = 0, double halo = 0);
  /// Upwards, centred at `at`.
  void upward_text(Pixel at, const std::string& text, const Font& font, const Color& color);
  /// Pixels stay sharp when they are enlarged and are averaged when they are reduced.
  void image(const Raster& raster, Pixel top_left, Pixel bottom_right);
  /// What `draw` draws outside of the box is not seen.
  void clipped(const LabelBox& box, const std::function<void()>& draw);

  double text_width(const std::string& text, const Font& font) const;

  /// The file's bytes; equal drawings give equal bytes. The canvas is used up.
  std::string finish();

 private:
  Format format_;
  std::unique_ptr<std::string> bytes_;  // where cairo's callback writes; its address must not change
  std::unique_ptr<_cairo, void (*)(_cairo*)> cairo_;
};

}  // namespace unrect
