#include "unrect/verify/optimize.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/verify/internal/exact_pass.hpp"
#include "unrect/verify/internal/regions_for_tests.hpp"

namespace unrect {
namespace {

std::vector<InputSet> over(const Box& box) { return {{box, Halfspaces(Matrix(0, box.dimension()), Vector(0))}}; }

// y = |x₀| + |x₁| as four units.
Network diamond() {
  const Matrix w{{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  return Network::chain({w, Matrix::Ones(1, 4)}, {Vector::Zero(4), Vector::Zero(1)});
}
const Objective kUp{Vector::Ones(1)};

// The interval holds the largest value there is, is as narrow as promised, and is attained where it says.
void expect_maximum(const OptimizeResult& result, const Network& network, const Box& box, const Objective& objective,
                    double largest, const std::string& what) {
  ASSERT_EQ(to_string(result.status), "closed") << what << ": " << result.reason;
  const double doubt = 1e-9 * (1 + std::abs(largest));  // of the oracle
  EXPECT_LE(result.lower, largest + doubt) << what;
  EXPECT_GE(result.upper, largest - doubt) << what;
  EXPECT_LE(result.upper - result.lower, 1e-6 * (std::abs(largest) + 1)) << what;
  ASSERT_EQ(result.point.size(), network.input_size()) << what;
  EXPECT_TRUE(box.contains(result.point)) << what;
  const Stages stages = stages_of(network);
  EXPECT_EQ(ExactPass(stages).value(result.point, objective.direction, objective.constant).first, result.lower) << what;
}

TEST(Optimize, EqualsTheListOfRegions) {
  Rng rng(1);
  std::uint64_t done = 0;
  for (std::uint64_t round = 0; done < rounds(150); ++round) {
    Rng own = rng.split(round);
    const Network network =
        round % 4 == 3 ? random_chain({2, 6, 6, 2}, own.split(5)) : network_of_every_kind(own.split(3));
    if (network.input_size() > 3) continue;
    ++done;
    const Box box = cube(network.input_size(), 1);
    const Objective objective{own.normal_vector(network.output_size()), own.uniform(-1, 1)};
    const double largest = largest_by_regions(network, box, objective.direction) + objective.constant;
    expect_maximum(maximize(network, objective, over(box)), network, box, objective, largest,
                   fmt::format("round {}", round));
    const OptimizeResult least = minimize(network, {-objective.direction, -objective.constant}, over(box));
    EXPECT_LE(least.lower, -largest + 1e-9 * (1 + std::abs(largest))) << round;
    EXPECT_GE(least.upper, -largest - 1e-9 * (1 + std::abs(largest))) << round;
  }
}

// Ten inputs: units are split there, not boxes.
TEST(Optimize, EqualsTheListOfRegionsOfManyInputs) {
  Rng rng(2);
  for (std::uint64_t round = 0; round < rounds(12); ++round) {
    Rng own = rng.split(round);
    const Network network = random_chain({10, 5, 4, 2}, own.split(1));
    const Box box = cube(10, 1);
    const Objective objective{own.normal_vector(2)};
    expect_maximum(maximize(network, objective, over(box)), network, box, objective,
                   largest_by_regions(network, box, objective.direction), fmt::format("round {}", round));
  }
}

TEST(Optimize, DoesNotDependOnThreads) {
  for (const Index inputs : {3, 10}) {
    const Network network = random_chain({inputs, 14, 14, 2}, Rng(3));
    const Objective objective{Vector{{1, -1}}};
    Context many;
    many.threads = 5;
    const OptimizeResult one = maximize(network, objective, over(cube(inputs, 1)));
    const OptimizeResult five = maximize(network, objective, over(cube(inputs, 1)), {}, many);
    EXPECT_EQ(to_string(one.status), "closed");
    EXPECT_EQ(one.lower, five.lower);
    EXPECT_EQ(one.upper, five.upper);
    EXPECT_EQ(one.point, five.point);
    EXPECT_EQ(one.nodes, five.nodes);
  }
}

TEST(Optimize, SeveralPointsMayAttainIt) {
  // All four corners of the square; and of a flat top, every point: min(x₀, 0) is 0 for half of the square.
  expect_maximum(maximize(diamond(), kUp, over(cube(2, 1))), diamond(), cube(2, 1), kUp, 2, "corners");
  const Network flat = Network::chain({Matrix{{-1, 0}}, Matrix{{-1}}}, {Vector::Zero(1), Vector::Zero(1)});
  const OptimizeResult result = maximize(flat, kUp, over(cube(2, 1)));
  EXPECT_EQ(to_string(result.status), "closed") << result.reason;
  EXPECT_EQ(result.lower, 0);
  EXPECT_GE(result.upper, 0);
  EXPECT_LE(result.upper, 1e-6);
}

TEST(Optimize, ConstantObjectivesAndNarrowDomains) {
  const Network constant =
      Network::chain({Matrix::Zero(1, 2), Matrix::Zero(1, 1)}, {Vector::Zero(1), Vector::Constant(1, 3)});
  const OptimizeResult three = maximize(constant, {Vector::Ones(1), 0.5}, over(cube(2, 1)));
  EXPECT_EQ(three.lower, 3.5);
  EXPECT_GE(three.upper, 3.5);
  EXPECT_LE(three.upper, 3.5 + 1e-5);
  const OptimizeResult zero = maximize(constant, {Vector::Zero(1)}, over(cube(2, 1)));
  EXPECT_EQ(to_string(zero.status), "closed");
  EXPECT_EQ(zero.lower, 0);
  EXPECT_LE(zero.upper, 1e-6);
  // One point: equal ends. A segment.
  const Box point(Vector{{0.5, -1}}, Vector{{0.5, -1}}), segment(Vector{{-0.5, -1}}, Vector{{0.5, -1}});
  const OptimizeResult at = maximize(diamond(), kUp, over(point));
  EXPECT_EQ(at.lower, 1.5);
  EXPECT_EQ(at.upper, 1.5);
  EXPECT_EQ(at.point, point.lower);
  expect_maximum(maximize(diamond(), kUp, over(segment)), diamond(), segment, kUp, 1.5, "segment");
  const OptimizeResult least = minimize(diamond(), kUp, over(segment));
  EXPECT_EQ(least.upper, 1);
  EXPECT_GE(least.lower, 1 - 1e-5);
}

TEST(Optimize, AGapMayBeAskedFor) {
  OptimizeOptions coarse, none;
  coarse.gap = 0.25;
  none.gap = 0;
  const Network network = random_chain({3, 12, 12, 2}, Rng(4));
  const Objective objective{Vector{{1, 1}}};
  const double largest = largest_by_regions(network, cube(3, 1), objective.direction);
  const OptimizeResult wide = maximize(network, objective, over(cube(3, 1)), coarse);
  EXPECT_EQ(to_string(wide.status), "closed");
  EXPECT_LE(wide.upper - wide.lower, 0.25 * (1 + 1e-12));
  EXPECT_LE(wide.lower, largest + 1e-9);
  EXPECT_GE(wide.upper, largest - 1e-9);
  // As far as rounding lets it.
  const OptimizeResult narrow = maximize(network, objective, over(cube(3, 1)), none);
  EXPECT_LE(narrow.upper - narrow.lower, 1e-9 * (1 + largest)) << narrow.reason;
  EXPECT_GE(narrow.upper, largest - 1e-9);
}

TEST(Optimize, AnIntervalHoldsWhenTimeRunsOut) {
  const Network network = random_chain({12, 60, 60, 60, 1}, Rng(5));
  OptimizeOptions options;
  options.time_limit = 1e-3;
  const OptimizeResult result = maximize(network, kUp, over(cube(12, 1)), options);
  ASSERT_GT(result.point.size(), 0);
  EXPECT_LE(result.lower, result.upper);
  EXPECT_TRUE(std::isfinite(result.upper));
  // What a point attains is below the bound.
  Rng rng(6);
  for (int k = 0; k < 1000; ++k) {
    Vector x(12);
    for (double& each : x) each = rng.uniform(-1, 1);
    EXPECT_LE(evaluate(network, x)[0], result.upper);
  }
}

TEST(Optimize, ConstraintsOnInputsCount) {
  // |x₀| + |x₁| with x₀ + x₁ ≤ 0.5 and x₀ ≥ 0.1: 0.5 + 2 with x₁ = −1.
  InputSet set{Box(Vector{{0.1, -1}}, Vector{{1, 1}}), Halfspaces(Matrix{{1, 1}}, Vector::Constant(1, -0.75))};
  const OptimizeResult result = maximize(diamond(), kUp, {set});
  EXPECT_EQ(to_string(result.status), "closed") << result.reason;
  EXPECT_NEAR(result.lower, 1.25, 1e-6);
  EXPECT_GE(result.upper, 1.25);
  EXPECT_LE(result.point.sum(), -0.75);
  // Nothing is left.
  set.rows.offsets[0] = -1;
  EXPECT_EQ(to_string(maximize(diamond(), kUp, {set}).status), "empty");
  EXPECT_EQ(to_string(maximize(diamond(), kUp, {}).status), "empty");
}

TEST(Optimize, OverAUnionOfSets) {
  const Box left(Vector{{-3, 0}}, Vector{{-2, 1}}), right(Vector{{1, 0}}, Vector{{2, 1}});
  for (const bool swapped : {false, true}) {
    std::vector<InputSet> both{over(left)[0], over(right)[0]};
    if (swapped) std::swap(both[0], both[1]);
    const OptimizeResult most = maximize(diamond(), kUp, both), least = minimize(diamond(), kUp, both);
    EXPECT_EQ(most.lower, 4);
    EXPECT_LE(most.upper, 4 + 1e-5);
    EXPECT_EQ(least.upper, 1);
    EXPECT_GE(least.lower, 1 - 1e-5);
  }
}

TEST(Optimize, WhatOverflowsIsNotBounded) {
  const Network twice = Network::chain({Matrix{{1e200}}, Matrix{{1e200}}}, {Vector::Zero(1), Vector::Zero(1)});
  const OptimizeResult result = maximize(twice, kUp, over(Box(Vector::Zero(1), Vector::Ones(1))));
  EXPECT_EQ(to_string(result.status), "unknown");
  EXPECT_NE(result.reason.find("overflow"), std::string::npos);
  EXPECT_EQ(result.upper, std::numeric_limits<double>::infinity());
}

TEST(Optimize, RefusesWhatDoesNotFit) {
  EXPECT_THROW(maximize(diamond(), {Vector::Ones(2)}, over(cube(2, 1))), Error);
  EXPECT_THROW(maximize(diamond(), kUp, over(cube(3, 1))), Error);
  OptimizeOptions options;
  options.gap = -1;
  EXPECT_THROW(maximize(diamond(), kUp, over(cube(2, 1)), options), Error);
}

TEST(Objective, ReadsSums) {
  const auto read = [](std::string_view text) {
    const Objective o = parse_objective(text, 4);
    return std::vector<double>{o.direction[0], o.direction[1], o.direction[2], o.direction[3], o.constant};
  };
  EXPECT_EQ(read("y0"), (std::vector<double>{1, 0, 0, 0, 0}));
  EXPECT_EQ(read("y0 - y1"), (std::vector<double>{1, -1, 0, 0, 0}));
  EXPECT_EQ(read("2*y0 + 0.5*y3 - 1"), (std::vector<double>{2, 0, 0, 0.5, -1}));
  EXPECT_EQ(read(" -Y_2*3+1e-1 "), (std::vector<double>{0, 0, -3, 0, 0.1}));
  EXPECT_EQ(read("y1+y1-y1"), (std::vector<double>{0, 1, 0, 0, 0}));
  EXPECT_EQ(read("0*y1"), (std::vector<double>{0, 0, 0, 0, 0}));
}

TEST(Objective, RefusesWhatItCannotRead) {
  for (const char* text : {"", "1", "y4", "y", "y0 y1", "x0", "2 y0", "y0 -", "y0 - - y1", "y0*y1", "1e999*y0", "y0 + ",
                           "nan*y0", "inf*y0", "y-1", "y0 + 1e308 + 1e308"}) {
    EXPECT_THROW(parse_objective(text, 4), Error) << text;
  }
  try {
    parse_objective("y0 + z", 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("character 6"), std::string::npos) << error.what();
  }
}

TEST(ExactPass, EnclosesAValueBetweenNeighbours) {
  // 0.1 · 0.1 is no double; 0.5 · 0.5 is one; and what is too large or too small for one.
  struct Case {
    double weight, x;
  };
  for (const Case& c : {Case{0.1, 0.1}, Case{-0.1, 0.1}, Case{0.5, 0.5}, Case{1e-200, 1e-200}, Case{-1e-200, 1e-200},
                        Case{1e200, 1e200}, Case{3, 0}}) {
    const Network network = Network::chain({Matrix{{c.weight}}}, {Vector::Zero(1)});
    const Stages stages = stages_of(network);
    const ExactPass exact(stages);
    const auto [low, high] = exact.value(Vector::Constant(1, c.x), Vector::Ones(1), 0);
    const double product = c.weight * c.x;
    EXPECT_LE(low, high);
    EXPECT_TRUE(low == high || std::nextafter(low, high) == high);
    EXPECT_TRUE(product == low || product == high) << low << " " << product << " " << high;
    const double error = std::fma(c.weight, c.x, -product);
    if (!std::isfinite(product) || error == 0) continue;
    EXPECT_EQ(product, error > 0 ? low : high);
  }
}

// height_k · relu(1 − 300 (|x₀ − c_k0| + |x₁ − c_k1|)), two of them.
Network needles(const Matrix& centers, const Vector& heights) {
  Matrix first(8, 2), second = Matrix::Zero(2, 8);
  Vector offsets(8);
  for (Index k = 0; k < 2; ++k) {
    for (Index i = 0; i < 4; ++i) {
      const double sign = i % 2 == 0 ? 1 : -1;
      first.row(4 * k + i) = sign * Vector::Unit(2, i / 2).transpose();
      offsets[4 * k + i] = -sign * centers(k, i / 2);
      second(k, 4 * k + i) = -300;
    }
  }
  return Network::chain({first, second, heights.transpose()}, {offsets, Vector::Ones(2), Vector::Zero(1)});
}

// A row that is true all over the box, of any scale, changes nothing: the higher peak is found or stays open.
TEST(Optimize, RowsOverInputsDoNotCarryTheBarTooFar) {
  Rng rng(21);
  for (std::uint64_t round = 0; round < 20; ++round) {
    Rng own = rng.split(round);
    Matrix centers(2, 2);
    for (double& c : centers.reshaped()) c = own.uniform(-0.9, 0.9);
    const Network network = needles(centers, Eigen::Vector2d(10, 20));
    const double scale = round % 2 == 0 ? 1 : 1e-3;
    InputSet set{cube(2, 1), Halfspaces(Matrix::Constant(1, 2, scale), Vector::Constant(1, 3 * scale))};
    const OptimizeResult result = maximize(network, kUp, {set});
    EXPECT_GE(result.upper, 20 * (1 - 1e-12)) << round;
    EXPECT_LE(result.lower, 20 * (1 + 1e-12)) << round;
  }
}

// 3 x₀ + 7 x₁ = 1.1 as two rows: no double may lie on it, but inputs do.
TEST(Optimize, WhatWasNotFoundIsNotEmpty) {
  const Network network =
      Network::chain({Matrix{{1, 0.3}, {-1, 0.7}}, Matrix{{1, 2}}}, {Vector{{0, 0.5}}, Vector::Zero(1)});
  const InputSet line{Box(Vector::Zero(2), Vector::Ones(2)), Halfspaces(Matrix{{3, 7}, {-3, -7}}, Vector{{1.1, -1.1}})};
  OptimizeOptions options;
  options.time_limit = 1e-9;
  const OptimizeResult result = maximize(network, kUp, {line}, options);
  EXPECT_NE(result.status, IntervalStatus::kEmpty);
  EXPECT_GE(result.upper, 0.9997);
}

TEST(Optimize, WhatOverflowsIsNeitherClosedNorEmpty) {
  const Network network = Network::chain({Matrix{{1e308}}}, {Vector::Constant(1, 1e308)});
  for (const Box& box : {Box(Vector::Ones(1), Vector::Ones(1)), Box(Vector::Constant(1, 0.9), Vector::Ones(1)),
                         Box(Vector::Constant(1, -20), Vector::Constant(1, -10))}) {
    EXPECT_EQ(to_string(maximize(network, kUp, over(box)).status), "unknown");
    EXPECT_EQ(to_string(minimize(network, kUp, over(box)).status), "unknown");
  }
}

}  // namespace
}  // namespace unrect
