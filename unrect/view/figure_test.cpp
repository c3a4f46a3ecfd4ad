#include "unrect/view/figure.hpp"

#include <cairo.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/view/bar_chart.hpp"
#include "unrect/view/internal/markup_for_tests.hpp"

namespace unrect {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Pixels {
  int width = 0, height = 0;
  std::vector<std::uint32_t> rgb;
  std::uint32_t at(double x, double y) const {  // as fractions of the picture
    return rgb[static_cast<std::size_t>(y * height) * static_cast<std::size_t>(width) +
               static_cast<std::size_t>(x * width)];
  }
};

Pixels decode(const std::string& png) {
  struct Source {
    std::string_view left;
  } source{png};
  cairo_surface_t* surface = cairo_image_surface_create_from_png_stream(
      [](void* from, unsigned char* data, unsigned int length) {
        std::string_view& left = static_cast<Source*>(from)->left;
        if (left.size() < length) return CAIRO_STATUS_READ_ERROR;
        std::memcpy(data, left.data(), length);
        left.remove_prefix(length);
        return CAIRO_STATUS_SUCCESS;
      },
      &source);
  EXPECT_EQ(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
  Pixels out{cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface), {}};
  const unsigned char* data = cairo_image_surface_get_data(surface);
  const std::ptrdiff_t stride = cairo_image_surface_get_stride(surface);
  for (int i = 0; i < out.height; ++i) {
    for (int j = 0; j < out.width; ++j) {
      std::uint32_t pixel = 0;
      std::memcpy(&pixel, data + i * stride + std::ptrdiff_t{4} * j, 4);
      out.rgb.push_back(pixel & 0xffffff);
    }
  }
  cairo_surface_destroy(surface);
  return out;
}

ErrorCode code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_GT(std::string(error.what()).size(), 20u);
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kCancelled;
}

const Matrix kTriangle{{0.1, 0.1}, {0.9, 0.1}, {0.5, 0.9}};

Figure everything() {
  Figure figure({.title = "A <title> & ünïcode", .x = {.label = "x₁"}, .y = {.label = "x₂"}, .equal = true});
  figure.image(Raster{2, 1, {255, 0, 0, 0, 0, 255}}, {0, 1}, {0, 1})
      .polygon(kTriangle, {.name = "cell"})
      .polyline(kTriangle, {.dashed = true, .name = "path"})
      .arrow(0.2, 0.2, 0.8, 0.8)
      .points(kTriangle, {.name = "corner"})
      .text(0.5, 0.5, "here")
      .label(0.1, 0.1, "a")
      .legend("class", categorical(1))
      .colorbar({0, 1}, "value");
  return figure;
}

TEST(Figure, SvgIsWellFormed) {
  const std::string svg = everything().svg();
  EXPECT_EQ(markup_problem(svg), "");
  EXPECT_TRUE(svg.starts_with("<?xml"));
  EXPECT_NE(svg.find("<svg xmlns"), std::string::npos);
  EXPECT_EQ(markup_problem("<a><b></a></b>"), "unexpected </a>");
}

TEST(Figure, EqualInputGivesEqualBytes) {
  EXPECT_EQ(everything().svg(), everything().svg());
  EXPECT_EQ(everything().png(), everything().png());
}

TEST(Figure, EachPolygonIsOnePath) {
  Figure figure({.x = {.range = Range{0, 1}}, .y = {.range = Range{0, 1}}});
  const int before = count(figure.svg(), "<path");
  for (int i = 0; i < 7; ++i) figure.polygon(kTriangle);
  EXPECT_EQ(count(figure.svg(), "<path") - before, 7);
  figure.polygon(kTriangle, {.fill = kTransparent});
  EXPECT_EQ(count(figure.svg(), "<path") - before, 8);
}

TEST(Figure, PngHasTwoPixelsToEachAndTheFillInsideThePolygon) {
  Figure figure({.x = {.range = Range{0, 1}}, .y = {.range = Range{0, 1}}, .width = 300, .height = 200});
  figure.polygon(Matrix{{0, 0}, {1, 0}, {1, 0.5}, {0, 0.5}}, {.fill = hex(0x0072b2)});
  const Pixels pixels = decode(figure.png());
  EXPECT_EQ(pixels.width, 600);
  EXPECT_EQ(pixels.height, 400);
  EXPECT_EQ(pixels.at(0.55, 0.7), 0x0072b2u);  // y grows upwards: the polygon is the lower half
  EXPECT_EQ(pixels.at(0.333, 0.11), 0xffffffu);
  EXPECT_EQ(pixels.at(0.01, 0.01), 0xffffffu);
}

TEST(Figure, ImageKeepsItsColoursAndOrientation) {
  Figure figure;
  figure.image(Raster{2, 2, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0}}, {0, 1}, {0, 1});
  const Pixels pixels = decode(figure.png());
  EXPECT_EQ(pixels.at(0.3, 0.3), 0xff0000u);
  EXPECT_EQ(pixels.at(0.8, 0.3), 0x00ff00u);
  EXPECT_EQ(pixels.at(0.3, 0.7), 0x0000ffu);
  EXPECT_EQ(pixels.at(0.8, 0.7), 0xffff00u);
}

TEST(Figure, EqualAxesGiveUpTheRoomTheyDoNotNeed) {
  Figure figure({.equal = true, .width = 600, .height = 300});
  figure.polygon(Matrix{{0, 0}, {1, 0}, {1, 1}, {0, 1}});
  const Pixels pixels = decode(figure.png());
  EXPECT_EQ(pixels.height, 600);
  EXPECT_LT(pixels.width, 700);
}

