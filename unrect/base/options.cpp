#include "unrect/base/options.hpp"

#include <fmt/format.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {

bool OptionRange::holds(double value) const {
  if (!std::isfinite(value)) return false;
  if (or_zero && value == 0) return true;
  return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
}

std::string OptionRange::text(bool whole) const {
  std::string text = fmt::format("{}a {}number", or_zero ? "0 or " : "", whole ? "whole " : "");
  const bool has_low = std::isfinite(low), has_high = std::isfinite(high);
  if (has_low && has_high && !open_low && !open_high) return text + fmt::format(" of {:.9g} … {:.9g}", low, high);
  if (has_low) text += fmt::format(" {} {:.9g}", open_low ? ">" : "≥", low);
  if (has_low && has_high) text += " and";
  if (has_high) text += fmt::format(" {} {:.9g}", open_high ? "<" : "≤", high);
  return text;
}

std::string option_text(double value) { return fmt::format("{}", value); }

void refuse_option(const Option& option, const std::string& value, bool whole) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}; expected {}", option.name, value, option.range.text(whole)));
}

}  // namespace unrect
