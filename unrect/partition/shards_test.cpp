#include "unrect/partition/shards.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

namespace fs = std::filesystem;

constexpr Columns kAll{true, true, true};

class Shards : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("unrect_shards_" + std::to_string(getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Refinement refinement(std::uint64_t seed = 1) {
    return {random_chain({2, 24, 24, 2}, Rng(seed)), Domain(Box(Vector::Constant(2, -1.0), Vector::Constant(2, 1.0))),
            Detail::kIncidence};
  }
  void write(const Refinement& refinement, Exploration& state, int threads, std::uint64_t max_regions = ~0ull) const {
    const ShardWriter writer(refinement, folder_ / "out", kAll);
    ExploreOptions options;
    options.collectors = writer.collectors();
    options.max_regions = max_regions;
    explore(refinement, state, options, {threads, 0, {}});
  }
  std::map<std::string, std::string> bytes() const {
    std::map<std::string, std::string> out;
    for (const auto& file : fs::directory_iterator(folder_ / "out"))
      out[file.path().filename().string()] = read_file(file.path());
    return out;
  }

  fs::path folder_;
};

TEST_F(Shards, PutTogetherAreThePartition) {
  const Refinement network = refinement();
  Exploration state;
  write(network, state, 2);
  std::vector<ArrayMap> shards;
  for (const auto& file : fs::directory_iterator(folder_ / "out")) shards.push_back(read_npz(file.path()));
  ASSERT_GT(shards.size(), 3u);
  const auto path = [](const ArrayMap& shard) {
    const Vector steps = shard.at("path").to_vector();
    return std::vector<double>(steps.begin(), steps.end());
  };
  std::ranges::sort(shards, {}, path);
  const ArrayMap whole = arrays_of(partition_of(network, kAll));
  for (const char* name : {"pieces", "points", "vertices", "matrices", "constants", "facet_units"}) {
    std::string joined;
    for (const ArrayMap& shard : shards) joined += shard.at(name).bytes;
    EXPECT_EQ(joined, whole.at(name).bytes) << name;
  }
  std::vector<double> starts{0};
  for (const ArrayMap& shard : shards) {
    const double offset = starts.back();
    const Vector own = shard.at("vertex_starts").to_vector();
    for (const double s : own.tail(own.size() - 1)) starts.push_back(offset + s);
  }
  const Vector expected = whole.at("vertex_starts").to_vector();
  EXPECT_TRUE(std::ranges::equal(starts, expected));
}

TEST_F(Shards, AreTheSameForAnyThreadsAndWhenBrokenOff) {
  const Refinement network = refinement();
  Exploration state;
  write(network, state, 1);
  const std::map<std::string, std::string> once = bytes();
  fs::remove_all(folder_);
  Exploration begun;
  write(network, begun, 2, 700);
  ASSERT_FALSE(begun.complete());
  // As after a crash: the state is older than the files.
  Exploration older;
  write(network, older, 2);
  EXPECT_EQ(bytes(), once);
}

TEST_F(Shards, AFullDiskIsAnErrorThatCanBeResumed) {
  const Refinement network = refinement();
  Exploration state;
  write(network, state, 1);
  const std::map<std::string, std::string> once = bytes();
  const std::uint64_t regions = state.counts.regions;
  fs::remove_all(folder_);

  // No file may grow beyond this: some shards can be written, the larger ones cannot.
  std::vector<std::size_t> sizes;
  for (const auto& [name, content] : once) sizes.push_back(content.size());
  std::ranges::sort(sizes);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = sizes[sizes.size() / 2];
  Exploration broken;
  ErrorCode code{};
  std::string message;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  try {
    write(network, broken, 1);
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, ErrorCode::kFile);
  EXPECT_NE(message.find((folder_ / "out").string()), std::string::npos) << message;
  EXPECT_NE(message.find(".npz"), std::string::npos) << message;
  EXPECT_FALSE(broken.complete());
  write(network, broken, 2);
  EXPECT_TRUE(broken.complete());
  EXPECT_EQ(broken.counts.regions, regions);
  EXPECT_EQ(bytes(), once);
}

TEST_F(Shards, OfAnotherPartitionAreNotMixedIn) {
  const Refinement network = refinement();
  Exploration state;
  write(network, state, 1);
  EXPECT_THROW(ShardWriter(refinement(2), folder_ / "out", kAll), Error);
  EXPECT_THROW(ShardWriter(network, folder_ / "out", {}), Error);
  EXPECT_NO_THROW(ShardWriter(network, folder_ / "out", kAll));
  write_file(folder_ / "file", "");
  try {
    ShardWriter(network, folder_ / "file" / "out");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFile);
  }
}

}  // namespace
}  // namespace unrect
