#include "unrect/train/train.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/train/internal/teacher_for_tests.hpp"

namespace unrect {
namespace {

TEST(Train, EveryMethodFitsATeacher) {
  const Samples samples = teacher_samples(2000, 6, 3, 1);
  const Network start = start_for(samples, {24, 24});
  const double before = score(start, samples).loss;
  for (const Method method : {Method::kFeasibleAl, Method::kAdam, Method::kSgd}) {
    TrainOptions options;
    options.method = method;
    options.batch = 100;
    options.epochs = 30;
    if (method == Method::kAdam) options.rate = 5e-3;
    const TrainResult result = train(start, samples, {}, options);
    EXPECT_EQ(result.status, TrainResult::Status::kDone);
    for (const std::string& event : result.events) ADD_FAILURE() << event;
    ASSERT_EQ(result.log.size(), 30U);
    const double after = score(result.network, samples).loss;
    EXPECT_LT(after, 0.05 * before) << name_of(method);
    EXPECT_NEAR(result.log.back().train_loss, after, 0.2 * after) << name_of(method);
  }
}

TEST(Train, SecondOrderMethodsFitATeacherBetterThanSgd) {
  const Samples samples = teacher_samples(2000, 6, 3, 1);
  const Network start = start_for(samples, {24, 24});
  const auto loss_of = [&](Method method, Index batch) {
    TrainOptions options;
    options.method = method;
    options.batch = batch;
    options.epochs = 60;
    const TrainResult result = train(start, samples, {}, options);
    EXPECT_EQ(result.status, TrainResult::Status::kDone) << name_of(method);
    EXPECT_TRUE(result.events.empty()) << name_of(method);
    return score(result.network, samples).loss;
  };
  EXPECT_LT(loss_of(Method::kGaussNewtonAl, 100), loss_of(Method::kSgd, 100));
  // Both on all samples at once.
  EXPECT_LT(loss_of(Method::kLbfgs, 2000), 0.5 * loss_of(Method::kSgd, 2000));
}

TEST(Train, ScoresNetworksWithMoreValuesThanFitIntoMemoryForManySamples) {
  // 300,000 values a sample: some 220 samples fit into a block.
  const Index wide = 300'000;
  NetworkBuilder b({3});
  const int hidden = b.add(relu(), {b.add(Dense{Rng(1).normal_matrix(wide, 3), Vector::Zero(wide)}, {0})});
  const Network network = std::move(b).build(b.add(Dense{Rng(2).normal_matrix(2, wide), Vector::Zero(2)}, {hidden}));
  const Samples samples{Rng(3).normal_matrix(240, 3).cast<float>(), MatrixOf<float>::Zero(240, 2)};
  const double expected = Evaluator<float>(network)(samples.inputs).cast<double>().squaredNorm() / 480;
  EXPECT_NEAR(score(network, samples).squared_error, expected, 1e-4 * expected);
  EXPECT_EQ(dead_units(network, samples, {})[0].units, wide);
}

TEST(Train, RenewedByTheSameSamplesChangesNothing) {
  // 103 samples: neither groups nor batches cut them evenly.
  const Samples samples = teacher_samples(103, 6, 3, 1);
  const Network start = start_for(samples, {8});
  TrainOptions options;
  options.batch = 10;
  options.epochs = 3;
  const TrainResult once = train(start, samples, {}, options);
  std::vector<int> asked;
  options.renew = [&](int epoch) {
    asked.push_back(epoch);
    return samples;
  };
  const TrainResult renewed = train(start, samples, {}, options);
  EXPECT_EQ(asked, (std::vector<int>{1, 2}));
  EXPECT_TRUE(equal(once.network, renewed.network));
  options.renew = [](int) { return teacher_samples(102, 6, 3, 1); };
  EXPECT_THROW(train(start, samples, {}, options), Error);
}

// y = W_2 relu(W_1 P x) with P fixed, drawn by `seed`: n × `inputs`.
Network behind(Index inputs, std::uint64_t seed) {
  NetworkBuilder b({inputs});
  const int seen = b.add(Dense{Rng(seed).normal_matrix(4, inputs), Vector::Zero(4)}, {0});
  const int hidden = b.add(Dense{Rng(1).normal_matrix(6, 4), Vector::Zero(6)}, {seen});
  const int output = b.add(Dense{Rng(2).normal_matrix(2, 6), Vector::Zero(2)}, {b.add(relu(), {hidden})});
  return std::move(b).build(output);
}

TEST(Train, LaidAnewSeesEveryNetwork) {
  const auto samples_of = [](int epoch) { return teacher_samples(40, 5 + epoch, 2, 1); };
  TrainOptions options;
  options.batch = 10;
  options.epochs = 3;
  options.fixed = {1};
  options.renew = samples_of;
  options.relay = [](int epoch) { return behind(5 + epoch, static_cast<std::uint64_t>(epoch)); };
  const Network start = behind(5, 0);
  const TrainResult result = train(start, samples_of(0), {}, options);
  EXPECT_EQ(result.network.input_size(), 5);
  const auto weight = [](const Network& n, int node) { return std::get<Dense>(*n.node(node).op).weight; };
  EXPECT_EQ(weight(result.network, 1), weight(start, 1));
  EXPECT_NE(weight(result.network, 2), weight(start, 2));
  options.relay = [](int epoch) { return behind(5 + epoch, static_cast<std::uint64_t>(epoch) + 7); };
  EXPECT_NE(weight(result.network, 2), weight(train(start, samples_of(0), {}, options).network, 2));
  options.relay = [](int) { return behind(5, 0); };  // does not fit the samples
  EXPECT_THROW(train(start, samples_of(0), {}, options), Error);
  options.relay = [](int) { return start_for(teacher_samples(4, 5, 2, 1), {6}); };  // other layers
  EXPECT_THROW(train(start, samples_of(0), {}, options), Error);
  options.renew = nullptr;
  EXPECT_THROW(train(start, samples_of(0), {}, options), Error);
}

TEST(Train, FixedNodesKeepTheirWeights) {
  const Samples samples = teacher_samples(200, 6, 3, 1);
  const Network start = start_for(samples, {8, 8});
  const int second = start.layers()[0] + 1;  // the affine map behind the first ReLU
  for (const Method method : {Method::kFeasibleAl, Method::kAdam, Method::kSgd}) {
    TrainOptions options;
    options.method = method;
    options.batch = 50;
    options.epochs = 2;
    options.fixed = {second};
    const Chain before = to_chain(start), after = to_chain(train(start, samples, {}, options).network);
    EXPECT_EQ(before.layers[1], after.layers[1]) << name_of(method);
    EXPECT_NE(before.layers[0], after.layers[0]) << name_of(method);
    EXPECT_NE(before.layers[2], after.layers[2]) << name_of(method);
  }
}

TEST(Train, SpectralBudgetHoldsAtEveryEpoch) {
  const Samples samples = teacher_samples(500, 6, 3, 5);
  const Network start = start_for(samples, {30, 30});
  TrainOptions options;
  options.batch = 50;
  options.epochs = 8;
  options.lipschitz = 1;
  int epochs = 0;
  const TrainResult result = train(start, samples, {}, options, {}, {}, [&](const EpochLog&, const Network& network) {
    ++epochs;
    double product = 1;
    for (const Matrix& layer : to_chain(network).layers) product *= spectral_norm(layer.leftCols(layer.cols() - 1));
    EXPECT_LE(product, 1.0);
    if (epochs == 8) {
      EXPECT_GT(product, 0.5) << "the budget should be used, too";
    }
  });
  EXPECT_EQ(epochs, 8);
  EXPECT_LT(result.log.back().train_loss, result.log.front().train_loss / 2);
}

TEST(Train, HalvesARateThatIsTooHigh) {
  const Samples samples = teacher_samples(2000, 6, 3, 6);
  TrainOptions options;
  options.method = Method::kSgd;
  options.batch = 50;
  options.epochs = 8;
  options.rate = 50;
  const TrainResult result = train(start_for(samples, {24}), samples, {}, options);
  EXPECT_EQ(result.status, TrainResult::Status::kDone);
  ASSERT_FALSE(result.events.empty());
  EXPECT_NE(result.events[0].find("rate halved to 25"), std::string::npos) << result.events[0];
  EXPECT_TRUE(std::isfinite(score(result.network, samples).loss));
}

TEST(Train, StopsEarlyWithTheBestWeights) {
  // Targets of noise: what is learnt does not carry over to the validation set.
  Samples samples{Rng(7).normal_matrix(60, 10).cast<float>(), Rng(8).normal_matrix(60, 2).cast<float>()};
  Samples held_out{Rng(9).normal_matrix(60, 10).cast<float>(), Rng(10).normal_matrix(60, 2).cast<float>()};
  TrainOptions options;
  options.batch = 20;
  options.epochs = 200;
  options.patience = 5;
  const TrainResult result = train(start_for(samples, {64}), samples, held_out, options);
  EXPECT_EQ(result.status, TrainResult::Status::kStoppedEarly);
  EXPECT_LT(result.log.size(), 200U);
  double best = std::numeric_limits<double>::infinity();
  for (const EpochLog& line : result.log) best = std::min(best, line.validation_loss);
  EXPECT_NEAR(score(result.network, held_out).loss, best, 1e-6 * best);
}

TEST(Train, TinySetsTrain) {
  for (const Index count : {1, 2, 3, 7}) {
    const Samples samples = teacher_samples(count, 3, 1, 20);
    TrainOptions options;
    options.epochs = 300;
    options.batch = 500;
    const TrainResult result = train(start_for(samples, {16}), samples, {}, options);
    EXPECT_LT(score(result.network, samples).loss, 1e-3) << count;
  }
}

TEST(Train, ConstantFeaturesDoNoHarm) {
  Samples samples = teacher_samples(500, 4, 2, 21);
  samples.inputs.col(1).setConstant(3);
  samples.inputs.col(2).setZero();
  TrainOptions options;
  options.epochs = 20;
  options.batch = 50;
  const Network start = start_for(samples, {16});
  const TrainResult result = train(start, samples, {}, options);
  EXPECT_TRUE(result.events.empty());
  EXPECT_LT(score(result.network, samples).loss, score(start, samples).loss / 2);
}

TEST(Train, SecondOrderMethodsTrainTinySets) {
  for (const Method method : {Method::kGaussNewtonAl, Method::kLbfgs}) {
    for (const Index count : {1, 2, 3, 7}) {
      const Samples samples = teacher_samples(count, 3, 1, 20);
      TrainOptions options;
      options.method = method;
      options.epochs = 300;
      const TrainResult result = train(start_for(samples, {16}), samples, {}, options);
      EXPECT_EQ(result.status, TrainResult::Status::kDone);
      EXPECT_LT(score(result.network, samples).loss, 1e-3) << name_of(method) << ' ' << count;
    }
  }
}

TEST(Train, LbfgsGoesDownOnAConvolutionalNetwork) {
  const Network teacher = random_residual(2, 8, 3, Rng(30));
  const Matrix x = Rng(31).normal_matrix(50, teacher.input_size());
  const Samples samples{x.cast<float>(), Evaluator<double>(teacher)(x).cast<float>()};
  const Network start = random_residual(2, 8, 3, Rng(32));
  TrainOptions options;
  options.method = Method::kLbfgs;
  options.batch = 30;  // blocks that do not divide the samples
  options.epochs = 30;
  const TrainResult result = train(start, samples, {}, options);
  for (std::size_t i = 1; i < result.log.size(); ++i) EXPECT_LE(result.log[i].train_loss, result.log[i - 1].train_loss);
  const double after = score(result.network, samples).loss;
  EXPECT_LT(after, 0.2 * score(start, samples).loss);
  EXPECT_NEAR(after, result.log.back().train_loss, 1e-4 * after);
}

TEST(Train, ConvolutionsLearnInTheirOwnMetric) {
  // A convolution's own outputs as targets.
  const Network teacher = random_residual(2, 8, 3, Rng(30));
  const Matrix x = Rng(31).normal_matrix(400, teacher.input_size());
  const Samples samples{x.cast<float>(), Evaluator<double>(teacher)(x).cast<float>()};
  const Network start = random_residual(2, 8, 3, Rng(32));
  TrainOptions options;
  options.batch = 40;
  options.epochs = 20;
  options.rate = 0.3;
  options.trust = 0.05;
  const double before = score(start, samples).loss;
  const TrainResult result = train(start, samples, {}, options);
  EXPECT_EQ(result.status, TrainResult::Status::kDone);
  EXPECT_LT(score(result.network, samples).loss, 0.2 * before);
}

TEST(Train, ExplicitlyLogsTheValidationSetAndShowsEveryNetwork) {
  const Samples samples = teacher_samples(60, 3, 2, 50), validation = teacher_samples(30, 3, 2, 51);
  const Network start = start_for(samples, {6});
  TrainOptions options;
  options.method = Method::kExplicitAl;
  options.epochs = 5;
  std::vector<double> seen;
  const auto watch = [&](const EpochLog& line, const Network& network) {
    EXPECT_EQ(line.validation_loss, score(network, validation).loss);
    seen.push_back(line.validation_loss);
  };
  const TrainResult result = train(start, samples, validation, options, {}, {}, watch);
  ASSERT_EQ(result.log.size(), 5U);
  ASSERT_EQ(seen.size(), result.log.size());
  EXPECT_EQ(result.log.front().epoch, 1);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(result.log[i].validation_loss, seen[i]);
  EXPECT_EQ(seen.back(), score(result.network, validation).loss);
  // The set is looked at, no more: training without it ends at the same network.
  const TrainResult alone = train(start, samples, {}, options);
  EXPECT_TRUE(std::isnan(alone.log.back().validation_loss));
  EXPECT_EQ(score(alone.network, validation).loss, seen.back());
  options.fixed = {1};
  EXPECT_THROW(train(start, samples, validation, options), Error);
  options.fixed = {};
  options.renew = [&](int) { return samples; };
  EXPECT_THROW(train(start, samples, {}, options), Error);
}

TEST(Train, RefusesWhatItCannotUse) {
  const Samples good = teacher_samples(20, 3, 2, 40);
  const Network start = start_for(good, {8});
  const auto message = [&](const Samples& samples, const TrainOptions& options) -> std::string {
    try {
      train(start, samples, {}, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  Samples bad = good;
  bad.inputs(7, 2) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message(bad, {}).find("input: row 7, column 2"), std::string::npos) << message(bad, {});
  bad = good;
  bad.targets.conservativeResize(19, 2);
  EXPECT_NE(message(bad, {}).find("20 rows of inputs and 19"), std::string::npos);
  EXPECT_NE(message({}, {}).find("no samples"), std::string::npos);
  TrainOptions options;
  options.damping = 0.001;
  EXPECT_NE(message(good, options).find("damping"), std::string::npos);
  EXPECT_NE(message(teacher_samples(20, 4, 2, 1), {}).find("inputs of 4"), std::string::npos);
  EXPECT_THROW(one_hot({0, 3}, 3, "labels"), Error);
  EXPECT_THROW(method_named("adamw"), Error);
  options = {};
  options.method = Method::kGaussNewtonAl;
  options.lipschitz = 1;
  EXPECT_NE(message(good, options).find("lipschitz"), std::string::npos) << message(good, options);
  options.lipschitz = 0;
  const Network residual = random_residual(2, 6, 3, Rng(41));
  const Samples fitting{MatrixOf<float>::Ones(5, residual.input_size()),
                        MatrixOf<float>::Ones(5, residual.output_size())};
  EXPECT_THROW(train(residual, fitting, {}, options), Error);
}

}  // namespace
}  // namespace unrect
