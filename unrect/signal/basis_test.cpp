// Bases against closed forms, and against FFTW and GSL (linked by these tests alone).
#include <fftw3.h>
#include <gsl/gsl_wavelet.h>
#include <gsl/gsl_wavelet2d.h>
#include <gtest/gtest.h>

#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/wavelet.hpp"

namespace unrect {
namespace {

constexpr double kPi = std::numbers::pi;

/// FFTW's real-to-real transform of this kind, unscaled.
Vector fftw(Vector x, fftw_r2r_kind kind) {
  fftw_plan plan = fftw_plan_r2r_1d(static_cast<int>(x.size()), x.data(), x.data(), kind, FFTW_ESTIMATE);
  fftw_execute(plan);
  fftw_destroy_plan(plan);
  return x;
}

void expect_orthonormal(const LinearOperator& basis, const std::string& what) {
  const Matrix x = Rng(1).normal_matrix(3, basis.cols());
  const Matrix y = basis.apply_rows(x);
  EXPECT_LT((y.rowwise().norm() - x.rowwise().norm()).norm(), 1e-12 * x.norm()) << what;  // Parseval
  EXPECT_LT((basis.adjoint_rows(y) - x).norm(), 1e-12 * x.norm()) << what;
  EXPECT_LT((basis.apply_rows(basis.adjoint_rows(x)) - x).norm(), 1e-12 * x.norm()) << what;
  EXPECT_LT(adjoint_defect(basis, Rng(2)), 1e-14) << what;
}

TEST(Bases, AreOrthonormal) {
  for (const Index n : {1, 2, 3, 8, 13, 16, 100, 128, 129, 256, 1000, 1009, 1089}) {
    expect_orthonormal(dft(n), "dft " + std::to_string(n));
    expect_orthonormal(dct(n), "dct " + std::to_string(n));
  }
  expect_orthonormal(dct_2d(33, 17), "dct_2d");
  for (const Wavelet wavelet : {Wavelet::kHaar, Wavelet::kDaubechies4, Wavelet::kDaubechies6, Wavelet::kDaubechies8}) {
    for (const Index n : {2, 4, 12, 64, 264}) {
      const Index levels = most_levels(n);
      expect_orthonormal(wavelet_1d(n, wavelet, levels), "wavelet " + std::to_string(n));
      expect_orthonormal(wavelet_2d(n, 24, wavelet, std::min<Index>(levels, 3)), "wavelet_2d " + std::to_string(n));
    }
  }
}

TEST(Fft, AgreesWithFftw) {
  for (const Index n : {1, 2, 5, 8, 64, 97, 100, 1024, 1089}) {
    Rng rng(3);
    std::vector<std::complex<double>> x(static_cast<std::size_t>(n));
    for (auto& value : x) value = {rng.normal(), rng.normal()};
    std::vector<std::complex<double>> expected(x.size());
    fftw_plan plan = fftw_plan_dft_1d(static_cast<int>(n), reinterpret_cast<fftw_complex*>(x.data()),
                                      reinterpret_cast<fftw_complex*>(expected.data()), FFTW_FORWARD, FFTW_ESTIMATE);
    fftw_execute(plan);
    fftw_destroy_plan(plan);
    const Fft fft(n);
    std::vector<std::complex<double>> found = x;
    fft.forward(found.data());
    for (std::size_t k = 0; k < x.size(); ++k) EXPECT_LT(std::abs(found[k] - expected[k]), 1e-12 * std::sqrt(n)) << n;
    fft.inverse(found.data());
    for (std::size_t k = 0; k < x.size(); ++k) EXPECT_LT(std::abs(found[k] / double(n) - x[k]), 1e-13) << n;
  }
  EXPECT_THROW(Fft(0), Error);
}

TEST(Dft, AgreesWithFftwHalfcomplex) {
  for (const Index n : {2, 7, 16, 99}) {
    const Vector x = Rng(4).normal_vector(n);
    Vector expected = fftw(x, FFTW_R2HC) / std::sqrt(double(n));
    for (Index k = 1; k < n; ++k) expected(k) *= 2 * k == n ? 1 : std::sqrt(2.0);
    EXPECT_LT((dft(n).apply(x) - expected).norm(), 1e-13) << n;
  }
}

TEST(Dct, AgreesWithFftw) {
  for (const Index n : {1, 2, 16, 33, 128, 129, 500, 512}) {
    const Vector x = Rng(5).normal_vector(n);
    Vector expected = fftw(x, FFTW_REDFT10) / std::sqrt(2.0 * double(n));
    expected(0) /= std::sqrt(2.0);
    EXPECT_LT((dct(n).apply(x) - expected).norm(), 1e-12) << n;
  }
}

TEST(Dct, OfACosineIsOneCoefficient) {
  for (const Index n : {32, 200}) {
    Vector x(n);
    for (Index j = 0; j < n; ++j) x(j) = std::cos(kPi * (double(j) + 0.5) * 5 / double(n));
    Vector expected = Vector::Zero(n);
    expected(5) = std::sqrt(double(n) / 2);
    EXPECT_LT((dct(n).apply(x) - expected).norm(), 1e-12);
  }
}

TEST(Dct, TwoDimensionalIsColumnsThenRows) {
  const Matrix x = Rng(6).normal_matrix(4, 6);
  const Matrix expected = dct_matrix(4) * x * dct_matrix(6).transpose();
  const Vector y = dct_2d(4, 6).apply(Eigen::Map<const Vector>(x.data(), 24));
  EXPECT_LT((y - Eigen::Map<const Vector>(expected.data(), 24)).norm(), 1e-14);
}

TEST(Wavelets, HaarByHand) {
  const Vector x{{1, 3, 5, 11}};
  const Vector y = wavelet_1d(4, Wavelet::kHaar, 2).apply(x);
  const double r = std::sqrt(0.5);
  EXPECT_LT((y - Vector{{10, -6, -2 * r, -6 * r}}).norm(), 1e-14);
}

TEST(Wavelets, AgreeWithGsl) {
  constexpr Index kSize = 64;
  const Matrix image = Rng(7).normal_matrix(kSize, kSize);
  for (const int taps : {2, 4, 6, 8}) {
    gsl_wavelet* wavelet = gsl_wavelet_alloc(taps == 2 ? gsl_wavelet_haar : gsl_wavelet_daubechies, size_t(taps));
    gsl_wavelet_workspace* work = gsl_wavelet_workspace_alloc(kSize);
    Vector line = image.row(0).transpose();
    gsl_wavelet_transform_forward(wavelet, line.data(), 1, kSize, work);
    Matrix square = image;
    gsl_wavelet2d_nstransform_forward(wavelet, square.data(), kSize, kSize, kSize, work);
    gsl_wavelet_workspace_free(work);
    gsl_wavelet_free(wavelet);
    const auto kind = static_cast<Wavelet>(taps);
    const Vector ours = wavelet_1d(kSize, kind, 6).apply(image.row(0).transpose());
    EXPECT_LT((ours - line).norm(), 1e-12) << taps;
    const Vector ours_2d =
        wavelet_2d(kSize, kSize, kind, 6).apply(Eigen::Map<const Vector>(image.data(), image.size()));
    EXPECT_LT((ours_2d - Eigen::Map<const Vector>(square.data(), square.size())).norm(), 1e-11) << taps;
  }
}

TEST(Wavelets, DetailsOfPolynomialsVanish) {
  for (const int taps : {2, 4, 6, 8}) {
    Vector x(64);
    for (Index j = 0; j < 64; ++j) x(j) = std::pow(double(j) / 64, taps / 2 - 1);
    const Vector y = wavelet_1d(64, static_cast<Wavelet>(taps), 1).apply(x);
    EXPECT_LT(y.segment(32, 32 - taps / 2).norm(), 1e-11) << taps;  // all but those that wrap around
  }
}

TEST(Wavelets, UndecimatedFrameIsTight) {
  for (const Wavelet wavelet : {Wavelet::kHaar, Wavelet::kDaubechies8}) {
    constexpr Index kPixels = 12 * 17;
    const LinearOperator frame = undecimated_wavelet(12, 17, wavelet, 3);
    ASSERT_EQ(frame.rows(), 10 * kPixels);
    const Vector x = Rng(8).normal_vector(kPixels);
    EXPECT_LT((frame.adjoint(frame.apply(x)) - x).norm(), 1e-12);
    EXPECT_LT(adjoint_defect(frame, Rng(9)), 1e-14);
    // It commutes with shifts: that is what the samples are kept for.
    Vector shifted(x.size());
    for (Index i = 0; i < 12; ++i) shifted.segment((i + 1) % 12 * 17, 17) = x.segment(i * 17, 17);
    const Vector y = frame.apply(x), z = frame.apply(shifted);
    for (Index band = 0; band < 10; ++band) {
      for (Index i = 0; i < 12; ++i) {
        const Vector moved = z.segment(band * kPixels + (i + 1) % 12 * 17, 17);
        EXPECT_LT((moved - y.segment(band * kPixels + i * 17, 17)).norm(), 1e-13);
      }
    }
  }
}

TEST(Wavelets, RefuseLengthsThatDoNotHalve) {
  EXPECT_THROW(wavelet_1d(12, Wavelet::kHaar, 3), Error);
  EXPECT_THROW(wavelet_2d(16, 12, Wavelet::kHaar, 3), Error);
  EXPECT_THROW(undecimated_wavelet(7, 16, Wavelet::kHaar, 3), Error);
  EXPECT_THROW(scaling_filter(static_cast<Wavelet>(5)), Error);
}

}  // namespace
}  // namespace unrect
