#include "unrect/train/train.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

// Targets of a random teacher.
Samples teacher_samples(Index count, Index inputs, Index outputs, std::uint64_t seed) {
  const Network teacher = random_chain({inputs, 12, outputs}, Rng(seed));
  const Matrix x = Rng(seed + 1).normal_matrix(count, inputs);
  return {x.cast<float>(), Evaluator<double>(teacher)(x).cast<float>()};
}

Network start_for(const Samples& samples, const std::vector<Index>& hidden, bool relu_output = false) {
  std::vector<Index> widths{samples.inputs.cols()};
  widths.insert(widths.end(), hidden.begin(), hidden.end());
  widths.push_back(samples.targets.cols());
  return to_network(
      initial_chain(widths, samples.targets.colwise().mean().cast<double>().transpose(), relu_output, Rng(5)));
}

bool equal(const Network& a, const Network& b) {
  const Chain x = to_chain(a), y = to_chain(b);
  for (std::size_t l = 0; l < x.layers.size(); ++l) {
    if (x.layers[l] != y.layers[l]) return false;
  }
  return true;
}

TEST(Train, EveryMethodFitsATeacher) {
  const Samples samples = teacher_samples(2000, 6, 3, 1);
  const Network start = start_for(samples, {24, 24});
  const double before = score(start, samples, {}, {}).loss;
  for (const Method method : {Method::kFeasibleAl, Method::kAdam, Method::kSgd}) {
    TrainOptions options;
    options.method = method;
    options.batch = 100;
    options.epochs = 30;
    if (method == Method::kAdam) options.rate = 5e-3;
    const TrainResult result = train(start, samples, {}, options, {});
    EXPECT_EQ(result.status, TrainResult::Status::kDone);
    for (const std::string& event : result.events) ADD_FAILURE() << event;
    ASSERT_EQ(result.log.size(), 30U);
    const double after = score(result.network, samples, {}, {}).loss;
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
    const TrainResult result = train(start, samples, {}, options, {});
    EXPECT_EQ(result.status, TrainResult::Status::kDone) << name_of(method);
    EXPECT_TRUE(result.events.empty()) << name_of(method);
    return score(result.network, samples, {}, {}).loss;
  };
  EXPECT_LT(loss_of(Method::kGaussNewtonAl, 100), loss_of(Method::kSgd, 100));
  // Both on all samples at once.
  EXPECT_LT(loss_of(Method::kLbfgs, 2000), 0.5 * loss_of(Method::kSgd, 2000));
}

TEST(Train, IsBitEqualForAnyNumberOfThreads) {
  Samples samples = teacher_samples(700, 5, 2, 3);
  samples.targets = samples.targets.cwiseAbs();  // what a ReLU output can reach
  const auto [rest, held_out] = split(samples, 100, Rng(1));
  const Network start = start_for(samples, {150, 20}, true);
  for (const double trust : {0.0, 0.05}) {
    TrainOptions options;
    options.epochs = 3;
    options.batch = 110;
    options.trust = trust;
    options.decay = 1e-4;
    options.lipschitz = 3;
    Context context;
    const TrainResult one = train(start, rest, held_out, options, context);
    context.threads = 3;
    const TrainResult three = train(start, rest, held_out, options, context);
    EXPECT_TRUE(equal(one.network, three.network));
    EXPECT_FALSE(equal(one.network, start));
    EXPECT_EQ(one.log.back().validation_loss, three.log.back().validation_loss);
  }
}

