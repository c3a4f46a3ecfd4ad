#include "unrect/sensing/wiener.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "unrect/base/error.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/sensing/decoders.hpp"
#include "unrect/sensing/scores.hpp"
#include "unrect/signal/blocks.hpp"

namespace unrect {
namespace {

std::vector<Image> leaves(int count, Index side, std::uint64_t seed) {
  std::vector<Image> images;
  images.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    images.push_back(dead_leaves(side, side, Rng(seed).split(static_cast<std::uint64_t>(i))));
  return images;
}

// The operator's matrix, pixels row by row.
Matrix dense(const StationaryCovariance& covariance, Index height, Index width) {
  Matrix c(height * width, height * width);
  for (Index k = 0; k < c.cols(); ++k) {
    Image unit = Image::Zero(height, width);
    unit(k / width, k % width) = 1;
    const Image column = covariance.apply(unit);
    c.col(k) = Eigen::Map<const Vector>(column.data(), column.size());
  }
  return c;
}

TEST(PixelStatistics, AreTheMeanOverAllPairs) {
  const std::vector<Image> images{dead_leaves(9, 13, Rng(1)), dead_leaves(5, 4, Rng(2))};
  const PixelStatistics statistics = pixel_statistics(images, 6);
  EXPECT_NEAR(statistics.mean, (images[0].sum() + images[1].sum()) / 137, 1e-14);
  for (Index down = 0; down < 6; ++down) {
    for (Index across = 0; across < 6; ++across) {
      double sum = 0, pairs = 0;
      for (const Image& image : images) {
        const Image x = image.array() - statistics.mean;
        for (Index i = 0; i + down < x.rows(); ++i) {
          for (Index j = 0; j + across < x.cols(); ++j, pairs += 2)
            sum += x(i, j) * x(i + down, j + across) + x(i, j + across) * x(i + down, j);
        }
      }
      EXPECT_NEAR(statistics.lags(down, across), sum / std::max(pairs, 1.0), 1e-13) << down << ' ' << across;
    }
  }
  EXPECT_THROW(pixel_statistics(std::vector<Image>{}, 3), Error);
  EXPECT_THROW(pixel_statistics(images, 0), Error);
}

TEST(StationaryCovariance, DependsOnDistanceAloneAndIsACovariance) {
  const PixelStatistics statistics = pixel_statistics(leaves(4, 40, 3), 8);
  const Matrix c = dense(StationaryCovariance(statistics, 7, 9), 7, 9);
  EXPECT_LT((c - c.transpose()).cwiseAbs().maxCoeff(), 1e-14);
  EXPECT_NEAR(c(0, 0), c(31, 31), 1e-14);
  EXPECT_NEAR(c(0, 10), c(20, 30), 1e-14);  // one down, one across
  EXPECT_NEAR(c(0, 0), statistics.lags(0, 0), 0.02 * statistics.lags(0, 0));
  EXPECT_NEAR(c(0, 1), statistics.lags(0, 1), 0.1 * statistics.lags(0, 0));
  // Lags that are none of anything.
  const PixelStatistics odd{0.5, Rng(8).normal_matrix(6, 6)};
  const Matrix clipped = dense(StationaryCovariance(odd, 6, 5), 6, 5);
  EXPECT_GT(Eigen::SelfAdjointEigenSolver<Matrix>(clipped).eigenvalues().minCoeff(), -1e-10);
}

TEST(Wiener, IsWhatTheJointCovarianceSays) {
  const PixelStatistics statistics = pixel_statistics(leaves(4, 40, 5), 8);
  const Sampling sampling = draw_sampling(SensingKind::kGaussian, 6, 4, 1);
  for (const auto& [height, width] : {std::pair<Index, Index>{8, 12}, {7, 9}, {3, 2}}) {
    const Matrix c = dense(StationaryCovariance(statistics, height, width), height, width);
    const Matrix a =
        block_sampling(LinearOperator(sampling.phi.to_matrix()), height, width, sampling.block).to_matrix();
    for (const double noise : {0.02, 0.3}) {
      const Measurement m = measure(dead_leaves(height, width, Rng(7)), sampling, noise, 2);
      Matrix square = a * c * a.transpose();
      square.diagonal().array() += noise * noise;
      const Vector mean = Vector::Constant(c.cols(), statistics.mean);
      const Vector y = Eigen::Map<const Vector>(m.y.data(), m.y.size());
      const Vector expected = mean + c * a.transpose() * square.llt().solve(y - a * mean);
      const Image found = Wiener(sampling.phi.to_matrix(), statistics, height, width, noise)(m.y);
      EXPECT_LT((Eigen::Map<const Vector>(found.data(), found.size()) - expected).norm(), 1e-3 * expected.norm());
    }
  }
  EXPECT_THROW(Wiener(sampling.phi.to_matrix(), statistics, 8, 8)(Matrix::Zero(3, 6)), Error);
  EXPECT_THROW(Wiener(Matrix::Ones(2, 81), statistics, 9, 9), Error);  // blocks larger than the lags
  EXPECT_THROW(Wiener(Matrix::Ones(2, 15), statistics, 9, 9), Error);
  EXPECT_THROW(Wiener(sampling.phi.to_matrix(), statistics, 8, 8, -1), Error);
}

TEST(Wiener, SeesMoreThanABlockAlone) {
  const std::vector<Image> images = leaves(8, 60, 9);
  const BlockStatistics statistics = block_statistics(images, 8, 2);
  const PixelStatistics lags = pixel_statistics(images, 16);
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 6, 8, 2);
  const DecoderOptions options{.statistics = &statistics, .lags = &lags};
  double alone = 0, together = 0;
  for (const Image& image : leaves(3, 50, 11)) {
    const Measurement m = measure(image, sampling);
    alone += psnr(decoder_named("lmmse", sampling, options)(m), image) / 3;
    together += psnr(decoder_named("wiener", sampling, options)(m), image) / 3;
  }
  EXPECT_GT(together, alone + 0.2);
}

}  // namespace
}  // namespace unrect
