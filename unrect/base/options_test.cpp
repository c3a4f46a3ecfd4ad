#include "unrect/base/options.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

enum class Shape3 { kRound, kFlat };
std::string_view name_of(Shape3 shape) { return shape == Shape3::kRound ? "round" : "flat"; }

struct Inner {
  double weight = 0.5;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.weight, {"weight", "of the inner one", between(0, 1)});
  }
};

struct Outer {
  int rounds = 3;
  double rate = 0;
  bool fast = false;
  Shape3 shape = Shape3::kFlat;
  std::optional<Index> side;
  std::vector<Index> widths{4, 5};
  Vector weights = Vector();
  std::filesystem::path file;
  std::vector<std::filesystem::path> others;
  Inner inner;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.rounds, {"rounds", "how many", between(1, 1024)});
    field(o.rate, {"rate", "of the steps", zero_or(at_least(0.02)), "the rule's own"});
    field(o.fast, {"fast", "with less care"});
    field(o.shape, {"shape", "of what is made"});
    field(o.side, {"side", "of a square", above(0)});
    field(o.widths, {"widths", "of the layers", at_least(1)});
    field(o.weights, {"weights", "of the samples", above(0)});
    field(o.file, {.name = "file", .help = "where it goes", .aside = true});
    field(o.others, {"others", "more of them"});
    Inner::visit(o.inner, field);
  }
};

std::string refusal(const Outer& options) {
  try {
    validate(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

template <class T>
std::string refusal(T Outer::*field, T value) {
  Outer options;
  options.*field = std::move(value);
  return refusal(options);
}

TEST(Options, WhatIsOutOfRangeIsNamedWithItsValueAndTheRange) {
  EXPECT_EQ(refusal(Outer{}), "");
  EXPECT_EQ(refusal(&Outer::rounds, 0), "rounds is 0; expected a whole number of 1 … 1024");
  EXPECT_EQ(refusal(&Outer::rounds, 1025), "rounds is 1025; expected a whole number of 1 … 1024");
  EXPECT_EQ(refusal(&Outer::rounds, 1), "");
  EXPECT_EQ(refusal(&Outer::rounds, 1024), "");
  EXPECT_EQ(refusal(&Outer::rate, 0.01), "rate is 0.01; expected 0 or a number ≥ 0.02");
  EXPECT_EQ(refusal(&Outer::rate, 0.02), "");
  EXPECT_EQ(refusal(&Outer::side, std::optional<Index>(0)), "side is 0; expected a whole number > 0");
  EXPECT_EQ(refusal(&Outer::side, std::optional<Index>(1)), "");
  EXPECT_EQ(refusal(&Outer::widths, std::vector<Index>{3, 0}), "widths is 0; expected a whole number ≥ 1");
  EXPECT_EQ(refusal(&Outer::weights, Vector{{1, 0}}), "weights is 0; expected a number > 0");
  EXPECT_EQ(refusal(&Outer::inner, Inner{1.5}), "weight is 1.5; expected a number of 0 … 1");
  EXPECT_EQ(refusal(&Outer::others, {"a", "b"}), "");
}

TEST(Options, OnlyFiniteNumbersAreInARange) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_NE(refusal(&Outer::rate, bad), "") << bad;
    for (const OptionRange& range : {OptionRange{}, at_least(0), above(0), between(-1, 1), zero_or(above(1))})
      EXPECT_FALSE(range.holds(bad)) << range.text(false) << ": " << bad;
  }
  EXPECT_EQ(refusal(&Outer::rate, std::nan("")), "rate is nan; expected 0 or a number ≥ 0.02");
}

TEST(Options, RangesAreTold) {
  EXPECT_EQ(OptionRange{}.text(true), "a whole number");
  EXPECT_EQ(at_least(0).text(false), "a number ≥ 0");
  EXPECT_EQ((OptionRange{.low = 0, .high = 1, .open_high = true}.text(false)), "a number ≥ 0 and < 1");
  EXPECT_EQ(between(1, 1000000).text(true), "a whole number of 1 … 1000000");
  EXPECT_EQ(between(0, 0x1p53).text(true), "a whole number of 0 … 2^53");
  EXPECT_TRUE((OptionRange{.low = 0, .high = 1, .open_high = true}.holds(0)));
  EXPECT_FALSE((OptionRange{.low = 0, .high = 1, .open_high = true}.holds(1)));
}

TEST(Options, FieldsAreFoundAndWritten) {
  Outer options;
  EXPECT_EQ(option_of(options, options.rate).name, "rate");
  EXPECT_EQ(option_of(options, options.rate).otherwise, "the rule's own");
  EXPECT_EQ(option_of(options, options.inner.weight).help, "of the inner one");
  EXPECT_TRUE(option_of(options, options.file).aside);
  EXPECT_EQ(option_of(options, Outer{}.rate).name, "");  // another struct's
  std::string written;
  Outer::visit(options, [&](const auto& value, const Option& option) {
    written += std::string(option.name) + "=" + option_text(value) + ";";
  });
  EXPECT_EQ(written, "rounds=3;rate=0;fast=off;shape=flat;side=;widths=4,5;weights=;file=;others=;weight=0.5;");
  Outer::visit(options, [](auto& value, const Option&) {
    if constexpr (std::is_same_v<decltype(value), double&>) value = 0.25;
  });
  EXPECT_EQ(options.rate, 0.25);
}

TEST(OptionRange, WholeNumbersAreJudgedToTheLastDigit) {
  const OptionRange range = between(0, 0x1p53);
  EXPECT_TRUE(range.holds(std::int64_t{1} << 53));
  EXPECT_FALSE(range.holds((std::int64_t{1} << 53) + 1));  // the nearest double is 2⁵³
  EXPECT_TRUE(between(0, 1e300).holds(std::numeric_limits<std::int64_t>::max()));
  EXPECT_FALSE(at_least(1).holds(0));
}

}  // namespace
}  // namespace unrect
