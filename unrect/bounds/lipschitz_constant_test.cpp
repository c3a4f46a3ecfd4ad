#include "unrect/bounds/lipschitz_constant.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/bounds/internal/pattern_cone.hpp"
#include "unrect/bounds/internal/slope_search.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/refine.hpp"
#include "unrect/region/region.hpp"

namespace unrect {
namespace {

// The maximum over all regions that the partition lists.
double by_list(const Network& network, const Domain& domain, const LipschitzOptions& options) {
  double largest = 0;
  visit_regions(Refinement(network, domain), [&](RegionView& region) {
    Matrix a = region.map().matrix;
    if (options.margin) a = Matrix(a.row(options.margin->first) - a.row(options.margin->second));
    largest = std::max(largest, induced_norm(a, options.from, options.to));
    return true;
  });
  return largest;
}

Box cube(Index n, double reach) { return {Vector::Constant(n, -reach), Vector::Constant(n, reach)}; }

LipschitzResult by_patterns(const Network& network, const Domain& domain, const LipschitzOptions& options) {
  const Stages stages = stages_of(network);
  const Context context;
  return search_patterns({network, stages, &domain, options, context, std::chrono::steady_clock::now()});
}

void expect_equal(const LipschitzResult& result, double value) {
  EXPECT_EQ(result.status, LipschitzStatus::kClosed);
  EXPECT_LE(result.lower, value * (1 + 1e-12));
  EXPECT_GE(result.upper, value * (1 - 1e-12));
  EXPECT_LE(result.upper, result.lower * (1 + 1e-10) + 1e-280);
}

constexpr std::pair<Norm, Norm> kNorms[] = {{Norm::kTwo, Norm::kTwo},      {Norm::kInfinity, Norm::kInfinity},
                                            {Norm::kOne, Norm::kOne},      {Norm::kOne, Norm::kTwo},
                                            {Norm::kTwo, Norm::kInfinity}, {Norm::kOne, Norm::kInfinity}};

TEST(LipschitzConstant, BothSearchesEqualTheMaximumOverAllRegions) {
  Rng rng(1);
  for (int round = 0; round < 60; ++round) {
    const Index inputs = 1 + rng.below(3), outputs = 1 + rng.below(3);
    const Network network = round % 2 == 0
                                ? random_chain({inputs, 3 + rng.below(4), 2 + rng.below(4), outputs}, rng.split(1), 0.5)
                                : random_chain({inputs, 4, 3, 3, outputs}, rng.split(2), 0.5);
    rng.next();
    const Domain domain(cube(inputs, rng.uniform(0.2, 2)));
    LipschitzOptions options;
    std::tie(options.from, options.to) = kNorms[round % 6];
    if (outputs > 1 && round % 3 == 0) options.margin = {0, outputs - 1};
    const double value = by_list(network, domain, options);
    SCOPED_TRACE(round);
    expect_equal(lipschitz_constant(network, domain, options), value);
    expect_equal(by_patterns(network, domain, options), value);
  }
}

TEST(LipschitzConstant, OfAllInputsIsThatOfAHugeBox) {
  Rng rng(2);
  for (int round = 0; round < 20; ++round) {
    const Network network = random_chain({2, 5, 4, 2}, rng.split(static_cast<std::uint64_t>(round)));
    LipschitzOptions options;
    std::tie(options.from, options.to) = kNorms[round % 6];
    SCOPED_TRACE(round);
    expect_equal(lipschitz_constant(network, std::nullopt, options), by_list(network, Domain(cube(2, 1e6)), options));
  }
}

TEST(LipschitzConstant, OfFourInputsWithoutBiases) {  // cones: every emptiness proof is of rows through one point
  Rng rng(3);
  for (int round = 0; round < 6; ++round) {
    std::vector<Matrix> weights{rng.normal_matrix(6, 4), rng.normal_matrix(5, 6), rng.normal_matrix(2, 5)};
    const Network network = Network::chain(weights, {Vector::Zero(6), Vector::Zero(5), Vector::Zero(2)});
    SCOPED_TRACE(round);
    expect_equal(lipschitz_constant(network, std::nullopt), by_list(network, Domain(cube(4, 1)), {}));
  }
}

// |x₀| − |x₀ − 1| rises by 2 only where both rise: patterns that no input has must not count.
TEST(LipschitzConstant, CountsOnlyPatternsThatExist) {
  Matrix first(4, 1), second(1, 4);
  first << 1, -1, 1, -1;
  second << 1, -1, 1, -1;
  Vector bias(4);
  bias << 0, -1, -2, 1;  // relu(x) − relu(−x − 1) + relu(x − 2) − relu(−x + 1)
  const Network network = Network::chain({first, second}, {bias, Vector::Zero(1)});
  const LipschitzResult all = lipschitz_constant(network, std::nullopt);
  expect_equal(all, by_list(network, Domain(cube(1, 10)), {}));
  EXPECT_LE(all.upper, 2 + 1e-9);  // all four at once: 4
}

TEST(LipschitzConstant, DuplicateAndDeadUnits) {
  Rng rng(4);
  for (int round = 0; round < 10; ++round) {
    Matrix first = rng.normal_matrix(6, 2), second = rng.normal_matrix(4, 6);
    Vector bias = rng.normal_vector(6);
    first.row(1) = first.row(0);  // the same
    bias[1] = bias[0];
    first.row(2) = -2 * first.row(0);  // its opposite
    bias[2] = -2 * bias[0];
    first.row(3).setZero();  // one value everywhere: 0
    bias[3] = 0;
    second.row(3).setZero();
    const Network network =
        Network::chain({first, second, rng.normal_matrix(2, 4)}, {bias, Vector::Zero(4), Vector::Zero(2)});
    const Domain domain(cube(2, 2));
    const double value = by_list(network, domain, {});
    SCOPED_TRACE(round);
    expect_equal(lipschitz_constant(network, domain), value);
    expect_equal(by_patterns(network, domain, {}), value);
  }
}

TEST(LipschitzConstant, ThePointIsInARegionOfThatNorm) {
  const Network network = random_chain({3, 6, 5, 2}, Rng(5));
  for (const bool global : {true, false}) {
    const LipschitzResult result =
        lipschitz_constant(network, global ? std::nullopt : std::optional<Domain>(Domain(cube(3, 1))));
    ASSERT_TRUE(result.point);
    const Region region = unrectify(network, *result.point);
    EXPECT_EQ(region.configuration(), result.configuration);
    EXPECT_NEAR(induced_norm(region.affine_map().linear, Norm::kTwo, Norm::kTwo), result.lower, 1e-10 * result.lower);
  }
}

TEST(LipschitzConstant, DoesNotDependOnThreads) {
  const Network network = random_chain({7, 9, 8, 2}, Rng(6));
  Context two;
  two.threads = 2;
  for (const bool global : {true, false}) {
    const auto where = global ? std::nullopt : std::optional<Domain>(Domain(cube(7, 1)));
    const LipschitzResult a = lipschitz_constant(network, where), b = lipschitz_constant(network, where, {}, two);
    EXPECT_EQ(a.lower, b.lower);
    EXPECT_EQ(a.upper, b.upper);
    EXPECT_EQ(a.nodes, b.nodes);
  }
}

TEST(LipschitzConstant, OnAFlatDomainOnlyItsDirectionsCount) {
  const Network network = random_chain({3, 6, 5, 2}, Rng(7));
  Vector low = Vector::Constant(3, -1), high = Vector::Constant(3, 1);
  low[1] = high[1] = 0.25;
  const Domain domain(Box(low, high));
  ASSERT_EQ(domain.dimension(), 2);
  expect_equal(lipschitz_constant(network, domain), by_list(network, domain, {}));
  // x₀ = x₂: no axis of the inputs.
  Matrix rows(2, 3);
  rows << 1, 0, -1, -1, 0, 1;
  const Domain diagonal(cube(3, 1), Halfspaces(rows, Vector::Zero(2)));
  ASSERT_EQ(diagonal.dimension(), 2);
  const Eigen::MatrixXd gram = diagonal.axes.transpose() * diagonal.axes;
  const Eigen::MatrixXd root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(gram).operatorInverseSqrt();
  double largest = 0;
  visit_regions(Refinement(network, diagonal), [&](RegionView& region) {
    largest = std::max(largest, spectral_norm(Matrix(region.map().matrix * root)));
    return true;
  });
  expect_equal(lipschitz_constant(network, diagonal), largest);
  LipschitzOptions other;
  other.from = other.to = Norm::kInfinity;
  EXPECT_THROW(lipschitz_constant(network, diagonal, other), Error);
}

TEST(LipschitzConstant, ATimeLimitLeavesAProvedInterval) {
  const Network network = random_chain({12, 20, 20, 3}, Rng(8));
  LipschitzOptions options;
  options.time_limit = 1e-9;
  const LipschitzResult result = lipschitz_constant(network, std::nullopt, options);
  EXPECT_EQ(result.status, LipschitzStatus::kTimeLimit);
  EXPECT_LE(result.lower, result.upper);
  LipschitzOptions loose;
  loose.gap = 0.3;
  const LipschitzResult near = lipschitz_constant(network, std::nullopt, loose);
  EXPECT_EQ(near.status, LipschitzStatus::kClosed);
  EXPECT_LE(near.upper, near.lower * 1.3 * (1 + 1e-9));
}

TEST(LipschitzConstant, RefusesNormsThatAreHard) {
  const Network network = random_chain({2, 3, 2}, Rng(9));
  LipschitzOptions options;
  options.from = Norm::kInfinity;
  options.to = Norm::kOne;
  EXPECT_THROW(lipschitz_constant(network, std::nullopt, options), Error);
  options = {};
  options.margin = {0, 2};
  EXPECT_THROW(lipschitz_constant(network, std::nullopt, options), Error);
}

TEST(NormRange, HoldsTheNormAndIsNarrow) {
  Rng rng(10);
  for (int round = 0; round < 200; ++round) {
    const Index rows = 1 + rng.below(8), columns = 1 + rng.below(8);
    MatrixRange range{rng.normal_matrix(rows, columns), Matrix::Zero(rows, columns)};
    range.center *= std::pow(10.0, rng.uniform(-100, 100));
    for (const auto& [from, to] : kNorms) {
      const NormRange norm = norm_range(range, from, to);
      const double value = induced_norm(range.center, from, to);
      EXPECT_LE(norm.low, value * (1 + 1e-14));
      EXPECT_GE(norm.high, value * (1 - 1e-14));
      EXPECT_LE(norm.high, norm.low * (1 + 1e-10));
      EXPECT_TRUE(norm_is_at_most(range, from, to, norm.high));
      EXPECT_FALSE(norm_is_at_most(range, from, to, norm.low * (1 - 1e-12)));
    }
  }
}

// The smallest eigenvalue decides, at its edge and beyond the doubt.
TEST(NormRange, SemidefinitenessIsClaimedOnlyWhereItHolds) {
  Rng rng(11);
  for (int round = 0; round < 100; ++round) {
    const Index n = 2 + rng.below(12);
    const Eigen::MatrixXd half = rng.normal_matrix(n, n - 1);
    Eigen::MatrixXd matrix = half * half.transpose();
    const double size = matrix.diagonal().maxCoeff();
    const double least = 1e-10 * size;
    matrix.diagonal().array() += least;
    EXPECT_TRUE(is_surely_semidefinite(matrix, 0));
    matrix.diagonal().array() -= 1.001 * least;
    EXPECT_FALSE(is_surely_semidefinite(matrix, 0));
    matrix.diagonal().array() += 0.1 * size;
    EXPECT_TRUE(is_surely_semidefinite(matrix, 1e-4));
    EXPECT_FALSE(is_surely_semidefinite(matrix, 10));
  }
}

// 1e-200 relu(1e-200 x): its constant, 1e-400, is no double, and not 0. And what overflows is not closed.
TEST(LipschitzConstant, PaysForWhatUnderflowsAndRefusesWhatOverflows) {
  const auto chain = [](double weight) {
    return Network::chain({Matrix{{weight}}, Matrix{{weight}}}, {Vector::Zero(1), Vector::Zero(1)});
  };
  EXPECT_GT(lipschitz_constant(chain(1e-200), Domain(cube(1, 1))).upper, 0);
  EXPECT_LT(lipschitz_constant(chain(1e-200), Domain(cube(1, 1))).upper, 1e-300);
  EXPECT_THROW(lipschitz_constant(chain(1e200), std::nullopt), Error);
}

}  // namespace
}  // namespace unrect
