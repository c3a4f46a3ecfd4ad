#include "unrect/view/ticks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace unrect {
namespace {

std::string with_minus(std::string number) {
  if (number.starts_with('-')) number.replace(0, 1, "−");
  return number;
}

std::string power_of_ten(int exponent) {
  static constexpr std::array<const char*, 10> kRaised = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = "10";
  if (exponent < 0) out += "⁻";
  for (const char digit : std::to_string(std::abs(exponent))) out += kRaised[static_cast<std::size_t>(digit - '0')];
  return out;
}

int floor_log10(double value) { return static_cast<int>(std::floor(std::log10(value) + 1e-9)); }

std::string scientific(double value, int exponent, int decimals) {
  const std::string mantissa = with_minus(fmt::format("{:.{}f}", value / std::pow(10, exponent), decimals));
  return mantissa == "1" ? power_of_ten(exponent) : mantissa + "×" + power_of_ten(exponent);
}

}  // namespace

std::vector<Tick> linear_ticks(Range range, int most, double least) {
  const double raw = (range.max - range.min) / std::max(most, 1);
  const double unit = std::pow(10, floor_log10(raw));
  double step = 10 * unit;
  for (const double factor : {5, 2, 1}) {
    if (factor * unit >= raw * (1 - 1e-9)) step = factor * unit;
  }
  step = std::max(step, least);
  const double largest = std::max(std::abs(range.min), std::abs(range.max));
  const int digits = floor_log10(step), exponent = floor_log10(largest);
  const bool plain = exponent < 6 && digits > -5;
  std::vector<Tick> ticks;
  const double first = std::ceil(range.min / step - 1e-9), count = std::floor(range.max / step + 1e-9) - first;
  for (int k = 0; k <= count; ++k) {
    const double at = (first + k) * step;
    const std::string text = at == 0 ? "0"
                             : plain ? with_minus(fmt::format("{:.{}f}", at, std::max(0, -digits)))
                                     : scientific(at, exponent, std::max(0, exponent - digits));
    ticks.push_back({at, text});
  }
  return ticks;
}

std::vector<Tick> log_ticks(Range range, int most) {
  const double low = std::log10(range.min), high = std::log10(range.max);
  const int first = static_cast<int>(std::floor(low)), last = static_cast<int>(std::ceil(high));
  const bool plain = low > -3.5 && high < 4.5;
  const auto text = [&](int factor, int exponent) {
    const double at = factor * std::pow(10, exponent);
    return plain ? fmt::format("{:.{}f}", at, std::max(0, -exponent)) : scientific(at, exponent, 0);
  };
  const double decades = high - low;
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / std::max(most, 1) - 1e-9)));
  std::vector<Tick> ticks;
  std::size_t named = 0;
  for (int exponent = first; exponent <= last; ++exponent) {
    for (int factor = 1; factor <= (stride == 1 ? 9 : 1); ++factor) {
      const double at = factor * std::pow(10, exponent);
      if (at < range.min * (1 - 1e-9) || at > range.max * (1 + 1e-9)) continue;
      const bool major = factor == 1 ? exponent % stride == 0 : decades < 2 && (factor == 2 || factor == 5);
      named += major ? 1 : 0;
      ticks.push_back({at, major ? text(factor, exponent) : ""});
    }
  }
  return named >= 3 || decades >= 2 ? ticks : linear_ticks(range, most);
}

std::string format_number(double value) {
  const double size = std::abs(value);
  if (value == 0) return "0";
  if (!std::isfinite(value)) return std::isnan(value) ? "–" : value > 0 ? "∞" : "−∞";
  if (size >= 1e6 || size < 1e-3) {
    const std::string rounded = fmt::format("{:.2e}", value);  // rounding may add a digit: 9.999e6 is 1.00×10⁷
    const std::size_t e = rounded.find('e');
    return with_minus(rounded.substr(0, e)) + "×" + power_of_ten(std::stoi(rounded.substr(e + 1)));
  }
  return with_minus(size >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value));
}

}  // namespace unrect