TEST(Train, SecondOrderMethodsAreBitEqualForAnyNumberOfThreads) {
  Samples samples = teacher_samples(700, 5, 2, 3);
  samples.targets = samples.targets.cwiseAbs();  // what a ReLU output can reach
  const auto [rest, held_out] = split(samples, 100, Rng(1));
  Samples classes = rest;
  for (Index i = 0; i < rest.size(); ++i)
    classes.targets.row(i) =
        rest.targets(i, 0) > rest.targets(i, 1) ? Eigen::RowVector2f(1, 0) : Eigen::RowVector2f(0, 1);
  const Network start = start_for(samples, {150, 20}, true);
  for (const Method method : {Method::kGaussNewtonAl, Method::kLbfgs}) {
    for (const Loss::Kind kind :
         {Loss::Kind::kSquared, Loss::Kind::kHuber, Loss::Kind::kCrossEntropy, Loss::Kind::kLogSquared}) {
      TrainOptions options;
      options.method = method;
      options.loss.kind = kind;
      options.epochs = 4;
      options.batch = 110;
      options.decay = 1e-4;
      Context context;
      const Samples& chosen = kind == Loss::Kind::kCrossEntropy ? classes : rest;
      const TrainResult one = train(start, chosen, held_out, options, context);
      context.threads = 3;
      const TrainResult three = train(start, chosen, held_out, options, context);
      EXPECT_TRUE(equal(one.network, three.network)) << name_of(method);
      EXPECT_FALSE(equal(one.network, start)) << name_of(method);
      EXPECT_LT(score(one.network, chosen, options.loss, {}).loss, score(start, chosen, options.loss, {}).loss)
          << name_of(method);
      EXPECT_EQ(one.log.back().validation_loss, three.log.back().validation_loss);
    }
  }
}

// Ranks that are threads of this process: each call meets all the others at a barrier.
struct Meeting {
  explicit Meeting(int count) : barrier(count), values(static_cast<std::size_t>(count)) {}

  Ranks of(int rank) {
    const auto copy = [](std::byte* to, const std::byte* from, std::size_t size) {
      if (size > 0 && to != from) std::memcpy(to, from, size);
    };
    return {.rank = rank,
            .count = static_cast<int>(values.size()),
            .gather =
                [this, rank, copy](std::byte* mine, const std::vector<std::size_t>& cuts) {
                  values[static_cast<std::size_t>(rank)] = mine;
                  barrier.arrive_and_wait();
                  for (std::size_t r = 0; r < values.size(); ++r)
                    copy(mine + cuts[r], values[r] + cuts[r], cuts[r + 1] - cuts[r]);
                  barrier.arrive_and_wait();
                },
            .scatter =
                [this, rank, copy](int root, const std::byte* whole, const std::vector<std::size_t>& cuts,
                                   std::byte* part) {
                  const auto me = static_cast<std::size_t>(rank);
                  if (rank == root) values[0] = whole;
                  barrier.arrive_and_wait();
                  if (rank != root) copy(part, values[0] + cuts[me], cuts[me + 1] - cuts[me]);
                  barrier.arrive_and_wait();
                }};
  }

  std::barrier<> barrier;
  std::vector<const std::byte*> values;
};

TEST(Train, IsBitEqualForAnyNumberOfRanks) {
  Samples samples = teacher_samples(400, 5, 2, 3);
  samples.targets = samples.targets.cwiseAbs();
  const auto [rest, held_out] = split(samples, 100, Rng(1));
  const Network start = start_for(samples, {150, 20}, true);
  for (const Method method :
       {Method::kFeasibleAl, Method::kAdam, Method::kSgd, Method::kGaussNewtonAl, Method::kLbfgs}) {
    TrainOptions options;
    options.method = method;
    options.epochs = 4;
    options.batch = 50;
    options.decay = 1e-4;
    const TrainResult alone = train(start, rest, held_out, options, {});
    Meeting meeting(3);
    std::vector<TrainResult> results(3, {TrainResult::Status::kCancelled, start, {}, {}, 0});
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        const Ranks ranks = meeting.of(rank);
        results[static_cast<std::size_t>(rank)] = train(start, rest, held_out, options, {}, ranks);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const TrainResult& result : results) {
      EXPECT_TRUE(equal(alone.network, result.network)) << name_of(method);
      EXPECT_EQ(alone.log.back().gradient_norm, result.log.back().gradient_norm) << name_of(method);
    }
  }
}

