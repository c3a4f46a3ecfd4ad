#include "unrect/sensing/unrolled.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/sensing/decoders.hpp"
#include "unrect/sensing/measurement.hpp"
#include "unrect/train/internal/pass.hpp"
#include "unrect/train/train.hpp"

namespace unrect {
namespace {

constexpr Index kBlock = 6;

PixelStatistics leaves_statistics() {
  std::vector<Image> images;
  for (std::uint64_t i = 0; i < 3; ++i) images.push_back(dead_leaves(40, 40, Rng(i)));
  return pixel_statistics(block_statistics(images, kBlock, 1));
}

Unrolled small_unrolled() {
  Unrolled unrolled = Unrolled::random(leaves_statistics(), 2, 5, Rng(2));
  // Larger than at the start of a training, so that mistakes are.
  for (auto& phase : unrolled.phases) {
    for (Kernel& kernel : phase) kernel.bias = 0.1 * Rng(3).normal_vector(kernel.bias.size());
    phase.back().weights *= 20;
  }
  return unrolled;
}

// Its kernels say nothing: the best affine decoder.
Unrolled untaught(Unrolled unrolled) {
  for (auto& phase : unrolled.phases) phase.back() = {0 * phase.back().weights, 0 * phase.back().bias};
  return unrolled;
}

Matrix image_of(const Network& network, const Measurement& m) {
  const Matrix y = Eigen::Map<const Matrix>(m.y.data(), 1, m.y.size());
  const Matrix x = Evaluator<double>(network)(y);
  return Eigen::Map<const Matrix>(x.data(), m.height, m.width);
}

TEST(Unrolled, MeetsWhatWasMeasured) {
  const Unrolled unrolled = small_unrolled();
  for (const SensingKind kind : {SensingKind::kOrthonormal, SensingKind::kGaussian}) {
    const Sampling sampling = draw_sampling(kind, 11, kBlock, 1);
    for (const auto& [height, width] : {std::pair<Index, Index>{18, 12}, {15, 17}, {6, 7}, {1, 13}}) {
      const Measurement m = measure(dead_leaves(height, width, Rng(7)), sampling);
      const Image found = image_of(unrolled.network(sampling.phi.to_matrix(), height, width), m);
      EXPECT_LT(residual(m, found), 1e-9 * m.y.norm()) << height << " x " << width;
    }
  }
}

TEST(Unrolled, BelievesNoiseLess) {
  Unrolled unrolled = small_unrolled();
  for (auto& phase : unrolled.phases) phase.back() = {0 * phase.back().weights, 0 * phase.back().bias};
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 20, kBlock, 1);
  const Matrix phi = sampling.phi.to_matrix();
  for (const auto& [height, width] : {std::pair<Index, Index>{18, 12}, {15, 17}}) {
    const Image image = dead_leaves(height, width, Rng(7));
    const Measurement m = measure(image, sampling, 0.3, 5);
    const Matrix told = image_of(unrolled.network(phi, height, width, 0.3), m) - image;
    const Matrix untold = image_of(unrolled.network(phi, height, width), m) - image;
    EXPECT_LT(told.norm(), 0.85 * untold.norm());
    // The less noise, the less it matters.
    const Matrix nearly = image_of(unrolled.network(phi, height, width, 1e-6), m) - image;
    EXPECT_LT((nearly - untold).norm(), 1e-3 * untold.norm());
  }
  EXPECT_THROW(unrolled.network(phi, 12, 12, -1), Error);
}

TEST(Unrolled, CovariancesThatAreNoneStayFinite) {
  Unrolled unrolled = small_unrolled();
  unrolled.statistics.lags = Rng(8).normal_matrix(kBlock, kBlock).cwiseAbs();  // not positive semi-definite
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 11, kBlock, 1);
  const Measurement m = measure(dead_leaves(12, 10, Rng(7)), sampling);
  EXPECT_TRUE(image_of(unrolled.network(sampling.phi.to_matrix(), 12, 10), m).allFinite());
}

