// What a checkpoint keeps, and how damaged ones are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "unrect/base/file.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/partition/internal/explore_for_tests.hpp"

namespace unrect {
namespace {

TEST(Checkpoints, StoppingAndGoingOnChangesNothing) {
  const std::filesystem::path file = scratch("resume");
  const Refinement refinement(medium(), cube(3));
  const RegionCounts whole = count_regions(refinement);
  for (const int n : {1, 3}) {
    Exploration state;
    int rounds = 0;
    while (!state.complete()) {
      ASSERT_LT(++rounds, 1000);
      ExploreOptions options;
      options.max_regions = state.counts.regions + 300;
      options.checkpoint = file;
      options.purpose = "counting";
      explore(refinement, state, options, threads(n));
      const Exploration again = read_checkpoint(file, fingerprint(refinement), "counting");
      EXPECT_EQ(again.counts, state.counts);
      EXPECT_EQ(again.open, state.open);
      EXPECT_EQ(again.share, state.share);
      EXPECT_EQ(again.stopped, state.stopped);
      state = again;
    }
    if (n == 1) {
      EXPECT_GE(rounds, 3);
    }
    EXPECT_EQ(state.counts, whole);
    EXPECT_NEAR(state.share, 1, 1e-12);
  }
  std::filesystem::remove(file);
}

// What was saved while workers were busy: the units in hand are open again.
TEST(Checkpoints, SavedOnTheWayLoseNothing) {
  const std::filesystem::path file = scratch("midway");
  const Refinement refinement(medium(), cube(3));
  const RegionCounts whole = count_regions(refinement);
  class Recorder final : public Collector {
   public:
    Recorder(std::filesystem::path from, std::vector<std::string>& saved) : from_(std::move(from)), saved_(saved) {}
    bool visit(RegionView&) override { return true; }
    void finish(const WorkUnit&, RegionCounts&) override {
      if (std::filesystem::exists(from_)) saved_.push_back(read_file(from_));
    }

   private:
    std::filesystem::path from_;
    std::vector<std::string>& saved_;
  };
  std::vector<std::string> saved;
  ExploreOptions options;
  options.checkpoint = file;
  options.checkpoint_seconds = 0;
  options.collectors = [&] { return std::make_unique<Recorder>(file, saved); };
  Exploration state;
  explore(refinement, state, options);
  ASSERT_GT(saved.size(), 3u);
  for (const std::size_t i : {std::size_t{0}, saved.size() / 2, saved.size() - 1}) {
    write_file(file, saved[i]);
    Exploration resumed = read_checkpoint(file, fingerprint(refinement), "");
    EXPECT_FALSE(resumed.complete());
    explore(refinement, resumed);
    EXPECT_EQ(resumed.counts, whole);
  }
  std::filesystem::remove(file);
}

class DamagedCheckpoints : public testing::Test {
 protected:
  void SetUp() override {
    file_ = scratch("damaged");
    ExploreOptions options;
    options.max_regions = 1;
    options.checkpoint = file_;
    options.purpose = "p";
    explore(refinement_, state_, options);
    bytes_ = read_file(file_);
    state_.counts.marks = {1, 2, 3};
    state_.counts.sums = {4};
  }
  void TearDown() override { std::filesystem::remove(file_); }
  void expect_refused(const std::string& bytes) {
    write_file(file_, bytes);
    EXPECT_EQ(error_of([&] { read_checkpoint(file_, fingerprint(refinement_), "p"); }), ErrorCode::kFormat);
  }