TEST(Train, ResumedIsBitEqualToUninterrupted) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("unrect_train_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const Samples samples = teacher_samples(600, 5, 2, 4);
  const auto [rest, held_out] = split(samples, 100, Rng(1));
  const Network start = start_for(samples, {20, 20});
  for (const Method method :
       {Method::kFeasibleAl, Method::kAdam, Method::kSgd, Method::kGaussNewtonAl, Method::kLbfgs}) {
    TrainOptions options;
    options.method = method;
    options.epochs = 6;
    options.batch = 50;
    options.trust = 0.05;
    const TrainResult whole = train(start, rest, held_out, options, {});
    options.checkpoint = folder / "state.npz";
    options.checkpoint_seconds = 0;
    options.resume = true;
    std::filesystem::remove(options.checkpoint);
    TrainResult pieces{.status = TrainResult::Status::kCancelled, .network = start, .log = {}, .events = {}};
    int runs = 0;
    for (; pieces.status == TrainResult::Status::kCancelled; ++runs) {
      Context context;
      const auto begin = std::chrono::steady_clock::now();
      context.progress = [&](const Progress& p) { return p.done < 3000 * (runs + 1) / 5; };
      // Progress is asked for ten times a second at most: slow the watch down so that it is.
      pieces = train(start, rest, held_out, options, context, {}, [](const EpochLog&, const Network&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(110));
      });
      static_cast<void>(begin);
      ASSERT_LT(runs, 20);
    }
    EXPECT_GT(runs, 2);
    EXPECT_TRUE(equal(whole.network, pieces.network)) << name_of(method);
    ASSERT_EQ(whole.log.size(), pieces.log.size());
    for (std::size_t i = 0; i < whole.log.size(); ++i)
      EXPECT_EQ(whole.log[i].validation_loss, pieces.log[i].validation_loss);
    // Another training's checkpoint is refused.
    options.decay = 0.5;
    EXPECT_THROW(train(start, rest, held_out, options, {}), Error);
  }
  std::filesystem::remove_all(folder);
}

