#include "unrect/sensing/recovery_region.hpp"

#include <gtest/gtest.h>

#include <Eigen/SVD>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/sensing/datasets.hpp"

namespace unrect {
namespace {

struct Case {
  Unrolled unrolled;
  Sampling sampling = draw_sampling(SensingKind::kGaussian, 7, 5, 1);
  Image truth = dead_leaves(8, 11, Rng(9));
  Measurement measured = measure(truth, sampling);

  Case() {
    const PixelStatistics statistics = pixel_statistics(block_statistics({dead_leaves(40, 40, Rng(1))}, 5, 1));
    unrolled = Unrolled::random(statistics, 2, 4, Rng(2));
    for (Kernel& kernel : unrolled.phases[0]) kernel.bias.setConstant(-0.02);
    unrolled.phases[1][1].bias(2) = -100;  // a dead channel
  }
};

TEST(RecoveryRegion, IsTheNetworkAroundItsMeasurement) {
  const Case c;
  const RecoveryRegion opened(c.unrolled, c.measured);
  const AffineMap map = opened.region().affine_map();
  const Vector y = Eigen::Map<const Vector>(c.measured.y.data(), c.measured.y.size());
  const Image image = opened.image();
  EXPECT_NEAR((map(y) - Eigen::Map<const Vector>(image.data(), image.size())).norm(), 0, 1e-10);
  EXPECT_LT(residual(c.measured, image), 1e-9);
  const double gain = Eigen::JacobiSVD<Matrix>(map.linear).singularValues()(0);
  EXPECT_NEAR(opened.noise_gain(Rng(1), 60), gain, 1e-6 * gain);
  EXPECT_LE(opened.noise_gain(Rng(1), 3), gain * (1 + 1e-12));
}

TEST(RecoveryRegion, TheNoiseGainTellsItsProductsAndStopsWhenAsked) {
  const Case c;
  const RecoveryRegion opened(c.unrolled, c.measured);
  std::vector<double> told;
  Context context;
  context.progress = [&](const Progress& now) {
    EXPECT_EQ(now.total, 10);
    told.push_back(now.done);
    return true;
  };
  EXPECT_EQ(opened.noise_gain(Rng(1), 5, context), opened.noise_gain(Rng(1), 5));
  ASSERT_EQ(told.size(), 10U);
  for (std::size_t k = 0; k < told.size(); ++k) EXPECT_EQ(told[k], static_cast<double>(k));
  context.progress = [](const Progress& now) { return now.done < 3; };
  try {
    opened.noise_gain(Rng(1), 5, context);
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
    EXPECT_STREQ(error.what(), "interrupted after 3 of 10 products for the noise gain");
  }
}

TEST(RecoveryRegion, FiltersAreDifferenceQuotients) {
  const Case c;
  const RecoveryRegion opened(c.unrolled, c.measured);
  const Image filter = opened.filter(3, 7);
  Image moved = c.truth;
  const Matrix direction = Rng(4).normal_matrix(8, 11);
  moved += 1e-7 * direction;
  const Image found = RecoveryRegion(c.unrolled, measure(moved, c.sampling)).image();
  EXPECT_NEAR((found(3, 7) - opened.image()(3, 7)) / 1e-7, filter.cwiseProduct(direction).sum(), 1e-5);
  EXPECT_THROW(opened.filter(8, 0), Error);
}

TEST(RecoveryRegion, CountsDeadChannelsAndSwitches) {
  const Case c;
  const RecoveryRegion opened(c.unrolled, c.measured);
  const std::vector<RectifierActivity> layers = opened.activity();
  ASSERT_EQ(layers.size(), 6U);
  Index units = 0;
  for (const RectifierActivity& layer : layers) {
    EXPECT_EQ(layer.channels, 4);
    EXPECT_GE(layer.on, 0);
    EXPECT_LE(layer.on, layer.units - layer.units / 4 * layer.dead);
    units += layer.units;
  }
  EXPECT_EQ(units, opened.region().network().units());
  EXPECT_GE(layers[3].dead, 1);
  EXPECT_EQ(opened.switched(0, Rng(1)), 0);
  EXPECT_LT(opened.switched(1e-3, Rng(1)), opened.switched(1, Rng(1)));
  EXPECT_GT(opened.switched(1, Rng(1)), 0);
}

}  // namespace
}  // namespace unrect
