// Training comes out the same to the last bit, whatever the threads and ranks, and if it is interrupted.
#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/train/internal/teacher_for_tests.hpp"

namespace unrect {
namespace {

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
    const TrainResult alone = train(start, rest, held_out, options);
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
    const TrainResult whole = train(start, rest, held_out, options);
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
    EXPECT_THROW(train(start, rest, held_out, options), Error);
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

}  // namespace
}  // namespace unrect