TEST(Train, ACheckpointIsOfTheOptionsThatHaveAPartInTheResult) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("unrect_options_" + std::to_string(getpid()) + ".npz");
  const Samples samples = teacher_samples(200, 4, 2, 4);
  const Network start = start_for(samples, {6});
  TrainOptions options;
  options.epochs = 2;
  options.batch = 50;
  options.checkpoint = file;
  train(start, samples, {}, options, {});
  options.resume = true;
  int changed = 0, refused = 0;
  for (int number = 0, count = 1; number < count; ++number) {
    TrainOptions other = options;
    count = 0;
    bool alike = true;  // nothing was changed, or what has no part in the result
    TrainOptions::visit(other, [&](auto& value, const Option& option) {
      using T = std::remove_cvref_t<decltype(value)>;
      if (count++ != number || option.name == "checkpoint" || option.name == "fixed") return;
      ++changed;
      alike = option.aside;
      if constexpr (std::is_same_v<T, bool>) value = !value;
      if constexpr (std::is_same_v<T, double>) value = value / 2 + 0.03;
      if constexpr (std::is_same_v<T, int> || std::is_same_v<T, Index>) value = value + 1;
      if constexpr (std::is_enum_v<T>) value = static_cast<T>(static_cast<int>(value) + 1);
    });
    if (alike) {
      EXPECT_EQ(train(start, samples, {}, other, {}).status, TrainResult::Status::kDone);
      continue;
    }
    try {
      train(start, samples, {}, other, {});
      ADD_FAILURE() << "field " << number << " is not told from the checkpoint's";
    } catch (const Error& error) {
      ++refused;
      EXPECT_NE(std::string(error.what()).find("other options"), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(changed, 18);
  EXPECT_EQ(refused, 15);
  std::filesystem::remove(file);
}

TEST(Train, ScoresNetworksWithMoreValuesThanFitIntoMemoryForManySamples) {
  // 300,000 values a sample: some 220 samples fit into a block.
  const Index wide = 300'000;
  NetworkBuilder b({3});
  const int hidden = b.add(relu(), {b.add(Dense{Rng(1).normal_matrix(wide, 3), Vector::Zero(wide)}, {0})});
  const Network network = std::move(b).build(b.add(Dense{Rng(2).normal_matrix(2, wide), Vector::Zero(2)}, {hidden}));
  const Samples samples{Rng(3).normal_matrix(240, 3).cast<float>(), MatrixOf<float>::Zero(240, 2)};
  const double expected = Evaluator<float>(network)(samples.inputs).cast<double>().squaredNorm() / 480;
  EXPECT_NEAR(score(network, samples, {}, {}).squared_error, expected, 1e-4 * expected);
  EXPECT_EQ(dead_units(network, samples, {})[0].units, wide);
}

TEST(Train, RenewedByTheSameSamplesChangesNothing) {
  // 103 samples: neither groups nor batches cut them evenly.
  const Samples samples = teacher_samples(103, 6, 3, 1);
  const Network start = start_for(samples, {8});
  TrainOptions options;
  options.batch = 10;
  options.epochs = 3;
  const TrainResult once = train(start, samples, {}, options, {});
  std::vector<int> asked;
  options.renew = [&](int epoch) {
    asked.push_back(epoch);
    return samples;
  };
  const TrainResult renewed = train(start, samples, {}, options, {});
  EXPECT_EQ(asked, (std::vector<int>{1, 2}));
  EXPECT_TRUE(equal(once.network, renewed.network));
  options.renew = [](int) { return teacher_samples(102, 6, 3, 1); };
  EXPECT_THROW(train(start, samples, {}, options, {}), Error);
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
  const TrainResult result = train(start, samples_of(0), {}, options, {});
  EXPECT_EQ(result.network.input_size(), 5);
  const auto weight = [](const Network& n, int node) { return std::get<Dense>(*n.node(node).op).weight; };
  EXPECT_EQ(weight(result.network, 1), weight(start, 1));
  EXPECT_NE(weight(result.network, 2), weight(start, 2));
  options.relay = [](int epoch) { return behind(5 + epoch, static_cast<std::uint64_t>(epoch) + 7); };
  EXPECT_NE(weight(result.network, 2), weight(train(start, samples_of(0), {}, options, {}).network, 2));
  options.relay = [](int) { return behind(5, 0); };  // does not fit the samples
  EXPECT_THROW(train(start, samples_of(0), {}, options, {}), Error);
  options.relay = [](int) { return start_for(teacher_samples(4, 5, 2, 1), {6}); };  // other layers
  EXPECT_THROW(train(start, samples_of(0), {}, options, {}), Error);
  options.renew = nullptr;
  EXPECT_THROW(train(start, samples_of(0), {}, options, {}), Error);
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
    const Chain before = to_chain(start), after = to_chain(train(start, samples, {}, options, {}).network);
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
  const TrainResult result = train(start_for(samples, {24}), samples, {}, options, {});
  EXPECT_EQ(result.status, TrainResult::Status::kDone);
  ASSERT_FALSE(result.events.empty());
  EXPECT_NE(result.events[0].find("rate halved to 25"), std::string::npos) << result.events[0];
  EXPECT_TRUE(std::isfinite(score(result.network, samples, {}, {}).loss));
}

TEST(Train, StopsEarlyWithTheBestWeights) {
  // Targets of noise: what is learnt does not carry over to the validation set.
  Samples samples{Rng(7).normal_matrix(60, 10).cast<float>(), Rng(8).normal_matrix(60, 2).cast<float>()};
  Samples held_out{Rng(9).normal_matrix(60, 10).cast<float>(), Rng(10).normal_matrix(60, 2).cast<float>()};
  TrainOptions options;
  options.batch = 20;
  options.epochs = 200;
  options.patience = 5;
  const TrainResult result = train(start_for(samples, {64}), samples, held_out, options, {});
  EXPECT_EQ(result.status, TrainResult::Status::kStoppedEarly);
  EXPECT_LT(result.log.size(), 200U);
  double best = std::numeric_limits<double>::infinity();
  for (const EpochLog& line : result.log) best = std::min(best, line.validation_loss);
  EXPECT_NEAR(score(result.network, held_out, {}, {}).loss, best, 1e-6 * best);
}

TEST(Train, TinySetsTrain) {
  for (const Index count : {1, 2, 3, 7}) {
    const Samples samples = teacher_samples(count, 3, 1, 20);
    TrainOptions options;
    options.epochs = 300;
    options.batch = 500;
    const TrainResult result = train(start_for(samples, {16}), samples, {}, options, {});
    EXPECT_LT(score(result.network, samples, {}, {}).loss, 1e-3) << count;
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
  const TrainResult result = train(start, samples, {}, options, {});
  EXPECT_TRUE(result.events.empty());
  EXPECT_LT(score(result.network, samples, {}, {}).loss, score(start, samples, {}, {}).loss / 2);
}

TEST(Train, SecondOrderMethodsTrainTinySets) {
  for (const Method method : {Method::kGaussNewtonAl, Method::kLbfgs}) {
    for (const Index count : {1, 2, 3, 7}) {
      const Samples samples = teacher_samples(count, 3, 1, 20);
      TrainOptions options;
      options.method = method;
      options.epochs = 300;
      const TrainResult result = train(start_for(samples, {16}), samples, {}, options, {});
      EXPECT_EQ(result.status, TrainResult::Status::kDone);
      EXPECT_LT(score(result.network, samples, {}, {}).loss, 1e-3) << name_of(method) << ' ' << count;
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
  const TrainResult result = train(start, samples, {}, options, {});
  for (std::size_t i = 1; i < result.log.size(); ++i) EXPECT_LE(result.log[i].train_loss, result.log[i - 1].train_loss);
  const double after = score(result.network, samples, {}, {}).loss;
  EXPECT_LT(after, 0.2 * score(start, samples, {}, {}).loss);
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
  const double before = score(start, samples, {}, {}).loss;
  const TrainResult result = train(start, samples, {}, options, {});
  EXPECT_EQ(result.status, TrainResult::Status::kDone);
  EXPECT_LT(score(result.network, samples, {}, {}).loss, 0.2 * before);
}

TEST(Train, ExplicitlyLogsTheValidationSetAndShowsEveryNetwork) {
  const Samples samples = teacher_samples(60, 3, 2, 50), validation = teacher_samples(30, 3, 2, 51);
  const Network start = start_for(samples, {6});
  TrainOptions options;
  options.method = Method::kExplicitAl;
  options.epochs = 5;
  std::vector<double> seen;
  const auto watch = [&](const EpochLog& line, const Network& network) {
    EXPECT_EQ(line.validation_loss, score(network, validation, {}, {}).loss);
    seen.push_back(line.validation_loss);
  };
  const TrainResult result = train(start, samples, validation, options, {}, {}, watch);
  ASSERT_EQ(result.log.size(), 5U);
  ASSERT_EQ(seen.size(), result.log.size());
  EXPECT_EQ(result.log.front().epoch, 1);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(result.log[i].validation_loss, seen[i]);
  EXPECT_EQ(seen.back(), score(result.network, validation, {}, {}).loss);
  // The set is looked at, no more: training without it ends at the same network.
  const TrainResult alone = train(start, samples, {}, options, {});
  EXPECT_TRUE(std::isnan(alone.log.back().validation_loss));
  EXPECT_EQ(score(alone.network, validation, {}, {}).loss, seen.back());
  options.fixed = {1};
  EXPECT_THROW(train(start, samples, validation, options, {}), Error);
  options.fixed = {};
  options.renew = [&](int) { return samples; };
  EXPECT_THROW(train(start, samples, {}, options, {}), Error);
}

TEST(Train, RefusesWhatItCannotUse) {
  const Samples good = teacher_samples(20, 3, 2, 40);
  const Network start = start_for(good, {8});
  const auto message = [&](const Samples& samples, const TrainOptions& options) -> std::string {
    try {
      train(start, samples, {}, options, {});
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
  EXPECT_THROW(train(residual, fitting, {}, options, {}), Error);
}

}  // namespace
}  // namespace unrect
