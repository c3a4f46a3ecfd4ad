#include "unrect/signal/recovery.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/image_threshold.hpp"
#include "unrect/signal/sensing_operator.hpp"
#include "unrect/signal/total_variation.hpp"

namespace unrect {
namespace {

/// Rectangles and a disc on grey.
Matrix cartoon(Index height, Index width) {
  Matrix image = Matrix::Constant(height, width, 0.4);
  image.block(height / 8, width / 6, height / 3, width / 2).setConstant(0.9);
  image.block(height / 2, width / 2, height / 4, width / 3).setConstant(0.1);
  for (Index i = 0; i < height; ++i) {
    for (Index j = 0; j < width; ++j) {
      if (std::hypot(double(i) - 0.75 * double(height), double(j) - 0.25 * double(width)) < 0.15 * double(height)) {
        image(i, j) = 0.7;
      }
    }
  }
  return image;
}

Vector flat(const Matrix& image) { return Eigen::Map<const Vector>(image.data(), image.size()); }

double psnr(const Matrix& x, const Matrix& truth) {
  return -10 * std::log10((x - truth).squaredNorm() / double(truth.size()));
}

Context seeded(std::uint64_t seed) {
  Context context;
  context.seed = seed;
  return context;
}

TEST(TotalVariation, ByHand) {
  Matrix step = Matrix::Zero(3, 4);
  step.rightCols(2).setConstant(2);
  EXPECT_NEAR(total_variation(step), 6, 1e-15);
  Matrix corner = Matrix::Zero(2, 2);
  corner(0, 0) = 1;
  EXPECT_NEAR(total_variation(corner), std::sqrt(2.0), 1e-15);
  EXPECT_EQ(total_variation(Matrix::Constant(1, 1, 3)), 0);
}

TEST(TvDenoiser, GapGoesToZeroAndBoundsTheObjective) {
  const Matrix noisy = add_noise(cartoon(30, 41), 0.1, Rng(1));
  const auto objective = [&](const Matrix& x) { return 0.5 * (x - noisy).squaredNorm() + 0.15 * total_variation(x); };
  TvDenoiser denoiser(30, 41);
  const Matrix best = denoiser.denoise(noisy, 0.15, 5000);
  EXPECT_LT(denoiser.duality_gap(), 1e-4 * objective(best));
  EXPECT_GT(denoiser.duality_gap(), -1e-12);
  TvDenoiser fresh(30, 41);
  const Matrix early = fresh.denoise(noisy, 0.15, 20);
  EXPECT_GE(fresh.duality_gap(), objective(early) - objective(best));
  Rng rng(2);
  for (int k = 0; k < 20; ++k) {
    EXPECT_GT(objective(best + 0.01 * rng.normal_matrix(30, 41)), objective(best));
    EXPECT_GT(objective(best + 0.01 * rng.normal() * (cartoon(30, 41) - best)), objective(best) - 1e-6);
  }
}

TEST(TvDenoiser, OfATwoPixelImageIsASoftThreshold) {
  // ½(a − 0)² + ½(b − 1)² + λ|b − a|: both move by λ until they meet.
  for (const double lambda : {0.1, 0.3, 0.8}) {
    const double moved = std::min(lambda, 0.5);
    for (const bool upright : {false, true}) {
      const Matrix image = upright ? Matrix{{0}, {1}} : Matrix{{0, 1}};
      TvDenoiser denoiser(image.rows(), image.cols());
      const Matrix x = denoiser.denoise(image, lambda, 500);
      EXPECT_NEAR(x(0, 0), moved, 1e-9);
      EXPECT_NEAR(x.reshaped()(1), 1 - moved, 1e-9);
    }
  }
}

TEST(TvDenoiser, KeepsTheMean) {
  const Matrix noisy = Rng(3).normal_matrix(17, 9);
  TvDenoiser denoiser(17, 9);
  EXPECT_NEAR(denoiser.denoise(noisy, 0.5, 37).sum(), noisy.sum(), 1e-11);
}

TEST(PatchThreshold, LeavesTheImageAloneWithoutAThreshold) {
  const Matrix image = Rng(4).normal_matrix(37, 50);
  Rng rng(5);
  EXPECT_LT((patch_threshold(37, 50, 8, 3)(image, 0, rng) - image).norm(), 1e-12);
}

TEST(PatchThreshold, AllShiftsAgreeWithTheDefinition) {
  // Many draws approach the average over all shifts of a mirrored image's patches, weighted by 1 / coefficients left.
  constexpr Index kPatch = 4, kHeight = 9, kWidth = 6;
  const Matrix image = Rng(6).normal_matrix(kHeight, kWidth);
  const auto mirror = [](Index i, Index n) { return i < 0 ? -1 - i : i < n ? i : 2 * n - 1 - i; };
  const Matrix c = dct_matrix(kPatch);
  Matrix sum = Matrix::Zero(kHeight, kWidth), weight = sum;
  for (Index top = 1 - kPatch; top < kHeight; ++top) {
    for (Index left = 1 - kPatch; left < kWidth; ++left) {
      Matrix patch(kPatch, kPatch);
      for (Index i = 0; i < kPatch; ++i) {
        for (Index j = 0; j < kPatch; ++j) patch(i, j) = image(mirror(top + i, kHeight), mirror(left + j, kWidth));
      }
      Matrix coefficients = c * patch * c.transpose();
      double left_over = 1;
      for (Index k = 0; k < kPatch * kPatch; ++k) {
        double& value = coefficients.data()[k];
        if (std::abs(value) > 0.8) {
          left_over += 1;
        } else if (k > 0) {
          value = 0;
        }
      }
      patch = c.transpose() * coefficients * c / left_over;
      for (Index i = 0; i < kPatch; ++i) {
        for (Index j = 0; j < kPatch; ++j) {
          const Index row = top + i, col = left + j;
          if (row < 0 || col < 0 || row >= kHeight || col >= kWidth) continue;
          sum(row, col) += patch(i, j);
          weight(row, col) += 1 / left_over;
        }
      }
    }
  }
  const Matrix expected = sum.cwiseQuotient(weight);
  Rng rng(7);
  const Matrix found = patch_threshold(kHeight, kWidth, kPatch, 40000)(image, 0.8, rng);
  EXPECT_LT((found - expected).cwiseAbs().maxCoeff(), 0.02);
}

TEST(WaveletThreshold, AveragesItsShifts) {
  const Matrix image = Rng(11).normal_matrix(8, 12);
  Rng rng(12);
  EXPECT_LT((wavelet_threshold(8, 12, Wavelet::kDaubechies6, 2)(image, 0, rng) - image).norm(), 1e-12);
  // With nothing left but the means of Haar's 8 × 12 / 16 blocks, all shifts together are a triangular filter.
  const Matrix found = wavelet_threshold(8, 12, Wavelet::kHaar, 2, 20000)(image, 1e9, rng);
  for (Index i = 0; i < 8; ++i) {
    for (Index j = 0; j < 12; ++j) {
      double expected = 0;
      for (Index di = -3; di <= 3; ++di) {
        for (Index dj = -3; dj <= 3; ++dj) {
          const auto weight = double((4 - std::abs(di)) * (4 - std::abs(dj))) / 256;
          expected += weight * image((i + di + 8) % 8, (j + dj + 12) % 12);
        }
      }
      EXPECT_NEAR(found(i, j), expected, 0.02);
    }
  }
}

TEST(Recovery, OfACartoonByTotalVariation) {
  const Matrix truth = cartoon(50, 61);
  const LinearOperator sampling = block_sampling(gaussian_operator(90, 16 * 16, Rng(8)), 50, 61, 16);
  const Vector y = sampling.apply(flat(truth));
  const RecoveryResult result = recover_tv(sampling, y, 50, 61, {.iterations = 400});
  EXPECT_GT(psnr(result.image, truth), 38);
  EXPECT_LT(result.residual, 0.01 * y.norm());
}

TEST(Recovery, OfAPatternByPatches) {
  Matrix truth(48, 57);
  for (Index i = 0; i < 48; ++i) {
    for (Index j = 0; j < 57; ++j) truth(i, j) = 0.5 + 0.25 * std::cos(0.4 * double(i)) * std::cos(0.7 * double(j));
  }
  const LinearOperator sampling = block_sampling(orthonormal_operator(64, 16 * 16, Rng(9)), 48, 57, 16);
  const Vector y = sampling.apply(flat(truth));
  const auto recover = [&](std::uint64_t seed) {
    return recover_by_threshold(sampling, y, 48, 57, patch_threshold(48, 57, 8), {.step = 1}, seeded(seed));
  };
  const RecoveryResult result = recover(3);
  EXPECT_GT(psnr(result.image, truth), 40);
  EXPECT_EQ(result.status, SolverStatus::kConverged);
  EXPECT_EQ(result.image, recover(3).image);
  EXPECT_NE(result.image, recover(4).image);
}

TEST(Recovery, OfACartoonByWavelets) {
  const Matrix truth = cartoon(64, 64);
  const LinearOperator sampling = block_sampling(orthonormal_operator(100, 16 * 16, Rng(13)), 64, 64, 16);
  const Vector y = sampling.apply(flat(truth));
  const ImageThreshold shrink = wavelet_threshold(64, 64, Wavelet::kHaar, 3, 4);
  const RecoveryResult result = recover_by_threshold(sampling, y, 64, 64, shrink, {.step = 1});
  EXPECT_GT(psnr(result.image, truth), 30);
}

TEST(DictionaryThreshold, KeepsWhatFewAtomsMakeAndDropsTheRest) {
  Rng rng(12);
  const Matrix image = rng.normal_matrix(11, 14);
  const Matrix basis = dct_2d(4, 4).to_matrix();
  const Matrix single = basis.row(5) * 3;  // one atom that fills a patch
  Matrix tiled(12, 16);
  for (Index i = 0; i < 12; ++i) {
    for (Index j = 0; j < 16; ++j) tiled(i, j) = 0.5 + single(i % 4 * 4 + j % 4);
  }
  // On the grid that fits the tiles one atom a patch is enough; others need more, and get them.
  EXPECT_LT((dictionary_threshold(12, 16, basis, 8)(tiled, 0, rng) - tiled).cwiseAbs().maxCoeff(), 0.5);
  const Matrix flat = dictionary_threshold(11, 14, basis, 50)(image, 1e9, rng);
  EXPECT_NEAR(flat.mean(), image.mean(), 0.15);
  EXPECT_LT(flat.cwiseAbs().maxCoeff(), 0.75 * image.cwiseAbs().maxCoeff());
  EXPECT_LT((dictionary_threshold(9, 9, basis)(Matrix::Constant(9, 9, 0.3), 0.1, rng).array() - 0.3).abs().maxCoeff(),
            1e-12);
  EXPECT_THROW(dictionary_threshold(8, 8, Matrix::Ones(3, 5)), Error);
  EXPECT_THROW(dictionary_threshold(3, 8, basis), Error);
  EXPECT_THROW(dictionary_threshold(8, 8, basis, 0), Error);
}

TEST(Recovery, StopsWhenToldTo) {
  const LinearOperator sampling = block_sampling(orthonormal_operator(64, 16 * 16, Rng(10)), 128, 128, 16);
  const Vector y = sampling.apply(flat(cartoon(128, 128)));
  Context context;
  context.progress = [](const Progress&) { return false; };
  const RecoveryResult result = recover_tv(sampling, y, 128, 128, {.iterations = 1000000, .step = 1}, context);
  EXPECT_LT(result.iterations, 1000000);
  EXPECT_EQ(result.status, SolverStatus::kIterationLimit);
  EXPECT_TRUE(result.image.allFinite());
}

TEST(Recovery, RefusesBadInput) {
  const LinearOperator a(Matrix::Ones(2, 6));
  const Vector y = Vector::Ones(2);
  EXPECT_THROW(recover_tv(a, y, 2, 2), Error);
  EXPECT_THROW(recover_tv(a, Vector::Ones(3), 2, 3), Error);
  EXPECT_THROW(recover_tv(a, y, 2, 3, {.last_lambda = 0}), Error);
  EXPECT_THROW(patch_threshold(2, 3), Error);  // a patch of 16 does not fit
  EXPECT_THROW(patch_threshold(2, 3, 2, 0), Error);
  EXPECT_THROW(recover_by_threshold(a, y, 2, 3, patch_threshold(3, 3, 2)), Error);
  EXPECT_THROW(recover_by_threshold(a, y, 2, 3, patch_threshold(2, 3, 2), {.iterations = 1}), Error);
  EXPECT_THROW(wavelet_threshold(4, 6, Wavelet::kHaar, 2), Error);
  EXPECT_THROW(TvDenoiser(0, 3), Error);
  EXPECT_THROW(TvDenoiser(2, 3).denoise(Matrix::Ones(3, 2), 1, 1), Error);
}

}  // namespace
}  // namespace unrect
