#include "unrect/sensing/scores.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

TEST(Psnr, ByHand) {
  const Matrix truth = Matrix::Constant(4, 5, 0.5);
  EXPECT_NEAR(psnr(Matrix::Constant(4, 5, 0.6), truth), 20, 1e-12);
  EXPECT_NEAR(psnr(Matrix::Constant(4, 5, 3), truth), 20 * std::log10(2), 1e-12);  // clipped to 1
  EXPECT_NEAR(psnr(truth, truth), 200, 1e-12);
  EXPECT_THROW(psnr(Matrix::Zero(4, 4), truth), Error);
  EXPECT_THROW(psnr(Matrix(), Matrix()), Error);
}

TEST(Ssim, ByDefinition) {
  Rng rng(3);
  Matrix x(9, 11), y(9, 11);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = rng.uniform();
    y.data()[i] = 0.7 * x.data()[i] + 0.3 * rng.uniform();
  }
  double sum = 0;
  for (Index i = 0; i < 3; ++i) {
    for (Index j = 0; j < 5; ++j) {
      const Matrix a = x.block(i, j, 7, 7), b = y.block(i, j, 7, 7);
      const double ma = a.mean(), mb = b.mean();
      const double va = (a.array() - ma).square().sum() / 48, vb = (b.array() - mb).square().sum() / 48;
      const double ab = ((a.array() - ma) * (b.array() - mb)).sum() / 48;
      sum += (2 * ma * mb + 1e-4) * (2 * ab + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
    }
  }
  EXPECT_NEAR(ssim(x, y), sum / 15, 1e-12);
  EXPECT_NEAR(ssim(x, x), 1, 1e-12);
  EXPECT_NEAR(ssim(Matrix::Constant(7, 7, 0.2), Matrix::Constant(7, 7, 0.8)), (0.32 + 1e-4) / (0.68 + 1e-4), 1e-12);
  EXPECT_NEAR(ssim(x.topRows(6), x.topRows(6)), 1, 1e-12);
  EXPECT_NEAR(ssim(Matrix::Constant(1, 1, 0.2), Matrix::Constant(1, 1, 0.8)), (0.32 + 1e-4) / (0.68 + 1e-4), 1e-12);
}

TEST(Nmse, ByHand) { EXPECT_NEAR(nmse(Matrix::Constant(2, 2, 3), Matrix::Constant(2, 2, 2)), 0.25, 1e-15); }

}  // namespace
}  // namespace unrect
