#include "unrect/bounds/internal/region_walk.hpp"

#include <gtest/gtest.h>

#include "unrect/bounds/lipschitz_constant.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/polytope/box.hpp"

namespace unrect {
namespace {

class RegionWalks : public testing::TestWithParam<bool> {};  // over all inputs, or a box

// The proof's own search is the judge of the maximum. A start anywhere and no restart: most walks must arrive, not all.
TEST_P(RegionWalks, ArriveAtTheMaximumAndReportOnlyRegionsThatExist) {
  Rng rng(3);
  int arrived = 0, walks = 0;
  for (int round = 0; round < 12; ++round) {
    const Index n = 2 + rng.below(3);
    const Network network = random_chain({n, 7, 6, 2}, rng.split(static_cast<std::uint64_t>(round)), 0.5);
    const std::optional<Domain> domain =
        GetParam() ? std::nullopt : std::optional<Domain>(Box{Vector::Constant(n, -1), Vector::Constant(n, 1)});
    const double constant = lipschitz_constant(network, domain).upper;
    const Stages stages = stages_of(network);
    UnitGraph graph(stages, domain ? directions_of(*domain) : Directions{Matrix::Identity(n, n)}, {});
    PatternCone cone(graph, domain ? &*domain : nullptr);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      RegionWalk walk(graph, cone, Norm::kTwo, Norm::kTwo, seed);
      Vector start = rng.uniform_vector(n + 1, -1, 1);
      start[n] = 1;
      const auto found = walk.run(start, -1, 40, [] { return false; });
      ASSERT_TRUE(found);
      ++walks;
      std::vector<std::uint16_t> pieces;
      ASSERT_TRUE(cone.is_interior(found->point, pieces));
      EXPECT_EQ(Pattern(pieces.begin(), pieces.end()), found->pattern);
      EXPECT_EQ(walk.norm_of(found->pattern), found->norm);
      EXPECT_LE(found->norm, constant * (1 + 1e-12));
      if (found->norm >= constant * (1 - 1e-9)) ++arrived;
      EXPECT_FALSE(walk.run(start, constant, 40, [] { return false; }));  // there is nothing above
      RegionWalk again(graph, cone, Norm::kTwo, Norm::kTwo, seed);
      EXPECT_EQ(again.run(start, -1, 40, [] { return false; })->norm, found->norm);
    }
  }
  EXPECT_GE(4 * arrived, 3 * walks) << arrived << " of " << walks;
}

INSTANTIATE_TEST_SUITE_P(Domains, RegionWalks, testing::Bool());

}  // namespace
}  // namespace unrect