  Refinement refinement_{random_chain({2, 20, 20, 1}, Rng(4)), cube(2)};
  Exploration state_;
  std::filesystem::path file_;
  std::string bytes_;
};

TEST_F(DamagedCheckpoints, CutShortAtAnyByte) {
  ASSERT_LT(bytes_.size(), 20000u);
  for (std::size_t n = 0; n < bytes_.size(); n += n < 200 ? 1 : 7) expect_refused(bytes_.substr(0, n));
  expect_refused(bytes_ + '\0');
}

TEST_F(DamagedCheckpoints, FlippedAnywhere) {
  for (std::size_t i = 0; i < bytes_.size(); i += i < 200 ? 1 : 5) {
    std::string bad = bytes_;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    expect_refused(bad);
  }
}

// Results from elsewhere carry no checksum: whatever comes, an error of one line or a value, and no large allocation.
TEST_F(DamagedCheckpoints, ResultsAndUnitsAreReadOrRefused) {
  WorkResult result{state_.counts, 0.25, state_.open, true};
  const std::string bytes = format_results({result});
  const std::vector<WorkResult> results = parse_results(bytes, "result");
  ASSERT_EQ(results.size(), 1u);
  const WorkResult& again = results.front();
  EXPECT_EQ(again.counts, result.counts);
  EXPECT_EQ(again.open, result.open);
  EXPECT_EQ(again.share, result.share);
  EXPECT_EQ(again.stopped, result.stopped);
  std::vector<Task> tasks;
  for (const WorkUnit& unit : state_.open) tasks.push_back({unit, 7 + tasks.size(), tasks.size()});
  ASSERT_GT(tasks.size(), 1u);
  EXPECT_EQ(parse_tasks(format_tasks(tasks), "tasks"), tasks);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(error_of([&] { parse_results(std::string_view(bytes).substr(0, i), "result"); }), ErrorCode::kFormat);
    for (const int bit : {0, 3, 7}) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      try {
        parse_results(bad, "result");
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kFormat);
      }
    }
  }
}

TEST_F(DamagedCheckpoints, OfAnotherRun) {
  write_file(file_, bytes_);
  EXPECT_EQ(error_of([&] { read_checkpoint(file_, fingerprint(refinement_), "q"); }), ErrorCode::kInvalidArgument);
  const auto refused = [&](const Network& network, const Domain& domain) {
    const Refinement other(network, domain);
    EXPECT_EQ(error_of([&] { read_checkpoint(file_, fingerprint(other), "p"); }), ErrorCode::kInvalidArgument);
  };
  refused(random_chain({2, 20, 20, 1}, Rng(5)), cube(2));
  refused(random_chain({2, 20, 20, 1}, Rng(4)), cube(2, 1.5));
  Domain cut = cube(2);
  cut.constrain(Halfspaces(Matrix::Ones(1, 2), Vector::Ones(1)));
  refused(random_chain({2, 20, 20, 1}, Rng(4)), cut);
  EXPECT_EQ(error_of([&] { read_checkpoint(file_.string() + ".none", 0, "p"); }), ErrorCode::kFile);
}

TEST(Fingerprint, TellsNetworksApart) {
  const auto of = [](const Network& network) { return fingerprint(Refinement(network, cube(network.input_size()))); };
  {
    const Matrix weight = (Matrix(2, 2) << 1.5, 2.25, -3.125, 7).finished();
    Matrix flipped = weight;
    flipped.col(0) *= -1;
    const auto with = [](const Matrix& w) {
      return Network::chain({w, Matrix::Ones(1, 2)}, {Vector::Ones(2), Vector::Zero(1)});
    };
    EXPECT_NE(of(with(weight)), of(with(flipped)));
  }
  const auto chain = [](const Matrix& w) {
    return Network::chain({w, Matrix::Ones(1, w.rows())}, {Vector::Zero(w.rows()), Vector::Zero(1)});
  };
  // One weight apart, and the same weights in the same rows of other columns, dense or sparse.
  for (const Index n : {2, 12}) {
    Matrix a = Matrix::Zero(n, n);
    a(0, 0) = a(1, 1) = 1;
    Matrix b = Matrix::Zero(n, n);
    b(0, 0) = b(1, 0) = 1;
    Matrix c = a;
    c(1, 1) = std::nextafter(1.0, 2.0);
    EXPECT_NE(of(chain(a)), of(chain(b))) << n;
    EXPECT_NE(of(chain(a)), of(chain(c))) << n;
    EXPECT_EQ(of(chain(a)), of(chain(Matrix(a)))) << n;
  }
  const auto with = [](const Op& op) {
    NetworkBuilder b(Shape{4});
    const int last = b.add(op, {0});
    return std::move(b).build(last);
  };
  std::vector<std::uint64_t> all;
  for (const Op& op : std::vector<Op>{relu(), leaky_relu(0.1), leaky_relu(0.2), absolute(), clip(0, 1), clip(0, 2),
                                      Maximum{2, {0, 1, 2, 3}}, Maximum{4, {0, 1, 2, 3}}, Maximum{2, {0, 1, 3, 2}}}) {
    all.push_back(of(with(op)));
  }
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

}  // namespace
}  // namespace unrect
