#include "unrect/bounds/internal/steepest_walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "unrect/bounds/lipschitz_constant.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

class SteepestWalks : public testing::TestWithParam<bool> {};  // over all inputs, or a box

// The search that proves the constant is the judge. One walk may end elsewhere: of a few restarts one must arrive, for
// most networks.
TEST_P(SteepestWalks, ArriveAtTheMaximumAndReportOnlyRegionsThatExist) {
  Rng rng(3);
  int arrived = 0;
  for (int round = 0; round < 12; ++round) {
    const Index n = 2 + rng.below(3);
    const Network network = random_chain({n, 7, 6, 2}, rng.split(static_cast<std::uint64_t>(round)), 0.5);
    const std::optional<Domain> domain =
        GetParam() ? std::nullopt : std::optional<Domain>(Box{Vector::Constant(n, -1), Vector::Constant(n, 1)});
    const double constant = lipschitz_constant(network, domain).upper;
    const Stages stages = stages_of(network);
    UnitGraph graph(stages, domain ? directions_of(*domain) : Directions{Matrix::Identity(n, n)}, {});
    PatternCone cone(graph, domain ? &*domain : nullptr);
    double steepest = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      SteepestWalk walk(graph, cone, Norm::kTwo, Norm::kTwo, seed);
      Vector start = rng.uniform_vector(n + 1, -1, 1);
      start[n] = 1;
      const auto found = walk.run(start, -1, 40, [] { return false; });
      ASSERT_TRUE(found);
      std::vector<std::uint16_t> pieces;
      ASSERT_TRUE(cone.is_interior(found->point, pieces));
      EXPECT_EQ(Pattern(pieces.begin(), pieces.end()), found->pattern);
      EXPECT_EQ(walk.norm_of(found->pattern), found->norm);
      EXPECT_LE(found->norm, constant * (1 + 1e-12));
      steepest = std::max(steepest, found->norm);
      EXPECT_FALSE(walk.run(start, constant, 40, [] { return false; }));  // there is nothing above
      SteepestWalk again(graph, cone, Norm::kTwo, Norm::kTwo, seed);
      EXPECT_EQ(again.run(start, -1, 40, [] { return false; })->norm, found->norm);
    }
    if (steepest >= constant * (1 - 1e-9)) ++arrived;
  }
  EXPECT_GE(arrived, 9) << "of 12";
}

INSTANTIATE_TEST_SUITE_P(Domains, SteepestWalks, testing::Bool());

}  // namespace
}  // namespace unrect
