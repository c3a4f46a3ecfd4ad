#include "unrect/sensing/decoders.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <atomic>
#include <cmath>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/sensing/fit.hpp"
#include "unrect/sensing/scores.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"

namespace unrect {
namespace {

/// A bright square and a ramp.
Image scene(Index height, Index width) {
  Image image(height, width);
  for (Index i = 0; i < height; ++i) {
    for (Index j = 0; j < width; ++j) image(i, j) = 0.2 + 0.3 * static_cast<double>(j) / static_cast<double>(width);
  }
  image.block(height / 4, width / 4, height / 2, width / 2).setConstant(0.9);
  return image;
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Its last kernels are 0: the best affine decoder.
Unrolled untrained(const BlockStatistics& statistics) {
  Unrolled unrolled = Unrolled::random(pixel_statistics(statistics), 2, 6, Rng(1));
  for (auto& phase : unrolled.phases) phase.back().weights.setZero();
  return unrolled;
}

TEST(Sampling, EveryKindComesBackFromItsFile) {
  const Image image = scene(40, 21);
  for (const char* name : {"gaussian", "bernoulli", "orthonormal", "hadamard", "dct"}) {
    const Sampling sampling = draw_sampling(sensing_kind_named(name), 20, 16, 5);
    const Measurement before = measure(image, sampling, 0.1, 3);
    const Measurement after = to_measurement(to_arrays(before), "file");
    EXPECT_EQ(after.y, before.y);
    EXPECT_EQ(after.noise, 0.1);
    EXPECT_EQ(after.height, 40);
    EXPECT_EQ(after.width, 21);
    EXPECT_EQ(measure(image, after.sampling).y, measure(image, sampling).y) << name;
    EXPECT_NEAR(residual(after, image) / std::sqrt(static_cast<double>(before.y.size())), 0.1, 0.02);
    ArrayMap forged = to_arrays(before);
    forged.at("seed") = Array::from(std::vector<std::int64_t>{6});
    EXPECT_NE(message_of([&] { to_measurement(forged, "file"); }).find("not the one"), std::string::npos) << name;
  }
  const Sampling given = given_sampling(Rng(1).normal_matrix(5, 9), "phi");
  const Measurement back = to_measurement(to_arrays(measure(image, given)), "file");
  EXPECT_EQ(back.sampling.phi.to_matrix(), given.phi.to_matrix());
}

TEST(Sampling, RefusesWhatCannotBe) {
  EXPECT_THROW(measurements_for(0, 100), Error);
  EXPECT_THROW(measurements_for(1.01, 100), Error);
  EXPECT_THROW(measurements_for(std::nan(""), 100), Error);
  EXPECT_EQ(measurements_for(0.25, 1089), 272);
  EXPECT_EQ(measurements_for(1e-9, 1089), 1);
  EXPECT_THROW(draw_sampling(SensingKind::kGaussian, 10, 3, 0), Error);
  EXPECT_THROW(draw_sampling(SensingKind::kGaussian, 20000, 256, 0), Error);
  EXPECT_THROW(draw_sampling(SensingKind::kHadamard, 10, 33, 0), Error);
  EXPECT_THROW(given_sampling(Matrix::Ones(2, 10), "phi"), Error);
  EXPECT_THROW(measure(scene(8, 8), draw_sampling(SensingKind::kDct, 4, 4, 0), -1), Error);
}

TEST(Measurement, FilesThatDoNotFitAreNamed) {
  const Measurement good = measure(scene(20, 20), draw_sampling(SensingKind::kOrthonormal, 16, 8, 1));
  const auto refusal = [&](const std::string& key, const Array& value) {
    ArrayMap arrays = to_arrays(good);
    arrays.at(key) = value;
    std::string message = message_of([&] { to_measurement(arrays, "y.npz"); });
    EXPECT_TRUE(message.starts_with("y.npz: ")) << message;
    return message;
  };
  EXPECT_NE(refusal("y", Array::from(Matrix(Matrix::Zero(8, 16)))).find("expected 9 blocks"), std::string::npos);
  EXPECT_NE(refusal("y", Array::from(Matrix(Matrix::Zero(9, 65)))).find("65"), std::string::npos);
  EXPECT_NE(refusal("y", Array::from(Matrix(Matrix::Constant(9, 16, std::nan(""))))).find("nan"), std::string::npos);
  EXPECT_NE(refusal("size", Array::from(std::vector<std::int64_t>{20, -3, 8})).find("-3"), std::string::npos);
  EXPECT_NE(refusal("size", Array::from(std::vector<std::int64_t>{1 << 30, 1 << 30, 8})).find("pixels"),
            std::string::npos);
  EXPECT_NE(refusal("noise", Array::from(Vector(Vector::Constant(1, -1)))).find("noise"), std::string::npos);
  EXPECT_NE(refusal("operator", Array::from(std::vector<std::uint8_t>{'x'})).find("orthonormal"), std::string::npos);
  EXPECT_NE(message_of([] { to_measurement({}, "y.npz"); }).find("y.npz"), std::string::npos);
  EXPECT_NE(message_of([&] {
              to_measurement(to_arrays(good), "y.npz", draw_sampling(SensingKind::kDct, 15, 8, 0));
            }).find("15"),
            std::string::npos);
}

// Any number of threads, each with a copy, on images of two sizes: as one after the other.
TEST(Decoders, CopiesShareNothingThatChanges) {
  const Matrix atoms = dct_2d(4, 4).to_matrix();
  const BlockStatistics statistics = block_statistics({scene(30, 30), scene(26, 40)}, 8, 2);
  const Unrolled model = untrained(statistics);
  const Sampling sampling = draw_sampling(SensingKind::kGaussian, 24, 8, 2);
  const double noise = 0.01;
  const std::vector<Measurement> measured{measure(scene(24, 21), sampling, noise, 1),
                                          measure(scene(13, 40), sampling, noise, 2)};
  const DecoderOptions options{
      .noise = noise, .statistics = &statistics, .lags = &model.statistics, .dictionary = &atoms, .model = &model};
  for (const std::string_view name : decoder_names()) {
    const Decoder decoder = decoder_named(name, sampling, options);
    std::vector<Image> alone;
    for (const Measurement& m : measured) alone.push_back(decoder_named(name, sampling, options)(m));
    std::atomic<int> others = 0;
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, copy = decoder, t] {
        for (std::size_t i = 0; i < 4; ++i) {
          const std::size_t which = (i + t) % 2;
          copy.prepare(measured[1 - which].height, measured[1 - which].width);
          if (copy(measured[which]) != alone[which]) ++others;
        }
      });
    }
    threads.clear();
    EXPECT_EQ(others, 0) << name;
  }
}

