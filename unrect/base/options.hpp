// Options once: what a struct's visit() says of its fields is their check, the command line's flags, and
// docs/options.md.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// The finite numbers that a field may hold.
struct OptionRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false, open_high = false;  // the end itself is left out
  bool or_zero = false;                      // 0 as well

  /// Not for NaN, nor for an infinity.
  bool holds(double value) const;
  /// To the last digit, where a double has too few of them, too.
  template <std::integral Integer>
  bool holds(Integer value) const {
    if (!holds(static_cast<double>(value))) return false;
    if (!(high <= static_cast<double>(std::numeric_limits<Integer>::max() / 2))) return true;
    return value <= static_cast<Integer>(high);
  }
  /// "a number > 0", "a whole number of 1 … 1024", "0 or a number ≥ 0.02".
  std::string text(bool whole) const;
};
constexpr OptionRange at_least(double low) { return {.low = low}; }
constexpr OptionRange above(double low) { return {.low = low, .open_low = true}; }
constexpr OptionRange between(double low, double high) { return {.low = low, .high = high}; }
constexpr OptionRange zero_or(OptionRange range) {
  range.or_zero = true;
  return range;
}

/// What there is to say of a field besides its default, which stands where the field is declared and nowhere else. A
/// struct of options names each of its fields that a user sets once, in
///
///     template <class Self, class Field>
///     static void visit(Self& options, Field&& field) {
///       field(options.epochs, {"epochs", "passes over the samples", at_least(1)});
///     }
///
/// where `options` may be constant. The fields of a struct within it are named by its own visit().
struct Option {
  std::string_view name;
  std::string_view help;
  OptionRange range{};
  std::string_view otherwise{};  // in words, what stands where the field is left as it is: at 0, or empty
  bool aside = false;            // has no part in the result, as the name of a file has none
};

/// Whether a field of this type is a number.
template <class T>
inline constexpr bool is_option_number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

/// A field's value as it is written: "0.1", "512,512", "on", an enumerator's name_of(); nothing where there is none.
std::string option_text(double value);
inline std::string option_text(bool value) { return value ? "on" : "off"; }
inline std::string option_text(const std::string& value) { return value; }
inline std::string option_text(const std::filesystem::path& value) { return value.string(); }
template <std::integral Integer>
std::string option_text(Integer value) {
  return std::to_string(value);
}
template <class Enum>
  requires std::is_enum_v<Enum>
std::string option_text(Enum value) {
  return std::string(name_of(value));
}
template <class T>
std::string option_text(const std::optional<T>& value) {
  return value ? option_text(*value) : std::string();
}
template <class T>
std::string option_text(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + option_text(value);
  return text;
}

inline std::string option_text(const Vector& values) {
  return option_text(std::vector<double>(values.begin(), values.end()));
}

/// @throws Error kInvalidArgument: "epochs is 0; expected a whole number ≥ 1".
[[noreturn]] void refuse_option(const Option& option, const std::string& value, bool whole);

/// A number outside its range is refused, and so is one of several; anything goes in other fields.
/// @throws Error kInvalidArgument.
template <class T>
void check_option(const T& value, const Option& option) {
  if constexpr (is_option_number<T>) {
    if (!option.range.holds(value)) refuse_option(option, option_text(value), std::integral<T>);
  }
}
template <class T>
void check_option(const std::optional<T>& value, const Option& option) {
  if (value) check_option(*value, option);
}
template <class T>
void check_option(const std::vector<T>& values, const Option& option) {
  for (const T& value : values) check_option(value, option);
}
inline void check_option(const Vector& values, const Option& option) {
  for (const double value : values) check_option(value, option);
}

/// @throws Error kInvalidArgument naming the first field that is out of its range, its value and the range.
template <class Options>
void validate(const Options& options) {
  Options::visit(options, [](const auto& value, const Option& option) { check_option(value, option); });
}

/// What visit() says of `field`, one of those of `options`; nothing, were it none.
template <class Options, class Field>
Option option_of(const Options& options, const Field& field) {
  Option found;
  Options::visit(options, [&](const auto& value, const Option& option) {
    if (static_cast<const void*>(&value) == static_cast<const void*>(&field)) found = option;
  });
  return found;
}

}  // namespace unrect
