#include "unrect/verify/verify.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/bounds/internal/relaxation.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/verify/internal/box_search.hpp"
#include "unrect/verify/internal/regions_for_tests.hpp"
#include "unrect/verify/internal/unit_search.hpp"
#include "unrect/verify/internal/witness_judge.hpp"

namespace unrect {
namespace {

SearchOutcome searched(const Network& network, const Property& property, bool units) {
  const Stages stages = stages_of(network);
  const BoundGraph graph(stages);
  const WitnessJudge judge(network, stages);
  const Query query(property.cases[0]);
  const Attack attack(graph, query);
  const Context context;
  const auto judged = [&](const VectorRef& point, double depth) -> std::optional<double> {
    return depth >= 0 && judge.judge(query, point) ? std::nullopt : std::optional(0.0);
  };
  const SearchTask task{graph, query, attack, context, std::chrono::steady_clock::time_point::max(), judged};
  return units ? search_units(task) : search_boxes(task);
}

// Networks of every kind of node over a box of at most three inputs, so that all regions can be listed.
TEST(Verify, SaysWhatTheListOfRegionsSays) {
  Rng rng(1);
  int decided = 0;
  for (std::uint64_t round = 0; decided < 240; ++round) {
    Rng own = rng.split(round);
    const Network network =
        round % 4 == 3 ? random_chain({2, 6, 6, 2}, own.split(5)) : network_of_every_kind(own.split(3));
    if (network.input_size() > 3) continue;
    const Box box = cube(network.input_size(), 1);
    const Vector direction = own.normal_vector(network.output_size());
    const double largest = largest_by_regions(network, box, direction);
    const double step = 1e-4 * (1 + std::abs(largest));
    const VerifyResult below = verify(network, property_of(network, box, {at_least(direction, largest + step)}));
    ASSERT_EQ(to_string(below.verdict), "unsat") << round << ": " << below.reason;
    const VerifyResult above = verify(network, property_of(network, box, {at_least(direction, largest - step)}));
    ASSERT_EQ(to_string(above.verdict), "sat") << round << ": " << above.reason;
    ASSERT_TRUE(above.witness->real);
    ++decided;
  }
}

TEST(Verify, BothEnginesSayTheSame) {
  Rng rng(2);
  for (std::uint64_t round = 0; round < 60; ++round) {
    Rng own = rng.split(round);
    const Network network = random_chain({2, 8, 8, 2}, own.split(1));
    const Vector direction = own.normal_vector(2);
    const double largest = largest_by_regions(network, cube(2, 1), direction);
    for (const double threshold : {largest + 1e-3, largest - 1e-2}) {
      const Property property = property_of(network, cube(2, 1), {at_least(direction, threshold)});
      for (const bool units : {false, true}) {
        const SearchOutcome outcome = searched(network, property, units);
        EXPECT_EQ(outcome.kind, threshold > largest ? SearchOutcome::Kind::kRefuted : SearchOutcome::Kind::kTaken)
            << "round " << round << (units ? " units " : " boxes ") << outcome.reason;
      }
    }
  }
}

// Properties made by hand: each part that does not fit is named, before anything is computed with it.
TEST(Verify, RefusesPropertiesWhosePartsDoNotFit) {
  const Network network = random_chain({2, 4, 2}, Rng(1));
  const Property good = property_of(network, cube(2, 1), {at_least(Eigen::Vector2d(1, 0), 1)});
  const auto said = [&](const auto& change) {
    Property property = good;
    change(property);
    try {
      verify(network, property);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(said([](Property&) {}), "");
  EXPECT_EQ(said([](Property& p) { p.outputs = 3; }),
            "the property is about 2 inputs and 3 outputs, the network has 2 and 2");
  for (const Index size : {1, 3})
    EXPECT_EQ(said([&](Property& p) { p.cases[0].box = cube(size, 1); }),
              fmt::format("case 0 of the property: a box of {} numbers; expected 2", size));
  EXPECT_EQ(said([](Property& p) { p.cases[0].input_rows = Halfspaces(Matrix::Ones(1, 3), Vector::Ones(1)); }),
            "case 0 of the property: rows over inputs of 3 numbers; expected 2");
  EXPECT_EQ(said([](Property& p) { p.cases[0].unsafe_outputs[0] = Halfspaces(Matrix::Ones(1, 3), Vector::Ones(1)); }),
            "case 0 of the property: rows over outputs of 3 numbers; expected 2");
  EXPECT_NE(said([](Property& p) { p.cases[0].unsafe_outputs.clear(); }).find("has no unsafe set"), std::string::npos);
}

TEST(Verify, DoesNotDependOnThreads) {
  const Network network = random_chain({3, 20, 20, 2}, Rng(3));
  const Vector direction = Eigen::Vector2d(1, -1);
  const double largest = largest_by_regions(network, cube(3, 1), direction);
  const Property property = property_of(network, cube(3, 1), {at_least(direction, largest + 1e-3)});
  Context many;
  many.threads = 5;
  const VerifyResult one = verify(network, property), five = verify(network, property, {}, many);
  EXPECT_EQ(one.verdict, Verdict::kUnsat);
  EXPECT_EQ(five.verdict, one.verdict);
  EXPECT_EQ(five.nodes, one.nodes);
}

// y = |x₀| + |x₁| as four units.
Network diamond() {
  const Matrix w{{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  return Network::chain({w, Matrix::Ones(1, 4)}, {Vector::Zero(4), Vector::Zero(1)});
}

TEST(Verify, AThresholdThatIsAttainedIsUnsafe) {
  const Vector up = Vector::Ones(1);
  EXPECT_EQ(verify(diamond(), property_of(diamond(), cube(2, 1), {at_least(up, 2)})).verdict, Verdict::kSat);
  const VerifyResult result = verify(diamond(), property_of(diamond(), cube(2, 1), {at_least(up, 2)}));
  EXPECT_TRUE(result.witness->real);
  EXPECT_FALSE(result.witness->strict);
  EXPECT_EQ(
      verify(diamond(), property_of(diamond(), cube(2, 1), {at_least(up, std::nextafter(2.0, 3.0) + 1e-12)})).verdict,
      Verdict::kUnsat);
}

TEST(Verify, ConstantOutputsAndEmptySets) {
  const Network constant =
      Network::chain({Matrix::Zero(1, 2), Matrix::Zero(1, 1)}, {Vector::Zero(1), Vector::Constant(1, 3)});
  const Vector up = Vector::Ones(1);
  EXPECT_EQ(verify(constant, property_of(constant, cube(2, 1), {at_least(up, 3)})).verdict, Verdict::kSat);
  EXPECT_EQ(verify(constant, property_of(constant, cube(2, 1), {at_least(up, 3.0000001)})).verdict, Verdict::kUnsat);
  // Two rows that contradict each other; no case at all; a set without rows.
  Halfspaces nothing(Matrix{{1}, {-1}}, Eigen::Vector2d(0, -1));
  EXPECT_EQ(verify(constant, property_of(constant, cube(2, 1), {nothing})).verdict, Verdict::kUnsat);
  EXPECT_EQ(verify(constant, Property{2, 1, {}}).verdict, Verdict::kUnsat);
  EXPECT_EQ(verify(constant, property_of(constant, cube(2, 1), {Halfspaces(Matrix(0, 1), Vector(0))})).verdict,
            Verdict::kSat);
}

TEST(Verify, ThinDomains) {
  // A point, and a segment: 1.5 is |x₀| + |x₁| there.
  const Vector up = Vector::Ones(1);
  const Box point(Eigen::Vector2d(0.5, -1), Eigen::Vector2d(0.5, -1)),
      segment(Eigen::Vector2d(-0.5, -1), Eigen::Vector2d(0.5, -1));
  for (const Box& box : {point, segment}) {
    EXPECT_EQ(verify(diamond(), property_of(diamond(), box, {at_least(up, 1.5)})).verdict, Verdict::kSat);
    EXPECT_EQ(verify(diamond(), property_of(diamond(), box, {at_least(up, 1.5000001)})).verdict, Verdict::kUnsat);
  }
}

TEST(Verify, ConstraintsOnInputsCount) {
  // |x₀| + |x₁| ≥ 1.2 with x₀ + x₁ ≤ 0 and x₀ ≥ 0.1: only where x₁ is below −1.1 or so.
  Property property =
      property_of(diamond(), Box(Eigen::Vector2d(0.1, -1), Eigen::Vector2d(1, 1)), {at_least(Vector::Ones(1), 1.2)});
  property.cases[0].input_rows = Halfspaces(Matrix{{1, 1}}, Vector::Zero(1));
  const VerifyResult sat = verify(diamond(), property);
  ASSERT_EQ(sat.verdict, Verdict::kSat);
  EXPECT_LE(sat.witness->input.sum(), 0);
  property.cases[0].unsafe_outputs = {at_least(Vector::Ones(1), 2.0001)};
  EXPECT_EQ(verify(diamond(), property).verdict, Verdict::kUnsat);
}

// Infinities and NaNs on the way to a bound are no proof: each of these properties can be violated.
TEST(Verify, WhatOverflowsIsNotRefuted) {
  struct Case {
    Network network;
    Box box;
    Vector direction;
    double threshold;
  };
  const Vector one = Vector::Ones(1);
  const Box tiny(Vector::Zero(1), Vector::Constant(1, 1e-300));
  const Network twice = Network::chain({Matrix{{1e200}}, Matrix{{1e200}}}, {Vector::Zero(1), Vector::Zero(1)});
  const Network signs = Network::chain({Matrix{{1e200}, {1e200}}, Matrix{{1e200, -1e200}}, Matrix{{1}}},
                                       {Vector{{0, -1e-150}}, Vector::Zero(1), Vector::Zero(1)});
  NetworkBuilder builder(Shape{1});
  const int z = builder.add(Dense{Matrix{{1e10}}, Vector::Zero(1)}, {0});
  const Network leaky = std::move(builder).build(builder.add(leaky_relu(0.5), {z}));
  const std::vector<Case> cases{
      {Network::chain({Matrix{{-3e21, 1e21}, {0, -3e99}}}, {Vector{{-3e-19, 0}}}), cube(2, 1e300), Vector{{1, 0}}, 0},
      {twice, tiny, one, 1e99},
      {signs, tiny, one, 0},
      {leaky, cube(1, 1e300), one, 1e200},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const Property property = property_of(c.network, c.box, {at_least(c.direction, c.threshold)});
    VerifyOptions options;
    options.time_limit = 20;
    EXPECT_NE(verify(c.network, property, options).verdict, Verdict::kUnsat) << i;
    for (const bool units : {false, true})
      EXPECT_NE(searched(c.network, property, units).kind, SearchOutcome::Kind::kRefuted) << i << units;
  }
}

TEST(Verify, RefusesAnotherNetworksProperty) { EXPECT_THROW(verify(diamond(), Property{3, 1, {}}), Error); }

// The rounding term is what keeps these below: a bound over a single point leaves no other slack.
TEST(Relaxation, BoundsHoldInExactArithmetic) {
  Rng rng(4);
  for (std::uint64_t round = 0; round < 200; ++round) {
    Rng own = rng.split(round);
    const Network network = random_chain({3, 9, 9, 2}, own.split(1));
    const Stages stages = stages_of(network);
    const BoundGraph graph(stages);
    const Vector x = own.normal_vector(3), direction = own.normal_vector(2);
    Relaxation relaxation(graph, Box(x, x));
    Minorants bound;
    relaxation.minimize(relaxation.root(), {direction.transpose(), Vector::Zero(1)}, bound);
    const ExactPass exact(stages);
    // value ≤ direction · M(x), and close to it.
    EXPECT_GE(exact.sides(x, {at_least(direction, bound.value[0])})[0], 0) << round;
    EXPECT_LT(exact.sides(x, {at_least(direction, bound.value[0] + 1e-10)})[0], 0) << round;
  }
}

TEST(Witness, FloatsStayInTheirInterval) {
  const double third = 1.0 / 3;
  EXPECT_EQ(nearest_float(third, 0, 1), static_cast<double>(1.0F / 3.0F));
  // The nearest float32 of 1/3 is above it.
  EXPECT_LE(nearest_float(third, 0, third), third);
  EXPECT_EQ(nearest_float(third, third, third), third);  // none in between
  EXPECT_EQ(nearest_float(5, 0, 1), 1);
}

TEST(Witness, ExactPassSeesWhatDoublesDoNot) {
  // y = (x + 1) − x with x = 2⁶⁰: 1 in whole numbers, 0 in doubles.
  const double big = std::ldexp(1.0, 60);
  const Network network = Network::chain({Matrix{{1}, {1}}, Matrix{{1, -1}}}, {Eigen::Vector2d(1, 0), Vector::Zero(1)});
  const Stages stages = stages_of(network);
  const ExactPass exact(stages);
  const Vector x = Vector::Constant(1, big), up = Vector::Ones(1);
  EXPECT_EQ(exact.sides(x, {at_least(up, 1), at_least(up, 0.5), at_least(up, 1.5)}), (std::vector<int>{0, 1, -1}));
}

TEST(Witness, AFloatThatOverflowsIsNoNumberToCompare) {
  // y = x by way of 1e65 x, which is infinite in float32; y = ∞ − ∞ there.
  for (const double sign : {1.0, -1.0}) {
    const Network network = Network::chain({Matrix{{1e65}, {2e65}}, Matrix{{sign * 1e-65, 0}, {-1e65, 1e65}}},
                                           {Vector::Zero(2), Vector::Zero(2)});
    const VerifyResult result = verify(network, property_of(network, cube(1, 1), {at_least(Vector{{sign, 0}}, 0.25)}));
    ASSERT_EQ(result.verdict, Verdict::kSat);
    EXPECT_TRUE(result.witness->real);
    EXPECT_FALSE(result.witness->float32);
  }
}

TEST(Witness, AnInputBeyondFloatIsRealOnly) {
  const Network network = Network::chain({Matrix{{1, 0}}, Matrix{{1}}}, {Vector::Zero(1), Vector::Zero(1)});
  const VerifyResult result = verify(
      network, property_of(network, Box(Vector{{0, 1e60}}, Vector{{1, 1e60}}), {at_least(Vector::Ones(1), 0.5)}));
  ASSERT_EQ(result.verdict, Verdict::kSat);
  EXPECT_TRUE(result.witness->real);
  EXPECT_FALSE(result.witness->float32);
  EXPECT_FALSE(result.witness->representable);
}

TEST(Witness, WhatIsNoPointIsNoWitness) {
  const Network network = Network::chain({Matrix{{1}}, Matrix{{1}}}, {Vector::Zero(1), Vector::Zero(1)});
  const Stages stages = stages_of(network);
  const WitnessJudge judge(network, stages);
  const Property property = property_of(network, cube(1, 1), {at_least(Vector::Ones(1), 0)});
  const Query query(property.cases[0]);
  EXPECT_TRUE(judge.judge(query, Vector::Ones(1)));
  for (const double x : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_FALSE(judge.judge(query, Vector::Constant(1, x)));
}

TEST(Witness, AValueThatFloatsMissIsRealOnly) {
  // y = (x + 1) − x for x around 2²⁵: 1 exactly, 0 in float32.
  const double big = std::ldexp(1.0, 25);
  const Network network = Network::chain({Matrix{{1}, {1}}, Matrix{{1, -1}}}, {Eigen::Vector2d(1, 0), Vector::Zero(1)});
  const VerifyResult result =
      verify(network, property_of(network, Box(Vector::Constant(1, big), Vector::Constant(1, big + 64)),
                                  {at_least(Vector::Ones(1), 0.75)}));
  ASSERT_EQ(result.verdict, Verdict::kSat);
  EXPECT_TRUE(result.witness->real);
  EXPECT_FALSE(result.witness->float32);
}

}  // namespace
}  // namespace unrect
