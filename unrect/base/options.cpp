#include "unrect/base/options.hpp"

#include <fmt/format.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// "1024", "0.02", "2^53".
std::string end_text(double end) {
  int power = 0;
  const bool large = std::frexp(end, &power) == 0.5 && power > 24;
  return large ? fmt::format("2^{}", power - 1) : fmt::format("{:.9g}", end);
}

}  // namespace

bool OptionRange::holds(double value) const {
  if (!std::isfinite(value)) return false;
  if (or_zero && value == 0) return true;
  return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
}

std::string OptionRange::text(bool whole) const {
  std::string text = fmt::format("{}a {}number", or_zero ? "0 or " : "", whole ? "whole " : "");
  const bool has_low = std::isfinite(low), has_high = std::isfinite(high);
  if (has_low && has_high && !open_low && !open_high) return text + " of " + end_text(low) + " … " + end_text(high);
  if (has_low) text += (open_low ? " > " : " ≥ ") + end_text(low);
  if (has_low && has_high) text += " and";
  if (has_high) text += (open_high ? " < " : " ≤ ") + end_text(high);
  return text;
}

std::string option_text(double value) { return fmt::format("{}", value); }

void refuse_option(const Option& option, const std::string& value, bool whole) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}; expected {}", option.name, value, option.range.text(whole)));
}

}  // namespace unrect
