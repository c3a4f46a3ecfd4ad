#include "unrect/view/internal/canvas.hpp"

#include <cairo-svg.h>
#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string_view>

#include "unrect/base/error.hpp"

// Fontconfig keeps offsets where others keep pointers: the leak checker takes what its caches hold for lost.
#if !defined(__SANITIZE_ADDRESS__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1  // NOLINT(bugprone-reserved-identifier)
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
const char* __lsan_default_suppressions() { return "leak:libfontconfig"; }
#endif

namespace unrect {
namespace {

constexpr double kPngScale = 2;

cairo_status_t append(void* bytes, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(bytes)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

void check(cairo_status_t status) {
  UNRECT_REQUIRE(status == CAIRO_STATUS_SUCCESS, ErrorCode::kInvalidArgument, "cannot draw: {}",
                 cairo_status_to_string(status));
}

cairo_t* start(double width, double height, Canvas::Format format, std::string& bytes) {
  cairo_surface_t* surface = nullptr;
  if (format == Canvas::Format::kSvg) {
    surface = cairo_svg_surface_create_for_stream(append, &bytes, width, height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
  } else {
    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::lround(width * kPngScale)),
                                         static_cast<int>(std::lround(height * kPngScale)));
    cairo_surface_set_device_scale(surface, kPngScale, kPngScale);
  }
  cairo_t* cairo = cairo_create(surface);
  cairo_surface_destroy(surface);  // the context keeps it
  // Letters are placed by their true widths, whatever the resolution: SVG and PNG agree.
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(cairo, options);
  cairo_font_options_destroy(options);
  cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
  cairo_set_source_rgb(cairo, 1, 1, 1);
  cairo_paint(cairo);
  return cairo;
}

void set_color(cairo_t* cairo, const Color& color) { cairo_set_source_rgba(cairo, color.r, color.g, color.b, color.a); }

void set_font(cairo_t* cairo, const Font& font) {
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         font.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, font.size);
}

void trace(cairo_t* cairo, const std::vector<Pixel>& points) {
  cairo_new_path(cairo);
  for (const Pixel& p : points) cairo_line_to(cairo, p.x, p.y);
}

// Cairo numbers surfaces and images through the life of the process; here they are numbered through the document.
std::string with_stable_ids(std::string_view svg) {
  constexpr std::string_view kDigits = "0123456789";
  std::map<std::string, std::size_t, std::less<>> numbers;
  std::string out;
  out.reserve(svg.size());
  while (true) {
    const std::size_t at = svg.find_first_of("\"#");
    if (at == std::string_view::npos) return out.append(svg);
    out += svg.substr(0, at + 1);
    svg.remove_prefix(at + 1);
    for (const std::string_view stem : {"surface", "image", "source"}) {
      const std::size_t end = svg.find_first_not_of(kDigits, stem.size());
      if (!svg.starts_with(stem) || end == stem.size() || end == std::string_view::npos) continue;
      out +=
          fmt::format("{}{}", stem, numbers.try_emplace(std::string(svg.substr(0, end)), numbers.size()).first->second);
      svg.remove_prefix(end);
    }
  }
}

}  // namespace

Canvas::Canvas(double width, double height, Format format)
    : format_(format),
      bytes_(std::make_unique<std::string>()),
      cairo_(start(width, height, format, *bytes_), cairo_destroy) {}

void Canvas::fill(const std::vector<Pixel>& polygon, const Color& color) {
  if (color.a <= 0) return;
  trace(cairo_.get(), polygon);
  cairo_close_path(cairo_.get());
  set_color(cairo_.get(), color);
  cairo_fill(cairo_.get());
}

void Canvas::stroke(const std::vector<Pixel>& line, const Pen& pen, bool closed) {
  if (pen.color.a <= 0 || pen.width <= 0) return;
  trace(cairo_.get(), line);
  if (closed) cairo_close_path(cairo_.get());
  set_color(cairo_.get(), pen.color);
  cairo_set_line_width(cairo_.get(), pen.width);
  const double dashes[] = {3.5 * pen.width, 2.8 * pen.width};
  cairo_set_dash(cairo_.get(), dashes, pen.dashed ? 2 : 0, 0);
  cairo_stroke(cairo_.get());
}

