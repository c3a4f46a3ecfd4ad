#include "unrect/view/internal/labels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

constexpr LabelBox kFrame{250, 250, 500, 500};

void expect_apart(const std::vector<LabelBox>& labels) {
  const std::vector<LabelBox> placed = place_labels(labels, kFrame);
  ASSERT_EQ(placed.size(), labels.size());
  for (std::size_t i = 0; i < placed.size(); ++i) {
    EXPECT_EQ(placed[i].width, labels[i].width);
    EXPECT_GE(placed[i].x - placed[i].width / 2, 0);
    EXPECT_LE(placed[i].x + placed[i].width / 2, 500);
    EXPECT_GE(placed[i].y - placed[i].height / 2, 0);
    EXPECT_LE(placed[i].y + placed[i].height / 2, 500);
    for (std::size_t j = 0; j < i; ++j) {
      const bool apart = std::abs(placed[i].x - placed[j].x) >= (placed[i].width + placed[j].width) / 2 ||
                         std::abs(placed[i].y - placed[j].y) >= (placed[i].height + placed[j].height) / 2;
      EXPECT_TRUE(apart) << i << " and " << j;
    }
  }
}

TEST(PlaceLabels, FortyFacetsOfASmallCellDoNotOverlap) {
  std::vector<LabelBox> labels;
  for (int k = 0; k < 40; ++k) {
    const double turn = 2 * std::numbers::pi * k / 40;
    labels.push_back({250 + 60 * std::cos(turn), 250 + 60 * std::sin(turn), 38, 15});
  }
  expect_apart(labels);
}

TEST(PlaceLabels, ScatteredAndCoincidentPointsDoNotOverlap) {
  Rng rng(5);
  std::vector<LabelBox> labels(20, LabelBox{480, 10, 50, 14});
  for (int k = 0; k < 40; ++k) labels.push_back({rng.uniform(0, 500), rng.uniform(0, 500), rng.uniform(5, 60), 14});
  expect_apart(labels);
}

TEST(PlaceLabels, WithRoomEachStaysBesideItsPointOnTheOuterSide) {
  const std::vector<LabelBox> labels = {{100, 250, 30, 14}, {400, 250, 30, 14}};
  const std::vector<LabelBox> placed = place_labels(labels, kFrame);
  EXPECT_NEAR(placed[0].x, 100 - 20, 1e-9);  // half the width and five pixels
  EXPECT_NEAR(placed[1].x, 400 + 20, 1e-9);
  EXPECT_NEAR(placed[0].y, 250, 1e-9);
}

TEST(PlaceLabels, NoneAndTooLargeAreHandled) {
  EXPECT_TRUE(place_labels({}, kFrame).empty());
  const std::vector<LabelBox> placed = place_labels({{250, 250, 900, 14}, {250, 250, 900, 14}}, kFrame);
  EXPECT_EQ(placed.size(), 2u);
}

TEST(LeaderTo, EndsWhereTheBoxIsNearest) {
  const Leader leader = leader_to({10, 20, 0, 0}, {30, 20, 10, 10});
  EXPECT_EQ(leader.x1, 25);
  EXPECT_EQ(leader.y1, 20);
}

}  // namespace
}  // namespace unrect