TEST(Decoders, KeepWhatTheyWereMadeOf) {
  const Measurement m = measure(scene(24, 21), draw_sampling(SensingKind::kGaussian, 24, 8, 2));
  BlockStatistics statistics = block_statistics({scene(30, 30), scene(26, 40)}, 8, 2);
  Unrolled model = untrained(statistics);
  PixelStatistics lags = model.statistics;
  Matrix atoms = dct_2d(4, 4).to_matrix();
  std::vector<std::pair<Decoder, Image>> known;
  for (const char* name : {"lmmse", "wiener", "net", "ksvd"}) {
    const DecoderOptions options{.statistics = &statistics, .lags = &lags, .dictionary = &atoms, .model = &model};
    known.emplace_back(decoder_named(name, m.sampling, options), decoder_named(name, m.sampling, options)(m));
  }
  statistics.mean.setZero();
  statistics.covariance.setIdentity();
  lags = {0, Matrix::Identity(lags.lags.rows(), lags.lags.cols())};
  atoms.setIdentity();
  model = Unrolled::random(lags, 1, 4, Rng(9));
  for (const auto& [decoder, image] : known) EXPECT_EQ(decoder(m), image);
}

// What fits stays as it is; what is farther from y than black is begins at black, and keeps nothing that Φ does not
// see.
TEST(Fit, BeginsAtBlackWhereThatIsNearer) {
  for (const double noise : {0.0, 0.05}) {
    const Image image = scene(16, 24);
    const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 20, 8, 3);
    const Measurement m = measure(image, sampling, noise, 4);
    const Fit fit(sampling, whitened(sampling, noise));
    if (noise > 0) {
      EXPECT_EQ(fit(image, m), image);
    }
    const Image from_black = fit(Image::Zero(16, 24), m);
    EXPECT_LE(residual(m, from_black), asked_residual(m));
    if (noise > 0) {
      EXPECT_GT(residual(m, from_black), (1 - 1e-6) * asked_residual(m)) << "no further than asked";
    }
    // Multiples of the image with misfits of 0.999 and 1.001 ‖y‖.
    const Matrix seen = sampling.phi.apply_rows(to_blocks(image, 8));
    const auto factor = [&](double part) {  // ‖y − t Φx‖ = part ‖y‖
      const double b = seen.cwiseProduct(m.y).sum(), c = m.y.squaredNorm() * (1 - part * part);
      return (b + std::sqrt(b * b - c * seen.squaredNorm())) / seen.squaredNorm();
    };
    EXPECT_GT((fit(factor(0.999) * image, m) - from_black).norm(), 0.1 * from_black.norm());
    EXPECT_EQ(fit(factor(1.001) * image, m), from_black);
    EXPECT_EQ(fit(Image::Constant(16, 24, 1e200), m), from_black);
    EXPECT_EQ(fit(Image::Constant(16, 24, std::nan("")), m), from_black);
  }
}

