#include "unrect/base/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

namespace fs = std::filesystem;

class WriteFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "unrect_file_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : fs::directory_iterator(folder_)) result.push_back(entry.path().filename().string());
    return result;
  }

  fs::path folder_;
};

// Threads share a process number, as processes on two machines may: each must write aside to a file of its own.
TEST_F(WriteFile, IsWholeWhoeverWritesToItAtOnce) {
  const fs::path file = folder_ / "model";
  std::vector<std::jthread> writers;
  std::atomic<int> failed = 0;
  for (const char c : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 20; ++i) {
        try {
          write_file(file, std::string(200'000, c));
        } catch (const Error&) {
          ++failed;
        }
      }
    });
  }
  writers.clear();
  EXPECT_EQ(failed, 0);
  const std::string bytes = read_file(file);
  EXPECT_EQ(bytes, std::string(200'000, bytes.at(0)));
  EXPECT_EQ(names(), std::vector<std::string>{"model"});
}

TEST_F(WriteFile, LeavesNothingBehindWhenItFails) {
  const fs::path file = folder_ / "model";
  write_file(file, "old");
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_file(file, std::string(100'000, 'x')), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(names(), std::vector<std::string>{"model"});
  EXPECT_EQ(read_file(file), "old");
  EXPECT_THROW(write_file(folder_ / "none" / "model", "x"), Error);
  EXPECT_THROW(write_file(folder_, "x"), Error);
}

TEST_F(WriteFile, TakesTheLongestNameThatTheDiskTakes) {
  const fs::path file = folder_ / std::string(255, 'n');
  write_file(file, "bytes");
  EXPECT_EQ(read_file(file), "bytes");
  EXPECT_EQ(names().size(), 1U);
}

TEST_F(WriteFile, KeepsLinksAndModes) {
  const fs::path file = folder_ / "model", link = folder_ / "link";
  write_file(file, "one");
  struct stat info {};
  stat(file.c_str(), &info);
  const mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(info.st_mode & 0777, 0666 & ~mask) << "as any program's files";
  chmod(file.c_str(), 0640);
  fs::create_symlink("model", link);
  write_file(link, "two");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_file(file), "two");
  stat(file.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
}

}  // namespace
}  // namespace unrect
