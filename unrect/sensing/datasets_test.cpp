#include "unrect/sensing/datasets.hpp"

#include <gtest/gtest.h>

#include <complex>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/signal/fourier.hpp"

namespace unrect {
namespace {

TEST(Digits, AreTheSameForTheSameSeedAndTellThemselvesApart) {
  const DigitSet set = draw_digits(3000, 7);
  const DigitSet few = draw_digits(50, 7);
  EXPECT_EQ(few.images, set.images.topRows(50));
  EXPECT_NE(draw_digits(50, 8).images, few.images);
  EXPECT_GE(set.images.minCoeff(), 0);
  EXPECT_LE(set.images.maxCoeff(), 1);
  // Ink as in handwriting, and hardly any of it at the edge.
  EXPECT_GT(set.images.mean(), 0.08);
  EXPECT_LT(set.images.mean(), 0.25);
  EXPECT_LT(set.images.leftCols(28).mean(), 0.01);
  // Nearest of ten class means, learnt from 2000: far above chance, below perfect (they do vary).
  MatrixOf<float> mean = MatrixOf<float>::Zero(10, 784);
  VectorOf<float> count = VectorOf<float>::Zero(10);
  for (Index i = 0; i < 2000; ++i) {
    mean.row(set.labels[static_cast<std::size_t>(i)]) += set.images.row(i);
    ++count(set.labels[static_cast<std::size_t>(i)]);
  }
  EXPECT_GT(count.minCoeff(), 150);
  mean.array().colwise() /= count.array();
  int right = 0;
  for (Index i = 2000; i < 3000; ++i) {
    Index nearest = 0;
    (mean.rowwise() - set.images.row(i)).rowwise().squaredNorm().minCoeff(&nearest);
    right += nearest == set.labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  EXPECT_GT(right, 700);
  EXPECT_LT(right, 1000);
  EXPECT_THROW(draw_digits(0, 1), Error);
}

/// Mean power at a radius around f, over rows and columns of images multiplied by a window.
Vector power_by_frequency(const std::vector<Image>& images) {
  const Index n = images[0].rows();
  const Fft fft(n);
  Vector power = Vector::Zero(n / 2), hits = Vector::Zero(n / 2);
  for (const Image& image : images) {
    std::vector<std::complex<double>> x(static_cast<std::size_t>(n * n));
    const auto window = [&](Index i) { return std::sin(std::numbers::pi * (double(i) + 0.5) / double(n)); };
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        x[static_cast<std::size_t>(i * n + j)] = (image(i, j) - image.mean()) * window(i) * window(j);
      }
    }
    std::vector<std::complex<double>> column(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) fft.forward(x.data() + i * n);
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < n; ++i) column[static_cast<std::size_t>(i)] = x[static_cast<std::size_t>(i * n + j)];
      fft.forward(column.data());
      for (Index i = 0; i < n; ++i) {
        const double f = std::hypot(double(std::min(i, n - i)), double(std::min(j, n - j)));
        const Index bin = std::lround(f);
        if (bin >= n / 2) continue;
        power(bin) += std::norm(column[static_cast<std::size_t>(i)]);
        ++hits(bin);
      }
    }
  }
  return power.cwiseQuotient(hits);
}

TEST(DeadLeaves, HaveTheStatisticsOfNaturalImages) {
  std::vector<Image> images;
  for (std::uint64_t i = 0; i < 20; ++i) images.push_back(dead_leaves(128, 128, Rng(1).split(i)));
  EXPECT_EQ(images[3], dead_leaves(128, 128, Rng(1).split(3)));
  for (const Image& image : images) {
    EXPECT_GE(image.minCoeff(), 0);
    EXPECT_LE(image.maxCoeff(), 1);
  }
  const Vector power = power_by_frequency(images);
  // log power over log f by least squares, f = 4 … 40 of 64
  double sx = 0, sy = 0, sxx = 0, sxy = 0, n = 0;
  for (Index f = 4; f <= 40; ++f) {
    const double x = std::log(double(f)), y = std::log(power(f));
    sx += x, sy += y, sxx += x * x, sxy += x * y, ++n;
  }
  const double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  EXPECT_NEAR(slope, -2.5, 0.2);
  // Neighbours differ seldom, but then much: 30 in photographs, 3 for a normal distribution.
  double second = 0, fourth = 0, count = 0;
  for (const Image& image : images) {
    const Image steps = image.rightCols(127) - image.leftCols(127);
    second += steps.array().square().sum();
    fourth += steps.array().square().square().sum();
    count += static_cast<double>(steps.size());
  }
  EXPECT_GT(fourth / count / std::pow(second / count, 2), 10);
  EXPECT_THROW(dead_leaves(0, 5, Rng(1)), Error);
  EXPECT_EQ(dead_leaves(3, 70, Rng(1)).cols(), 70);
}

TEST(Crops, TakeEveryPlaceInEverySymmetry) {
  const Image image{{1, 2, 3}, {4, 5, 6}};
  const Crops crops({image, Image::Zero(1, 9)}, 2);
  std::set<std::vector<double>> seen;
  Rng rng(3);
  for (int i = 0; i < 400; ++i) {
    const Image crop = crops.draw(rng);
    ASSERT_EQ(crop.rows(), 2);
    seen.insert(std::vector<double>(crop.data(), crop.data() + 4));
  }
  EXPECT_EQ(seen.size(), 16U);
  EXPECT_EQ(symmetry(image, 0), image);
  EXPECT_EQ(symmetry(image, 5), Image({{3, 6}, {2, 5}, {1, 4}}));
  EXPECT_EQ(symmetry(image, 2), Image({{3, 2, 1}, {6, 5, 4}}));
  EXPECT_THROW(Crops({image}, 3), Error);
  EXPECT_THROW(symmetry(image, 8), Error);
}

}  // namespace
}  // namespace unrect