/// Random atoms beside the DCT's.
Matrix dictionary(Index patch) {
  const Matrix basis = dct_2d(patch, patch).to_matrix();
  Matrix atoms(basis.rows() + 20, basis.cols());
  atoms << basis, Rng(3).normal_matrix(20, basis.cols()).rowwise().normalized();
  return atoms;
}

TEST(Decoders, RecoverAScene) {
  const Image image = scene(48, 43);
  const Matrix atoms = dictionary(8);
  const BlockStatistics statistics = block_statistics({image, scene(60, 50), image.reverse()}, 16, 1);
  for (const char* kind : {"orthonormal", "gaussian", "hadamard", "bernoulli"}) {
    const Sampling sampling = draw_sampling(sensing_kind_named(kind), 128, 16, 2);
    const Measurement measured = measure(image, sampling);
    const Unrolled model = untrained(statistics);
    for (const std::string_view name : decoder_names()) {
      const DecoderOptions options{
          .statistics = &statistics, .lags = &model.statistics, .dictionary = &atoms, .model = &model};
      const Image found = decoder_named(name, sampling, options)(measured);
      ASSERT_EQ(found.rows(), 48);
      ASSERT_EQ(found.cols(), 43);
      EXPECT_GT(psnr(found, image), name == "omp" ? 20 : 24) << kind << ' ' << name;
      EXPECT_LE(residual(measured, found), asked_residual(measured)) << kind << ' ' << name;
    }
  }
}

TEST(Decoders, FitNoLessThanAsked) {
  const Image image = scene(45, 37);  // with blocks over the edge
  const BlockStatistics statistics = block_statistics({image, image.reverse()}, 16, 1);
  const Matrix atoms = dictionary(4);
  const Unrolled model = untrained(statistics);
  const double grey = psnr(Image::Constant(45, 37, image.mean()), image);
  for (const char* kind : {"orthonormal", "gaussian", "dct"}) {
    const Sampling sampling = draw_sampling(sensing_kind_named(kind), 60, 16, 2);
    for (const double noise : {0.0, 0.01, 0.1}) {
      const Measurement measured = measure(image, sampling, noise, 3);
      EXPECT_LE(residual(measured, image), std::max(1e-12, asked_residual(measured)));
      for (const std::string_view name : decoder_names()) {
        const DecoderOptions options{.noise = noise,
                                     .statistics = &statistics,
                                     .lags = &model.statistics,
                                     .dictionary = &atoms,
                                     .model = &model};
        const Image found = decoder_named(name, sampling, options)(measured);
        EXPECT_LE(residual(measured, found), asked_residual(measured)) << kind << ' ' << name << ' ' << noise;
        const double gain = noise == 0.1 ? 3 : name == "omp" ? 5 : 9;
        EXPECT_GT(psnr(found, image), grey + gain) << kind << ' ' << name << ' ' << noise;
      }
    }
  }
  const Measurement still = measure(image, draw_sampling(SensingKind::kDct, 60, 16, 2));
  EXPECT_DOUBLE_EQ(asked_residual(still), 1e-6 * still.y.norm());
  // 12 blocks of 60: 0.1 √(720 + 2 √1440).
  EXPECT_NEAR(asked_residual(measure(scene(48, 64), draw_sampling(SensingKind::kDct, 60, 16, 2), 0.1, 3)), 2.8211605,
              1e-6);
}