TEST(Unrolled, WithoutItsKernelsIsTheBestAffineDecoder) {
  Unrolled unrolled = small_unrolled();
  for (auto& phase : unrolled.phases) {
    phase.back().weights.setZero();
    phase.back().bias.setZero();
  }
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 11, kBlock, 1);
  const Matrix phi = sampling.phi.to_matrix();
  const Measurement m = measure(dead_leaves(12, 10, Rng(7)), sampling);
  const Image found = image_of(unrolled.network(phi, 12, 10), m);
  const BlockStatistics statistics = block_statistics(unrolled.statistics, kBlock);
  const Vector corner = lmmse(phi, statistics, 6, 4).decode(phi, m.y.bottomRows(1)).transpose();
  for (Index i = 0; i < 6; ++i) {
    for (Index j = 0; j < 4; ++j) EXPECT_NEAR(found(6 + i, 6 + j), corner(i * kBlock + j), 1e-8);
  }
}

TEST(Unrolled, IsDecodedAsItIsDefined) {
  const Unrolled unrolled = small_unrolled();
  for (const SensingKind kind : {SensingKind::kOrthonormal, SensingKind::kGaussian}) {
    const Sampling sampling = draw_sampling(kind, 11, kBlock, 1);
    const Decoder decoder = decoder_named("net", sampling, {.model = &unrolled});
    for (const auto& [height, width] : {std::pair<Index, Index>{18, 12}, {15, 17}, {6, 7}}) {
      const Measurement m = measure(dead_leaves(height, width, Rng(7)), sampling);
      const Image expected = image_of(unrolled.network(sampling.phi.to_matrix(), height, width), m);
      const Image flat = image_of(untaught(unrolled).network(sampling.phi.to_matrix(), height, width), m);
      // Bfloat16 between convolutions; what they say is much more.
      EXPECT_LT((decoder(m) - expected).norm(), 0.02 * (expected - flat).norm()) << height << " x " << width;
    }
  }
}

TEST(Unrolled, DeepenedAddsNothingYet) {
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 11, kBlock, 1);
  const Matrix phi = sampling.phi.to_matrix();
  const Measurement m = measure(dead_leaves(12, 12, Rng(7)), sampling);
  for (const std::size_t phases : {2U, 1U}) {  // a first phase has no memory to take over
    Unrolled unrolled = small_unrolled();
    unrolled.phases.resize(phases);
    // After a phase that adds something W r is left over; without it the image must stay.
    for (const bool adds : {true, false}) {
      if (!adds) {
        for (auto& phase : unrolled.phases) phase.back() = {0 * phase.back().weights, 0 * phase.back().bias};
      }
      const Unrolled deep = unrolled.deepened(4);
      ASSERT_EQ(deep.phases.size(), 4U);
      EXPECT_EQ(deep.phases[0][1].weights, unrolled.phases[0][1].weights);
      EXPECT_TRUE(deep.phases.back().back().weights.isZero() && !deep.phases.back()[1].weights.isZero());
      const Matrix change = image_of(deep.network(phi, 12, 12), m) - image_of(unrolled.network(phi, 12, 12), m);
      if (!adds) {
        EXPECT_LT(change.norm(), 1e-9);
      }
      EXPECT_THROW(deep.deepened(3), Error);
    }
  }
}

TEST(Unrolled, DeepenedLearnsInAllItsPhases) {
  // Kernels that begin at 0 must move, whatever part of themselves a step may be.
  const Unrolled deep = small_unrolled().deepened(4);
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 11, kBlock, 1);
  const auto [network, kernels, sensing] = deep.trainable(sampling.phi.to_matrix(), 12, 12);
  std::vector<Image> images;
  for (std::uint64_t i = 0; i < 4; ++i) images.push_back(dead_leaves(20, 20, Rng(i)));
  const Samples samples = measured_crops(Crops(std::move(images), 12), sampling, 40, Rng(3));
  TrainOptions options;
  options.epochs = 3;
  options.batch = 4;
  options.trust = 0.03;
  options.fixed = sensing;
  const TrainResult result = train(network, samples, {}, options, {});
  const Unrolled trained = unrolled_of(result.network, kernels, deep.statistics);
  for (std::size_t p = 0; p < 4; ++p) {
    for (std::size_t k = 0; k < Unrolled::kKernels; ++k)
      EXPECT_GT((trained.phases[p][k].weights - deep.phases[p][k].weights).norm(), 1e-5) << p << ' ' << k;
  }
}