void Canvas::disc(Pixel centre, double radius, const Color& color) {
  if (color.a <= 0 || radius <= 0) return;
  cairo_new_path(cairo_.get());
  cairo_arc(cairo_.get(), centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
  set_color(cairo_.get(), color);
  cairo_fill(cairo_.get());
}

void Canvas::text(Pixel at, const std::string& text, const Font& font, const Color& color, double align, double halo) {
  const double x = at.x - align * text_width(text, font);
  if (halo > 0) {
    cairo_new_path(cairo_.get());
    cairo_move_to(cairo_.get(), x, at.y);
    cairo_text_path(cairo_.get(), text.c_str());
    set_color(cairo_.get(), faded(kWhite, 0.9));
    cairo_set_line_width(cairo_.get(), 2 * halo);
    cairo_set_dash(cairo_.get(), nullptr, 0, 0);
    cairo_stroke(cairo_.get());
  }
  cairo_move_to(cairo_.get(), x, at.y);
  set_color(cairo_.get(), color);
  cairo_show_text(cairo_.get(), text.c_str());
}

void Canvas::upward_text(Pixel at, const std::string& text, const Font& font, const Color& color) {
  cairo_save(cairo_.get());
  cairo_translate(cairo_.get(), at.x, at.y);
  cairo_rotate(cairo_.get(), -std::numbers::pi / 2);
  this->text({0, 0}, text, font, color, 0.5);
  cairo_restore(cairo_.get());
}

void Canvas::image(const Raster& raster, Pixel top_left, Pixel bottom_right) {
  // Programs that show SVG blur what they enlarge, so each pixel is repeated until there is nothing to enlarge (in
  // reason).
  const auto repeats = [](double length, Index pixels) {
    return std::clamp(static_cast<Index>(std::ceil(kPngScale * length / static_cast<double>(pixels) - 0.01)), Index{1},
                      std::max<Index>(1, 4096 / pixels));
  };
  const double across = bottom_right.x - top_left.x, down = bottom_right.y - top_left.y;
  const Index repeat_x = repeats(across, raster.width), repeat_y = repeats(down, raster.height);
  const Index width = repeat_x * raster.width, height = repeat_y * raster.height;
  cairo_surface_t* pixels =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width), static_cast<int>(height));
  check(cairo_surface_status(pixels));
  unsigned char* rows = cairo_image_surface_get_data(pixels);
  const Index stride = cairo_image_surface_get_stride(pixels);
  for (Index i = 0; i < height; ++i) {
    auto* row = reinterpret_cast<std::uint32_t*>(rows + i * stride);  // cairo aligns its rows for this
    const std::uint8_t* from = raster.rgb.data() + 3 * raster.width * (i / repeat_y);
    for (Index j = 0; j < width; ++j) {
      const std::uint8_t* rgb = from + 3 * (j / repeat_x);
      row[j] = static_cast<std::uint32_t>(rgb[0]) << 16 | static_cast<std::uint32_t>(rgb[1]) << 8 | rgb[2];
    }
  }
  cairo_surface_mark_dirty(pixels);
  cairo_save(cairo_.get());
  cairo_translate(cairo_.get(), top_left.x, top_left.y);
  cairo_scale(cairo_.get(), across / static_cast<double>(width), down / static_cast<double>(height));
  cairo_rectangle(cairo_.get(), 0, 0, static_cast<double>(width), static_cast<double>(height));
  cairo_clip(cairo_.get());
  cairo_set_source_surface(cairo_.get(), pixels, 0, 0);
  // Without this the edge of an image fades into what lies below; SVG has no such thing.
  if (format_ == Format::kPng) cairo_pattern_set_extend(cairo_get_source(cairo_.get()), CAIRO_EXTEND_PAD);
  cairo_paint(cairo_.get());
  cairo_restore(cairo_.get());
  cairo_surface_destroy(pixels);
}

void Canvas::clipped(const LabelBox& box, const std::function<void()>& draw) {
  cairo_save(cairo_.get());
  cairo_rectangle(cairo_.get(), box.x - box.width / 2, box.y - box.height / 2, box.width, box.height);
  cairo_clip(cairo_.get());
  draw();
  cairo_restore(cairo_.get());
}

double Canvas::text_width(const std::string& text, const Font& font) const {
  set_font(cairo_.get(), font);
  cairo_text_extents_t extents;
  cairo_text_extents(cairo_.get(), text.c_str(), &extents);
  return extents.x_advance;
}

std::string Canvas::finish() {
  check(cairo_status(cairo_.get()));
  cairo_surface_t* surface = cairo_get_target(cairo_.get());
  if (format_ == Format::kPng) {
    check(cairo_surface_write_to_png_stream(surface, append, bytes_.get()));
    return std::move(*bytes_);
  }
  cairo_surface_finish(surface);
  check(cairo_surface_status(surface));
  return with_stable_ids(*bytes_);
}

}  // namespace unrect
