#include "unrect/base/internal/team.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace unrect {
namespace {

TEST(Team, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    Team team(threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> times(7);
      team.run(7, [&](int i) { ++times[static_cast<std::size_t>(i)]; });
      for (const std::atomic<int>& t : times) EXPECT_EQ(t, 1);
    }
    team.run(0, [](int) { FAIL(); });
  }
}

TEST(Team, HandsOnAnExceptionAndGoesOn) {
  Team team(3);
  const auto fail = [&](int i) {
    if (i == 4) throw std::runtime_error("four");
  };
  EXPECT_THROW(team.run(9, fail), std::runtime_error);
  std::atomic<int> sum = 0;
  team.run(9, [&](int i) { sum += i; });
  EXPECT_EQ(sum, 36);
}

}  // namespace
}  // namespace unrect