TEST(Unrolled, GradientsAreDifferenceQuotients) {
  const Unrolled unrolled = small_unrolled();
  const Sampling sampling = draw_sampling(SensingKind::kOrthonormal, 11, kBlock, 1);
  const auto [network, kernels, sensing] = unrolled.trainable(sampling.phi.to_matrix(), 12, 10);
  const Model model(network, sensing);
  EXPECT_EQ(model.layers().size(), 2 * Unrolled::kKernels);
  FloatMatrix inputs(2, network.input_size());
  for (Index i = 0; i < 2; ++i) {
    const Matrix y = measure(dead_leaves(12, 10, Rng(static_cast<std::uint64_t>(20 + i))), sampling).y;
    inputs.row(i) = Eigen::Map<const Vector>(y.data(), y.size()).cast<float>().transpose();
  }
  const FloatVector weights = model.weights();
  Pass pass(model, 2);
  pass.load(inputs, 0);
  pass.output_cotangent() = pass.forward(weights.data());  // f = ½ ‖output‖²
  FloatVector gradient = FloatVector::Zero(weights.size());
  pass.backward(weights.data(), gradient.data());
  const auto loss = [&](const FloatVector& w) {
    return 0.5 * Evaluator<double>(model.with(w))(inputs.cast<double>()).squaredNorm();
  };
  for (const Layer& layer : model.layers()) {
    FloatVector direction = FloatVector::Zero(weights.size());
    layer.in(direction.data()) = Rng(5).normal_matrix(layer.rows, layer.cols).cast<float>();
    const FloatVector above = weights + 2e-6F * direction, below = weights - 2e-6F * direction;
    const double predicted = gradient.cast<double>().dot((above - below).cast<double>());
    EXPECT_NEAR(predicted, loss(above) - loss(below), 1e-3 * std::abs(predicted) + 1e-8);
  }
}

TEST(Unrolled, SurvivesItsFile) {
  const Unrolled unrolled = small_unrolled();
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("unrolled_" + std::to_string(getpid()) + ".onnx");
  write_unrolled(path, unrolled, {{"key", "value"}});
  const Unrolled read = read_unrolled(path);
  std::filesystem::remove(path);
  ASSERT_EQ(read.phases.size(), unrolled.phases.size());
  EXPECT_NEAR((read.statistics.lags - unrolled.statistics.lags).norm(), 0, 1e-8);
  for (std::size_t p = 0; p < read.phases.size(); ++p) {
    for (std::size_t k = 0; k < Unrolled::kKernels; ++k) {
      EXPECT_NEAR((read.phases[p][k].weights - unrolled.phases[p][k].weights).norm(), 0, 1e-5);
      EXPECT_NEAR((read.phases[p][k].bias - unrolled.phases[p][k].bias).norm(), 0, 1e-6);
    }
  }
}

TEST(Unrolled, RefusesWhatIsNotOne) {
  const Unrolled unrolled = small_unrolled();
  EXPECT_THROW(unrolled.network(Matrix::Zero(3, 36), 12, 12), Error);     // zeros
  EXPECT_THROW(unrolled.network(Matrix::Ones(3, 35), 12, 12), Error);     // no square
  EXPECT_THROW(unrolled.network(Matrix::Identity(49, 49), 9, 9), Error);  // blocks larger than the statistics'
  EXPECT_THROW(unrolled.network(Matrix::Identity(36, 36), 0, 9), Error);
  const Network chain = Network::chain({Matrix::Ones(1, 1)}, {Vector::Ones(1)});
  EXPECT_THROW(unrolled_of(chain, convolutions(chain), {}), Error);
  EXPECT_THROW(unrolled_of(chain, {1}, {}), Error);  // no convolution
}

}  // namespace
}  // namespace unrect
