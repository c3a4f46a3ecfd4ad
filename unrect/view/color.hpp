// Colours that colour-blind readers can tell apart, and maps whose equal steps look equal.
#pragma once

#include <cstdint>

#include "unrect/base/types.hpp"

namespace unrect {

struct Color {
  double r = 0, g = 0, b = 0, a = 1;  // sRGB and opacity, each in [0, 1]
  friend bool operator==(const Color&, const Color&) = default;
};

/// 0xRRGGBB, as in a style sheet.
constexpr Color hex(std::uint32_t rgb, double alpha = 1) {
  return {static_cast<double>(rgb >> 16 & 255) / 255, static_cast<double>(rgb >> 8 & 255) / 255,
          static_cast<double>(rgb & 255) / 255, alpha};
}

constexpr Color faded(Color color, double alpha) { return {color.r, color.g, color.b, alpha}; }

inline constexpr Color kInk = hex(0x1f2430);
inline constexpr Color kMuted = hex(0x6b7280);
inline constexpr Color kWhite = hex(0xffffff);
inline constexpr Color kTransparent = {0, 0, 0, 0};

/// Lightness in [0, 1] and two opponent axes; Euclidean distance is close to the difference seen (Ottosson 2020).
struct Oklab {
  double lightness = 0, a = 0, b = 0;
};
Oklab to_oklab(const Color& color);
/// Opaque; what sRGB cannot show is clipped channel by channel.
Color from_oklab(const Oklab& lab);

/// The colour at `t` of the way from one to the other, along a straight line in Oklab. t ∈ [0, 1].
Color mix(const Color& from, const Color& to, double t);

/// The eight colours of Okabe and Ito (2008), strongest on white first; repeats after eight.
Color categorical(Index i);

/// A map from [0, 1] (clamped) to colours.
using ColorMap = Color (*)(double t);

/// Dark violet through teal to yellow, in Oklab: L = 0.30 + 0.62 t, C = 0.102 + 0.045 (2t − 1)², h = 312° − 207° t. It
/// stays within sRGB; equal steps of t are equal steps of colour to within a sixth; lightness alone tells the order.
Color sequential(double t);

/// Blue through near-white to orange: L = 0.97 − 0.40 s, C = 0.13 s with s = |2t − 1|; h = 250° below ½ and 50° above.
Color diverging(double t);

}  // namespace unrect
