#include "unrect/view/ticks.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace unrect {
namespace {

std::string texts(const std::vector<Tick>& ticks) {
  std::string out;
  for (const Tick& tick : ticks) out += tick.text.empty() ? "" : tick.text + " ";
  return out;
}

TEST(LinearTicks, AreRound) {
  EXPECT_EQ(texts(linear_ticks({-1, 1}, 5)), "−1.0 −0.5 0 0.5 1.0 ");
  EXPECT_EQ(texts(linear_ticks({0, 1}, 5)), "0 0.2 0.4 0.6 0.8 1.0 ");
  EXPECT_EQ(texts(linear_ticks({3, 97}, 5)), "20 40 60 80 ");
  // Of counts only counts: the same range with and without halves.
  EXPECT_EQ(texts(linear_ticks({0, 3}, 6)), "0 0.5 1.0 1.5 2.0 2.5 3.0 ");
  EXPECT_EQ(texts(linear_ticks({0, 3}, 6, 1)), "0 1 2 3 ");
  EXPECT_EQ(texts(linear_ticks({0, 1}, 10, 1)), "0 1 ");
  EXPECT_EQ(texts(linear_ticks({0, 50}, 5, 1)), texts(linear_ticks({0, 50}, 5)));
  EXPECT_EQ(texts(linear_ticks({0, 3e7}, 3)), "0 10⁷ 2×10⁷ 3×10⁷ ");
  EXPECT_EQ(texts(linear_ticks({0, 1.2e-6}, 3)), "0 0.5×10⁻⁶ 1.0×10⁻⁶ ");
}

TEST(LogTicks, AreDecadesOrFiner) {
  EXPECT_EQ(texts(log_ticks({0.1, 1000}, 6)), "0.1 1 10 100 1000 ");
  EXPECT_EQ(texts(log_ticks({1e-8, 1}, 4)), "10⁻⁸ 10⁻⁶ 10⁻⁴ 10⁻² 10⁰ ");
  EXPECT_EQ(texts(log_ticks({1, 20}, 6)), "1 2 5 10 20 ");
  EXPECT_EQ(texts(log_ticks({10, 13}, 3)), "10 11 12 13 ");
}

RC_GTEST_PROP(LinearTicks, LieWithinTheRangeAndAreFew, ()) {
  const double low = *rc::gen::inRange(-1000000, 1000000) * std::pow(10, *rc::gen::inRange(-12, 12));
  const double span = *rc::gen::inRange(1, 1000000) * std::pow(10, *rc::gen::inRange(-6, 12));
  RC_PRE(span > 1e-9 * std::abs(low));
  const int most = *rc::gen::inRange(2, 12);
  const std::vector<Tick> ticks = linear_ticks({low, low + span}, most);
  RC_ASSERT(ticks.size() <= static_cast<std::size_t>(most + 1));
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    RC_ASSERT(ticks[i].at >= low - 1e-6 * span && ticks[i].at <= low + span * (1 + 1e-6));
    RC_ASSERT(!ticks[i].text.empty());
    if (i > 0) RC_ASSERT(ticks[i].text != ticks[i - 1].text);
  }
}

TEST(FormatNumber, ReadsWell) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(12.4137), "12.41");
  EXPECT_EQ(format_number(-0.5), "−0.5");
  EXPECT_EQ(format_number(48211), "48211");
  EXPECT_EQ(format_number(9.999e6), "1.00×10⁷");
  EXPECT_EQ(format_number(-1.5e-10), "−1.50×10⁻¹⁰");
  EXPECT_EQ(format_number(1e308 * 10), "∞");
}

}  // namespace
}  // namespace unrect