TEST(Decoders, FitSquareOperatorsWithoutBelievingTheirNoise) {
  // Singular values near 0 turn noise into images; cut blocks have more measurements than pixels.
  const Sampling sampling = draw_sampling(SensingKind::kGaussian, 64, 8, 0);
  for (const auto& [height, width] : {std::pair<Index, Index>{48, 40}, {45, 37}}) {
    const Image image = scene(height, width);
    for (const double noise : {1e-2, 1e-3, 1e-4, 1e-6}) {
      const Measurement measured = measure(image, sampling, noise, 3);
      for (const char* name : {"tv", "iht", "omp"}) {
        const Image found = decoder_named(name, sampling, {.noise = noise})(measured);
        EXPECT_LE(residual(measured, found), asked_residual(measured)) << name << ' ' << noise;
        if (name[0] == 't') {
          EXPECT_GT(psnr(found, image), 25) << noise;
        }
      }
    }
  }
}

TEST(Decoders, FitNoFurtherThanAskedWithoutAMatrix) {
  const Sampling sampling = draw_sampling(SensingKind::kDct, 5000, 128, 1);
  ASSERT_FALSE(is_small(sampling));
  const Measurement measured = measure(scene(128, 128), sampling, 0.1, 3);
  const Image found = decoder_named("tv", sampling, {.noise = 0.1})(measured);
  EXPECT_LE(residual(measured, found), asked_residual(measured));
  EXPECT_GT(residual(measured, found), 0.5 * asked_residual(measured));
  const Fit fit(sampling, whitened(sampling, 0.1));
  const Image from_black = fit(Image::Zero(128, 128), measured);
  EXPECT_LE(residual(measured, from_black), asked_residual(measured));
  EXPECT_GT(residual(measured, from_black), (1 - 1e-6) * asked_residual(measured));
}

TEST(Decoders, OneColourSmallImagesAndDependentRows) {
  const Matrix atoms = dictionary(2);
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 32, 8, 2);
  for (const double level : {0.0, 0.5, 1.0}) {
    for (const auto& [height, width] : {std::pair<Index, Index>{24, 16}, {5, 3}}) {
      const Image image = Image::Constant(height, width, level);
      const BlockStatistics statistics = block_statistics({scene(30, 30), Image::Constant(20, 20, 0.3)}, 8, 2);
      const Unrolled model = untrained(statistics);
      for (const std::string_view name : decoder_names()) {
        const DecoderOptions options{
            .statistics = &statistics, .lags = &model.statistics, .dictionary = &atoms, .model = &model};
        const Image found = decoder_named(name, sampling, options)(measure(image, sampling));
        EXPECT_TRUE(found.allFinite()) << name;
        if (level == 0 && name != "lmmse" && name != "wiener" && name != "net") {
          EXPECT_LT(found.cwiseAbs().maxCoeff(), 1e-12) << name;
        }
        if (height == 24 || name == "tv") {
          EXPECT_GT(psnr(found, image), 30) << name << ' ' << level;
        }
      }
    }
  }
  Matrix twice = Matrix::Zero(40, 64);  // rows that depend on one another
  twice << draw_sampling(SensingKind::kGaussian, 20, 8, 1).phi.to_matrix(),
      draw_sampling(SensingKind::kGaussian, 20, 8, 1).phi.to_matrix();
  const Sampling given = given_sampling(twice, "phi");
  const Image image = Image::Constant(16, 16, 0.5);
  for (const char* name : {"tv", "iht", "wavelet", "omp", "fista", "bp"}) {
    EXPECT_GT(psnr(decoder_named(name, given)(measure(image, given)), image), 30) << name;
  }
}

TEST(Decoders, RefuseOthersMeasurements) {
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 32, 8, 2);
  const Measurement other = measure(scene(24, 24), draw_sampling(SensingKind::kOrthonormal, 31, 8, 2));
  const BlockStatistics statistics = block_statistics({scene(30, 30)}, 8, 2);
  const Unrolled model = untrained(statistics);
  const Matrix atoms = dictionary(4);
  const DecoderOptions options{
      .statistics = &statistics, .lags = &model.statistics, .dictionary = &atoms, .model = &model};
  for (const std::string_view name : decoder_names())
    EXPECT_THROW(decoder_named(name, sampling, options)(other), Error) << name;
  EXPECT_THROW(decoder_named("magic", sampling), Error);
  EXPECT_THROW(decoder_named("lmmse", sampling), Error);
  EXPECT_THROW(decoder_named("wiener", sampling), Error);
  EXPECT_THROW(decoder_named("net", sampling), Error);
  EXPECT_THROW(decoder_named("ksvd", sampling), Error);
  const Matrix odd = Matrix::Ones(5, 7);
  EXPECT_THROW(decoder_named("ksvd", sampling, {.dictionary = &odd}), Error);
  EXPECT_THROW(decoder_named("tv", sampling, {.noise = -1}), Error);
}

