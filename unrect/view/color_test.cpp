#include "unrect/view/color.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/view/raster.hpp"

namespace unrect {
namespace {

double distance(const Color& p, const Color& q) {
  const Oklab a = to_oklab(p), b = to_oklab(q);
  return std::hypot(a.lightness - b.lightness, a.a - b.a, a.b - b.b);
}

TEST(Oklab, KnownColoursAndTheWayBack) {
  EXPECT_NEAR(to_oklab(kWhite).lightness, 1, 1e-6);
  EXPECT_NEAR(to_oklab(hex(0xff0000)).lightness, 0.62796, 1e-4);  // Ottosson's own example values
  EXPECT_NEAR(to_oklab(hex(0xff0000)).a, 0.22486, 1e-4);
  for (Index i = 0; i < 8; ++i) {
    const Color c = categorical(i), back = from_oklab(to_oklab(c));
    EXPECT_NEAR(c.r, back.r, 1e-5);
    EXPECT_NEAR(c.g, back.g, 1e-5);
    EXPECT_NEAR(c.b, back.b, 1e-5);
  }
}

TEST(Sequential, EqualStepsLookEqualAndGrowLighter) {
  double least = 1, most = 0;
  for (int i = 0; i < 100; ++i) {
    const Color p = sequential(i / 100.0), q = sequential((i + 1) / 100.0);
    EXPECT_LT(to_oklab(p).lightness, to_oklab(q).lightness);
    least = std::min(least, distance(p, q));
    most = std::max(most, distance(p, q));
  }
  EXPECT_LT(most / least, 7.0 / 6);  // fails too where sRGB cuts the curve
}

TEST(Diverging, IsBalanced) {
  for (const double s : {0.1, 0.3, 0.5}) {
    EXPECT_NEAR(to_oklab(diverging(0.5 - s)).lightness, to_oklab(diverging(0.5 + s)).lightness, 2e-3);
    EXPECT_GT(diverging(0.5 + s).r, diverging(0.5 + s).b);
    EXPECT_LT(diverging(0.5 - s).r, diverging(0.5 - s).b);
  }
}

TEST(ColorMaps, ClampWhatLiesOutside) {
  EXPECT_EQ(sequential(-3), sequential(0));
  EXPECT_EQ(diverging(7), diverging(1));
  EXPECT_EQ(sequential(std::numeric_limits<double>::quiet_NaN()), sequential(0));
}

TEST(Mix, EndsAreTheEnds) {
  EXPECT_LT(distance(mix(kInk, kWhite, 0), kInk), 1e-5);
  EXPECT_LT(distance(mix(kInk, kWhite, 1), kWhite), 1e-5);
  EXPECT_NEAR(mix(kTransparent, kWhite, 0.5).a, 0.5, 1e-12);
}

TEST(Colorize, TopRowFirstAndNaNGrey) {
  const Raster raster = colorize(Matrix{{0, 1, 5}, {std::nan(""), -1, 0}}, {0, 1});
  EXPECT_EQ(raster.width, 3);
  EXPECT_EQ(raster.height, 2);
  ASSERT_EQ(raster.rgb.size(), 18u);
  EXPECT_EQ(raster.rgb[0], std::lround(255 * sequential(0).r));
  EXPECT_EQ(raster.rgb[4], std::lround(255 * sequential(1).g));
  EXPECT_EQ(raster.rgb[7], raster.rgb[4]);
  EXPECT_EQ(raster.rgb[9], 0xdd);
  EXPECT_EQ(raster.rgb[13], raster.rgb[1]);
  EXPECT_THROW(colorize(Matrix::Zero(1, 1), {1, 1}), Error);
}

}  // namespace
}  // namespace unrect
