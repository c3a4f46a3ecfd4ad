#include "unrect/partition/decision_boundary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

// The larger of the outputs, found by forward passes along random lines: it changes where the line meets a segment.
TEST(DecisionBoundary, CrossesALineWhereTheDecisionChanges) {
  int met = 0;
  for (std::uint64_t seed = 0; seed < 18; ++seed) {
    const Index outputs = std::array<Index, 3>{1, 2, 5}[seed % 3];
    const Network network = random_chain({2, 16, 12, outputs}, Rng(seed));
    const std::vector<BoundarySegment> segments = decision_boundary(Refinement(network, cube(2, 2)));
    for (const BoundarySegment& s : segments) {
      const Vector y = evaluate(network, Vector((s.from + s.to) / 2));
      const double other = s.second < 0 ? 0 : y[s.second];
      EXPECT_NEAR(y[s.first], other, 1e-11);
      EXPECT_EQ(s.second < 0, outputs == 1);
      if (s.second < 0) continue;
      EXPECT_NEAR(y[s.first], y.maxCoeff(), 1e-11);
      EXPECT_LT(s.first, s.second);
    }
    const auto decision = [&](const Eigen::Vector2d& t) {
      const Vector y = evaluate(network, Vector(t));
      Index best = 0;
      if (outputs == 1) return y[0] > 0 ? Index{1} : Index{0};
      y.maxCoeff(&best);
      return best;
    };
    Rng rng(7);
    for (int line = 0; line < 20; ++line) {
      const Eigen::Vector2d a = rng.uniform_vector(2, -2, 2);
      const Eigen::Vector2d b = rng.uniform_vector(2, -2, 2);
      const auto side = [&](const Eigen::Vector2d& p) { return (b - a).x() * (p - a).y() - (b - a).y() * (p - a).x(); };
      std::vector<double> where;
      for (const BoundarySegment& s : segments) {
        const double from = side(s.from);
        const double to = side(s.to);
        if ((from > 0) == (to > 0)) continue;
        const double at = (s.from + from / (from - to) * (s.to - s.from) - a).dot(b - a) / (b - a).squaredNorm();
        if (at > 0 && at < 1) where.push_back(at);
      }
      std::ranges::sort(where);
      where.insert(where.begin(), 0);
      where.push_back(1);
      // Between two crossings the decision is the same everywhere, and across one it changes.
      Index before = -1;
      for (std::size_t i = 0; i + 1 < where.size(); ++i) {
        if (where[i + 1] - where[i] < 1e-9) continue;
        const Index here = decision(a + (where[i] + where[i + 1]) / 2 * (b - a));
        for (const double share : {0.01, 0.3, 0.8, 0.99})
          EXPECT_EQ(decision(a + (where[i] + share * (where[i + 1] - where[i])) * (b - a)), here);
        EXPECT_NE(here, before);
        met += before >= 0 ? 1 : 0;
        before = here;
      }
    }
  }
  EXPECT_GT(met, 200);
}

// y = relu(s) − relu(−s), s = x + y: the boundary runs along the only facet, and comes once.
TEST(DecisionBoundary, AlongAFacetComesOnce) {
  Matrix first(2, 2);
  first << 1, 1, -1, -1;
  Matrix out(1, 2);
  out << 1, -1;
  const Network network = Network::chain({first, out}, {Vector::Zero(2), Vector::Zero(1)});
  const std::vector<BoundarySegment> segments = decision_boundary(Refinement(network, cube(2)));
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_NEAR((segments[0].to - segments[0].from).norm(), 2 * std::sqrt(2.0), 1e-12);
}

TEST(DecisionBoundary, RefusesOtherDomains) {
  EXPECT_THROW(decision_boundary(Refinement(random_chain({3, 4, 1}, Rng(1)), cube(3))), Error);
  EXPECT_THROW(decision_boundary(Refinement(random_chain({2, 4, 1}, Rng(1)), cube(2), Detail::kIncidence)), Error);
}

}  // namespace
}  // namespace unrect
