#include "unrect/base/rng.hpp"

#include <gtest/gtest.h>

namespace unrect {
namespace {

TEST(Rng, SameSeedSameNumbersEverywhere) {
  Rng rng(1);
  EXPECT_EQ(rng.next(), 12966619160104079557ULL);  // reference implementation, seeded by splitmix64(1)
  EXPECT_EQ(rng.next(), 9600361134598540522ULL);
}

TEST(Rng, SplitDoesNotAdvanceAndStreamsDiffer) {
  Rng a(7), b(7);
  Rng first = a.split(0), second = a.split(1);
  EXPECT_NE(first.next(), second.next());
  EXPECT_EQ(a.next(), b.next());
}

TEST(Rng, NormalHasMeanZeroVarianceOne) {
  Rng rng(3);
  const Vector v = rng.normal_vector(200000);
  EXPECT_NEAR(v.mean(), 0, 0.01);
  EXPECT_NEAR(v.squaredNorm() / 200000, 1, 0.02);
}

TEST(Rng, BelowStaysBelow) {
  Rng rng(4);
  std::vector<int> seen(5);
  for (int i = 0; i < 1000; ++i) ++seen[static_cast<std::size_t>(rng.below(5))];
  for (int count : seen) EXPECT_GT(count, 120);
}

}  // namespace
}  // namespace unrect
