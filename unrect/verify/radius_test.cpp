#include "unrect/verify/radius.hpp"

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

double length_of(Norm norm, const Vector& d) {
  if (norm == Norm::kInfinity) return d.lpNorm<Eigen::Infinity>();
  return norm == Norm::kTwo ? d.norm() : d.lpNorm<1>();
}

// y₀ = 1, y₁ = |x₀| + |x₁|: the class of 0 stays up to 1, ½ and 1/√2.
Network diamond() {
  const Matrix w{{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  return Network::chain({w, Matrix{{0, 0, 0, 0}, {1, 1, 1, 1}}}, {Vector::Zero(4), Vector{{1, 0}}});
}

TEST(Radius, OfADiamond) {
  for (const auto& [norm, r] : {std::pair{Norm::kInfinity, 0.5}, {Norm::kTwo, std::sqrt(0.5)}, {Norm::kOne, 1.0}}) {
    RadiusOptions options;
    options.norm = norm;
    options.gap = 1e-4;
    const RadiusResult result = radius(diamond(), Vector::Zero(2), options);
    EXPECT_EQ(to_string(result.status), "closed") << result.reason;
    EXPECT_EQ(result.label, 0);
    EXPECT_EQ(result.other, 1);
    EXPECT_LE(result.lower, r);
    EXPECT_GE(result.upper, r);
    EXPECT_LE(result.upper - result.lower, 1e-4);
    ASSERT_TRUE(result.adversarial);
    EXPECT_TRUE(result.adversarial->real);
    EXPECT_NEAR(length_of(norm, result.adversarial->input), result.upper, 1e-12);
    const Stages stages = stages_of(diamond());
    EXPECT_GE(ExactPass(stages).value(result.adversarial->input, Vector{{-1, 1}}, 0).first, 0);
  }
}

TEST(Radius, EqualsTheListOfRegions) {
  Rng rng(1);
  std::uint64_t done = 0;
  for (std::uint64_t round = 0; done < rounds(30); ++round) {
    Rng own = rng.split(round);
    const Network network =
        round % 2 == 1 ? random_chain({2, 8, 8, 3}, own.split(5)) : network_of_every_kind(own.split(3));
    if (network.input_size() != 2) continue;
    ++done;
    const Vector x{{own.uniform(-1, 1), own.uniform(-1, 1)}};
    Index label = 0;
    evaluate(network, x).maxCoeff(&label);
    for (const Norm norm : {Norm::kInfinity, Norm::kTwo, Norm::kOne}) {
      RadiusOptions options;
      options.norm = norm;
      options.within = cube(2, 1.5);
      const double r = distance_by_regions(network, *options.within, x, label, norm);
      const RadiusResult result = radius(network, x, options);
      EXPECT_EQ(to_string(result.status), "closed") << round << ": " << result.reason;
      if (!std::isfinite(r)) {
        EXPECT_EQ(result.upper, r) << round;
        continue;
      }
      EXPECT_LE(result.lower, r * (1 + 1e-9)) << round << " norm " << static_cast<int>(norm);
      EXPECT_GE(result.upper, r * (1 - 1e-9)) << round << " norm " << static_cast<int>(norm);
      EXPECT_LE(result.upper - result.lower, 1.001e-3 * result.upper) << round;
      if (!result.adversarial) continue;
      EXPECT_LE(length_of(norm, result.adversarial->input - x), result.upper);
      EXPECT_TRUE(options.within->contains(result.adversarial->input));
    }
  }
}

// Nine inputs: units are split there. A margin of three |x_j| and a linear part: the gradient's dual norm.
TEST(Radius, OfManyInputs) {
  const Index n = 9;
  Matrix w = Matrix::Zero(6, n);
  w.topRows(3).leftCols(3).setIdentity();
  w.bottomRows(3).leftCols(3) = -Matrix::Identity(3, 3);
  NetworkBuilder builder(Shape{n});
  const int a = builder.add(relu(), {builder.add(Dense{w, Vector::Zero(6)}, {0})});
  Matrix sum = Matrix::Zero(2, 6), rest = Matrix::Zero(2, n);
  sum.row(1).setOnes();
  rest.row(1).tail(n - 3).setConstant(0.5);
  const int kinks = builder.add(Dense{sum, Vector{{1, 0}}}, {a}),
            linear = builder.add(Dense{rest, Vector::Zero(2)}, {0});
  const Network network = std::move(builder).build(builder.add(Sum{{1, 1}}, {kinks, linear}));
  for (const auto& [norm, r] :
       {std::pair{Norm::kInfinity, 1.0 / 6}, {Norm::kTwo, 1 / std::sqrt(4.5)}, {Norm::kOne, 1.0}}) {
    RadiusOptions options;
    options.norm = norm;
    const RadiusResult result = radius(network, Vector::Zero(n), options);
    EXPECT_LE(result.lower, r);
    EXPECT_GE(result.upper, r);
    EXPECT_EQ(to_string(result.status), "closed") << result.reason;
  }
}

TEST(Radius, IsZeroAtATieAndForAnotherClass) {
  const RadiusResult tie = radius(diamond(), Vector{{0.5, 0.5}});
  EXPECT_EQ(tie.lower, 0);
  EXPECT_EQ(tie.upper, 0);
  EXPECT_EQ(to_string(tie.status), "closed");
  EXPECT_NE(tie.reason.find("tie"), std::string::npos);
  RadiusOptions options;
  options.label = 1;
  const RadiusResult other = radius(diamond(), Vector::Zero(2), options);
  EXPECT_EQ(other.upper, 0);
  EXPECT_EQ(other.other, 0);
  EXPECT_NE(other.reason.find("another class"), std::string::npos);
}

TEST(Radius, IsInfiniteWhereNoOtherClassIs) {
  RadiusOptions options;
  options.within = cube(2, 0.25);
  const RadiusResult result = radius(diamond(), Vector::Zero(2), options);
  EXPECT_EQ(to_string(result.status), "closed") << result.reason;
  EXPECT_GE(result.lower, 0.25);
  EXPECT_EQ(result.upper, std::numeric_limits<double>::infinity());
  // Without a box something is always beyond what was searched.
  const Network constant = Network::chain({Matrix::Zero(2, 2)}, {Vector{{1, 0}}});
  const RadiusResult all = radius(constant, Vector::Zero(2));
  EXPECT_EQ(to_string(all.status), "unknown");
  EXPECT_GE(all.lower, 1e5);
}

TEST(Radius, DoesNotDependOnThreads) {
  const Network network = random_chain({3, 20, 20, 3}, Rng(3));
  Context many;
  many.threads = 5;
  const Vector x = Vector::Constant(3, 0.1);
  const RadiusResult one = radius(network, x), five = radius(network, x, {}, many);
  EXPECT_EQ(one.lower, five.lower);
  EXPECT_EQ(one.upper, five.upper);
  EXPECT_EQ(one.nodes, five.nodes);
}

TEST(Radius, RefusesWhatDoesNotFit) {
  RadiusOptions options;
  EXPECT_THROW(radius(diamond(), Vector::Zero(3)), Error);
  options.label = 2;
  EXPECT_THROW(radius(diamond(), Vector::Zero(2), options), Error);
  options.label = {};
  options.within = cube(2, 1);
  EXPECT_THROW(radius(diamond(), Vector::Constant(2, 2), options), Error);
  EXPECT_THROW(radius(Network::chain({Matrix{{1}}}, {Vector::Zero(1)}), Vector::Zero(1)), Error);
}

// The box of a ball ends at 1e30: nothing is said of what is farther, and inputs that large are refused.
TEST(Radius, SaysNothingOfWhatWasNotSearched) {
  const Network ray = Network::chain({Matrix{{1}, {0}}}, {Vector::Zero(2)});  // y = (x, 0)
  EXPECT_THROW(radius(ray, Vector::Constant(1, 1e31)), Error);
  RadiusOptions options;
  options.within = Box(Vector::Constant(1, -1e36), Vector::Constant(1, 1e36));
  EXPECT_THROW(radius(ray, Vector::Ones(1), options), Error);
  const Network constant = Network::chain({Matrix::Zero(2, 1)}, {Vector{{1, 0}}});
  EXPECT_LE(radius(constant, Vector::Constant(1, 9e28)).lower, 1e30);
}

// Output 1 is 10⁻⁹ below output 0 everywhere, which floats do not see; output 2 is the one that catches up.
TEST(Radius, TheOtherOutputIsTheOneThatIsAsLarge) {
  const Network network = Network::chain({Matrix{{0}, {0}, {1e-6}}}, {Vector{{1, 1 - 1e-9, 1 - 1e-6}}});
  const RadiusResult result = radius(network, Vector::Zero(1));
  EXPECT_EQ(result.other, 2);
  EXPECT_NEAR(result.upper, 1, 1e-2);
}

TEST(Radius, EndsWhereRoundingDecidesNothing) {
  const Network network = Network::chain({Matrix{{1, 0}, {0, 1}, {0, 0}}}, {Vector::Zero(3)});
  const RadiusResult result = radius(network, Eigen::Vector2d(0.5, 0.5 + 0x1p-53));
  EXPECT_LE(result.lower, result.upper);
  EXPECT_LE(result.lower, 0x1p-54 * (1 + 1e-9));
}

}  // namespace
}  // namespace unrect
