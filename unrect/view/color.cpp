#include "unrect/view/color.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace unrect {
namespace {

double to_linear(double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); }

double from_linear(double c) {
  c = std::clamp(c, 0.0, 1.0);
  return c <= 0.0031308 ? c * 12.92 : 1.055 * std::pow(c, 1 / 2.4) - 0.055;
}

double cube(double x) { return x * x * x; }

Color from_oklch(double lightness, double chroma, double degrees) {
  const double hue = degrees * std::numbers::pi / 180;
  return from_oklab({lightness, chroma * std::cos(hue), chroma * std::sin(hue)});
}

// A NaN has no place on a map; it is drawn like the low end.
double clamp_unit(double t) { return t > 0 ? std::min(t, 1.0) : 0; }

}  // namespace

Oklab to_oklab(const Color& color) {
  const double r = to_linear(color.r), g = to_linear(color.g), b = to_linear(color.b);
  const double l = std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const double m = std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const double s = std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

Color from_oklab(const Oklab& lab) {
  const double l = cube(lab.lightness + 0.3963377774 * lab.a + 0.2158037573 * lab.b);
  const double m = cube(lab.lightness - 0.1055613458 * lab.a - 0.0638541728 * lab.b);
  const double s = cube(lab.lightness - 0.0894841775 * lab.a - 1.2914855480 * lab.b);
  return {from_linear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          from_linear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          from_linear(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s), 1};
}

Color mix(const Color& from, const Color& to, double t) {
  const Oklab p = to_oklab(from), q = to_oklab(to);
  return faded(from_oklab({std::lerp(p.lightness, q.lightness, t), std::lerp(p.a, q.a, t), std::lerp(p.b, q.b, t)}),
               std::lerp(from.a, to.a, t));
}

Color categorical(Index i) {
  static constexpr std::array<Color, 8> kColors = {hex(0x0072b2), hex(0xd55e00), hex(0x009e73), hex(0xcc79a7),
                                                   hex(0xe69f00), hex(0x56b4e9), hex(0x000000), hex(0xf0e442)};
  return kColors[static_cast<std::size_t>(i) % kColors.size()];
}

Color sequential(double t) {
  t = clamp_unit(t);
  return from_oklch(0.30 + 0.62 * t, 0.102 + 0.045 * (2 * t - 1) * (2 * t - 1), 312 - 207 * t);
}

Color diverging(double t) {
  t = clamp_unit(t);
  const double s = std::abs(2 * t - 1);
  return from_oklch(0.97 - 0.40 * s, 0.13 * s, t < 0.5 ? 250 : 50);
}

}  // namespace unrect
