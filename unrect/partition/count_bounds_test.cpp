#include "unrect/partition/count_bounds.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "unrect/base/error.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/explore.hpp"

namespace unrect {
namespace {

double choose(Index n, Index j) {  // Pascal's triangle
  if (j < 0 || j > n) return 0;
  return j == 0 || j == n ? 1 : choose(n - 1, j - 1) + choose(n - 1, j);
}

// Serra et al.'s sum as it is written: every (j_1, …, j_L) with each j_l tried up to n_l.
double serra_by_enumeration(Index k, const std::vector<Index>& widths) {
  std::vector<Index> j(widths.size());
  const std::function<double(std::size_t)> sum = [&](std::size_t l) -> double {
    if (l == widths.size()) {
      double product = 1;
      for (std::size_t i = 0; i < widths.size(); ++i) {
        Index most = std::min(k, widths[i]);
        for (std::size_t m = 0; m < i; ++m) most = std::min(most, widths[m] - j[m]);
        if (j[i] > most) return 0;
        product *= choose(widths[i], j[i]);
      }
      return product;
    }
    double total = 0;
    for (j[l] = 0; j[l] <= widths[l]; ++j[l]) total += sum(l + 1);
    return total;
  };
  return sum(0);
}

TEST(CountBounds, KnownValues) {
  EXPECT_EQ(zaslavsky(2, 4).value, 11);  // 1 + 4 + 6
  EXPECT_EQ(zaslavsky(3, 2).value, 4);   // fewer planes than dimensions: every combination of sides
  EXPECT_EQ(zaslavsky(1, 100).value, 101);
  EXPECT_EQ(montufar_2014_lower(2, {4, 4}).value, 4 * 11);  // ⌊4/2⌋² · 11
  EXPECT_EQ(raghu_2017_upper(2, {1, 4}).value, 2 * 11);
  EXPECT_EQ(montufar_2017_upper(2, {1, 4}).value, 2 * 5);  // behind one unit there is a line
  EXPECT_EQ(serra_2018_upper(2, {1, 4}).value, 5 + 1);     // behind a unit that is off there is a point
}

TEST(CountBounds, SerraIsTheSumOverItsIndexSet) {
  for (const std::vector<Index>& widths :
       {std::vector<Index>{3}, {3, 4}, {2, 5, 3}, {5, 2, 5}, {4, 4, 4}, {1, 1, 1}, {0, 3}, {6, 1, 6, 2}}) {
    for (Index k = 1; k <= 5; ++k)
      EXPECT_EQ(serra_2018_upper(k, widths).value, serra_by_enumeration(k, widths)) << k << " " << widths.size();
  }
}

TEST(CountBounds, EachRefinesTheOneBefore) {
  for (const std::vector<Index>& widths :
       {std::vector<Index>{8}, {8, 8}, {16, 4, 16}, {10, 20, 30}, {3, 30, 3}, {50, 50, 50, 50}}) {
    double units = 0;
    for (const Index n : widths) units += static_cast<double>(n);
    for (const Index k : {1, 2, 5, 40}) {
      const double serra = serra_2018_upper(k, widths).log10;
      EXPECT_LE(montufar_2014_lower(k, widths).log10, serra + 1e-12);
      EXPECT_LE(serra, montufar_2017_upper(k, widths).log10 + 1e-12);
      EXPECT_LE(montufar_2017_upper(k, widths).log10, raghu_2017_upper(k, widths).log10 + 1e-12);
      EXPECT_LE(raghu_2017_upper(k, widths).log10, units * std::log10(2.0) + 1e-12);
    }
  }
}

TEST(CountBounds, LargeCountsAreInfiniteButKeepTheirLogarithm) {
  const BigCount count = raghu_2017_upper(784, {784, 784});  // 2^1568
  EXPECT_TRUE(std::isinf(count.value));
  EXPECT_NEAR(count.log10, 1568 * std::log10(2.0), 1e-9);
  EXPECT_NEAR(serra_2018_upper(784, {2000, 2000}).log10 / montufar_2017_upper(784, {2000, 2000}).log10, 1, 1e-3);
}

TEST(CountBounds, RoundTowardsTheSafeSide) {
  const double power = std::ldexp(1.0, 60);
  EXPECT_GT(zaslavsky(59, 60).value, std::nextafter(power, 0));  // 2^60 − 1 rounds up to 2^60
  EXPECT_LT(montufar_2014_lower(59, {60}).value, power);         // and down below it
}

TEST(CountBounds, WrongSizesAreRefused) {
  EXPECT_THROW(serra_2018_upper(0, {3}), Error);
  EXPECT_THROW(montufar_2014_lower(2, {3, -1}), Error);
}

// One layer whose lines all cross inside a large box: exactly Zaslavsky's number.
TEST(CountBounds, ZaslavskyIsReachedByALayerInGeneralPosition) {
  for (const Index k : {1, 2, 3, 4}) {
    const Network network = random_chain({k, 7, 1}, Rng(static_cast<std::uint64_t>(k)));
    const Box box(Vector::Constant(k, -1e4), Vector::Constant(k, 1e4));
    EXPECT_EQ(static_cast<double>(count_regions(Refinement(network, Domain(box))).regions), zaslavsky(k, 7).value);
  }
}

TEST(CountBounds, UpperBoundsHoldForRandomNetworks) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Rng rng(seed);
    const Index k = 1 + rng.below(3);
    const std::vector<Index> widths{1 + rng.below(7), 1 + rng.below(7), 1 + rng.below(7)};
    const Network network = random_chain({k, widths[0], widths[1], widths[2], 1}, rng.split(1));
    const Box box(Vector::Constant(k, -100), Vector::Constant(k, 100));
    const auto regions = static_cast<double>(count_regions(Refinement(network, Domain(box))).regions);
    EXPECT_LE(regions, serra_2018_upper(k, widths).value) << "seed " << seed;
  }
}

// The folding network of Montúfar et al.: each layer maps [0, 1] onto itself n/1 times, so that it reaches their bound.
TEST(CountBounds, FoldingReachesMontufarsLowerBound) {
  // h(x) = relu(2x), relu(4x − 2): h_1 − h_2 is a tent over [0, 1]; the layers after it read the tent.
  Matrix first(2, 1);
  first << 2, 4;
  Matrix next(2, 2);
  next << 2, -2, 4, -4;
  const Vector bias = Eigen::Vector2d(0, -2);
  const Vector last = Eigen::Vector2d(-0.25, -0.5);  // both breaks inside the folded interval
  Matrix last_weights(2, 2);
  last_weights << 1, -1, 1, -1;
  const Network network =
      Network::chain({first, next, last_weights, Matrix::Ones(1, 2)}, {bias, bias, last, Vector::Zero(1)});
  // All of R: [0, 1] and what is beyond it on either side.
  const Box box(Vector::Constant(1, -1), Vector::Constant(1, 2));
  const auto regions = static_cast<double>(count_regions(Refinement(network, Domain(box))).regions);
  EXPECT_GE(regions, montufar_2014_lower(1, {2, 2, 2}).value);
  EXPECT_LE(regions, serra_2018_upper(1, {2, 2, 2}).value);
}

}  // namespace
}  // namespace unrect