TEST(Figure, WhatLiesFarOutsideIsClipped) {
  const Axis unit{.range = Range{0, 1}};
  Figure figure({.x = unit, .y = unit, .width = 300, .height = 200});
  // Contains the whole plot, however far its corners are.
  figure.polygon(Matrix{{-1e300, -1e300}, {1e300, -1e300}, {0.5, 1e300}}, {.fill = hex(0x009e73)});
  const Pixels pixels = decode(figure.png());
  EXPECT_EQ(pixels.at(0.4, 0.4), 0x009e73u);
  EXPECT_EQ(pixels.at(0.8, 0.6), 0x009e73u);
  EXPECT_EQ(pixels.at(0.01, 0.5), 0xffffffu);

  Figure line({.x = unit, .y = unit});
  const int before = count(line.svg(), "<path");
  line.polyline(Matrix{{-5, 9}, {-5, 10}, {-6, 9}}).points(Matrix{{2, 2}}).label(3, 3, "far").text(-1, 0, "far");
  EXPECT_EQ(count(line.svg(), "<path"), before);
  line.polyline(Matrix{{-5, 0.5}, {5, 0.5}, {5, 9}, {-5, 9}, {-5, 0.2}, {5, 0.2}});  // comes, leaves, comes again
  EXPECT_EQ(count(line.svg(), "stroke-width:1.8"), 2);
}

TEST(Figure, WrongUseIsRefused) {
  const ErrorCode kWrong = ErrorCode::kInvalidArgument;
  Figure figure;
  EXPECT_EQ(code_of([&] { figure.polygon(Matrix(0, 2)); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.polygon(Matrix{{0, 0}, {1, 1}}); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.polygon(Matrix::Zero(3, 3)); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.polyline(Matrix{{0, 0}, {1, kNaN}}); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.points(Matrix{{kInfinity, 0}}); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.text(0, kNaN, "x"); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.image(Raster{2, 2, {0}}, {0, 1}, {0, 1}); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.image(Raster{1, 1, {0, 0, 0}}, {1, 1}, {0, 1}); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.colorbar({2, 2}, "none"); }), kWrong);
  EXPECT_EQ(code_of([&] { figure.save("/tmp/figure.jpeg"); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.x = {.range = Range{1, 1}}}); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.x = {.range = Range{0, kInfinity}}}); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.y = {.range = Range{0, 1}, .log = true}}); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.y = {.log = true}}).points(Matrix{{1, 0}}); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.width = 7}); }), kWrong);
  EXPECT_EQ(code_of([] { Figure({.title = "t", .x = {.label = "x"}, .width = 100, .height = 100}).png(); }), kWrong);
  EXPECT_EQ(code_of([] { Figure().points(Matrix{{-1e308, 0}, {1e308, 0}}).png(); }), kWrong);
}

TEST(Figure, SaveGoesByTheExtensionAndReportsAFolderThatIsMissing) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("unrect-figure-" + std::to_string(::getpid()));
  EXPECT_EQ(code_of([&] { everything().save(folder / "a.svg"); }), ErrorCode::kFile);
  std::filesystem::create_directory(folder);
  everything().save(folder / "a.svg");
  everything().save(folder / "a.png");
  EXPECT_EQ(read_file(folder / "a.svg"), everything().svg());
  EXPECT_EQ(read_file(folder / "a.png"), everything().png());
  std::filesystem::remove_all(folder);
}

TEST(Figure, HardTextIsStillDrawn) {
  Figure figure({.title = "\xff\xfe bad bytes \n\x1b[31m", .x = {.label = std::string(4000, 'w')}});
  figure.text(0, 0, "").label(1, 1, std::string("\0", 1));
  EXPECT_EQ(markup_problem(figure.svg()), "");
  Figure tall({.y = {.range = Range{0, 2}, .ticks = {{1, std::string(4000, 'w')}}}, .width = 300, .height = 200});
  EXPECT_EQ(decode(tall.png()).width, 600);
}

TEST(Figure, OnePointOrNoneHasAxesToo) {
  EXPECT_EQ(markup_problem(Figure().svg()), "");
  EXPECT_EQ(markup_problem(Figure().points(Matrix{{3, 0}}).svg()), "");
  EXPECT_EQ(markup_problem(Figure({.x = {.log = true}, .y = {.log = true}}).points(Matrix{{1e-9, 1e9}}).svg()), "");
}

TEST(BarChart, BarsAreAsLongAsTheirValues) {
  const auto length = [](const std::vector<Bar>& bars, bool log, int which) {
    const Pixels pixels = decode(bar_chart(bars, {.log = log}).png());
    const double row = (14 + (which + 0.5) / 2 * (pixels.height / 2.0 - 47)) * 2 / pixels.height;
    int n = 0;
    for (int j = 0; j < pixels.width; ++j) n += pixels.at((j + 0.5) / pixels.width, row) == 0x0072b2u ? 1 : 0;
    return n;
  };
  const std::vector<Bar> linear = {{"a", 10}, {"b", 5}}, log = {{"a", 100}, {"b", 2}};
  EXPECT_NEAR(length(linear, false, 0), 2 * length(linear, false, 1), 4);
  // The log axis starts a power of ten below both.
  EXPECT_NEAR(length(log, true, 0) * std::log10(2.0), 2 * length(log, true, 1), 4);
}

TEST(BarChart, WrongValuesAreRefused) {
  EXPECT_EQ(code_of([] { bar_chart({}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { bar_chart({{"a", kInfinity}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { bar_chart({{"a", -1}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { bar_chart({{"a", 0}}, {.log = true}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(markup_problem(bar_chart({{"nothing", 0}}).svg()), "");
}

}  // namespace
}  // namespace unrect
