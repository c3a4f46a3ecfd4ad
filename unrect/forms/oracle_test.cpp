// The oracle on cells known by hand.
#include "unrect/forms/internal/oracle_for_tests.hpp"

#include <gtest/gtest.h>

#include "unrect/base/internal/at.hpp"

namespace unrect::oracle {
namespace {

std::vector<std::vector<mpz_class>> square(std::initializer_list<std::vector<int>> more) {
  std::vector<std::vector<mpz_class>> rows{{1, 0, 1}, {-1, 0, 1}, {0, 1, 1}, {0, -1, 1}};
  for (const std::vector<int>& row : more) rows.emplace_back(row.begin(), row.end());
  return rows;
}

TEST(ExactOracle, TellsThinFromFlatFromEmpty) {
  EXPECT_TRUE(interior_point(square({})));
  EXPECT_FALSE(interior_point(square({{1, 1, -2}})));                           // touches a corner
  EXPECT_TRUE(interior_point(square({{1000000, 1000000, -1999999}})));          // just cuts it off
  EXPECT_FALSE(interior_point(square({{1, 2, 0}, {-1, -2, 0}})));               // a segment
  EXPECT_TRUE(interior_point(square({{1, 2, 0}, {-100000, -200000, 1}})));      // a strip 1e-5 wide
  EXPECT_FALSE(interior_point(square({{1, 0, 0}, {-1, 3, 0}, {-1, -3, 0}})));   // a point
  EXPECT_FALSE(interior_point(square({{1, 0, -3}})));                           // nothing
  EXPECT_FALSE(interior_point(square({{1, 1, -1}, {-1, 1, -1}, {0, -1, 0}})));  // nothing, by three together
}

TEST(ExactOracle, PointsItFindsAreInside) {
  Rng rng(5);
  int found = 0;
  for (int c = 0; c < 500; ++c) {
    const Index k = 1 + rng.below(4);
    std::vector<std::vector<mpz_class>> rows;
    for (Index i = 0; i < 2 * k + rng.below(10); ++i) {
      std::vector<mpz_class> row(at(k) + 1);
      if (i < 2 * k) {
        row[at(i / 2)] = i % 2 == 0 ? 1 : -1;
        row.back() = 1;
      } else {
        for (mpz_class& x : row) x = static_cast<long>(rng.below(7) - 3);
      }
      rows.push_back(std::move(row));
    }
    const std::optional<Point> t = interior_point(rows);
    if (!t) continue;
    ++found;
    for (const std::vector<mpz_class>& row : rows) EXPECT_GT(value_at(Form(row.begin(), row.end()), *t), 0);
  }
  EXPECT_GT(found, 100);
  EXPECT_LT(found, 400);
}

TEST(ExactOracle, MeetingPointNeedsExactlyOne) {
  EXPECT_EQ(meeting_point({{1, 1, -3}, {1, -1, 1}}), (Point{1, 2}));
  EXPECT_EQ(meeting_point({{1, 1, -3}, {1, -1, 1}, {2, 0, -2}}), (Point{1, 2}));
  EXPECT_FALSE(meeting_point({{1, 1, -3}, {2, 2, -6}}));
  EXPECT_FALSE(meeting_point({{1, 1, -3}, {1, -1, 1}, {1, 0, 0}}));
}

}  // namespace
}  // namespace unrect::oracle