TEST(Lmmse, IsWhatSchurSays) {
  // Of a Gaussian x with y = Φx + noise: the conditional mean, by the joint covariance of (x, y).
  Rng rng(4);
  const Matrix root = rng.normal_matrix(9, 9), phi = rng.normal_matrix(4, 9);
  const BlockStatistics statistics{rng.normal_vector(9), root * root.transpose(), 1};
  const AffineDecoder decoder = lmmse(phi, statistics, 3, 3, 0.5);
  // Orthogonality: the error x − Wy is uncorrelated with y.
  const Matrix& c = statistics.covariance;
  const Matrix error = c * phi.transpose() - decoder.gain * (phi * c * phi.transpose() + 0.25 * Matrix::Identity(4, 4));
  EXPECT_LT(error.cwiseAbs().maxCoeff(), 1e-10);
  const Matrix at_mean = decoder.decode(phi, (phi * statistics.mean).transpose());
  EXPECT_LT((at_mean.transpose() - statistics.mean).norm(), 1e-10);
  // Pixels outside stay 0.
  const AffineDecoder edge = lmmse(phi, statistics, 2, 3);
  EXPECT_EQ(edge.decode(phi, rng.normal_matrix(5, 4)).rightCols(3), Matrix::Zero(5, 3));
}

TEST(BlockStatistics, CountEveryOffset) {
  Rng rng(5);
  const Image image = rng.normal_matrix(5, 7);
  const BlockStatistics statistics = block_statistics({image, Image::Zero(1, 1)}, 2, 2);
  EXPECT_EQ(statistics.count, 2 * 3);
  Matrix blocks(6, 4);
  for (Index k = 0; k < 6; ++k) {
    const Index i = k / 3 * 2, j = k % 3 * 2;
    blocks.row(k) << image(i, j), image(i, j + 1), image(i + 1, j), image(i + 1, j + 1);
  }
  const Matrix centred = blocks.rowwise() - blocks.colwise().mean();
  EXPECT_LT((statistics.mean - blocks.colwise().mean().transpose()).norm(), 1e-12);
  EXPECT_LT((statistics.covariance - centred.transpose() * centred / 6).norm(), 1e-12);
  EXPECT_THROW(block_statistics({image}, 6), Error);
  EXPECT_THROW(block_statistics({image}, 2, 0), Error);
}

// Blocks at the edge have fewer pixels than measurements: with noise in y, and none told of, no image gives them.
TEST(Decoders, WhatNoImageGivesIsMetAsWellAsAnyDoes) {
  const Sampling sampling = draw_sampling(SensingKind::kGaussian, 18, 6, 1);
  Measurement m = measure(scene(13, 10), sampling, 0.1, 3);
  m.noise = 0;
  const Matrix phi = sampling.phi.to_matrix();
  const Matrix ones = to_blocks(Matrix::Ones(13, 10), 6);
  double least = 0;
  for (Index k = 0; k < m.y.rows(); ++k) {
    const Matrix seen = phi * ones.row(k).asDiagonal();
    const Vector y = m.y.row(k).transpose();
    least += (y - seen * seen.completeOrthogonalDecomposition().solve(y)).squaredNorm();
  }
  ASSERT_GT(std::sqrt(least), 100 * asked_residual(m));
  for (const std::string_view name : {"tv", "iht", "wavelet", "omp", "fista", "bp"}) {
    const Image found = decoder_named(name, sampling, {})(m);
    EXPECT_LT(residual(m, found), 1.2 * std::sqrt(least)) << name;
    EXPECT_LT(found.cwiseAbs().maxCoeff(), 10) << name;
  }
}

TEST(Decoders, TakeASingleRow) {
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 18, 6, 1);
  const Measurement m = measure(scene(1, 20), sampling);
  for (const std::string_view name : {"tv", "iht", "wavelet", "omp", "fista", "bp"})
    EXPECT_LT(residual(m, decoder_named(name, sampling, {})(m)), asked_residual(m)) << name;
}

}  // namespace
}  // namespace unrect
