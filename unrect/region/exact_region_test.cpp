// Does a configuration occur? Against the partition by rationals, and at the edges of what doubles can tell.
#include "unrect/region/internal/exact_region.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/polytope/internal/whole.hpp"
#include "unrect/region/boundary.hpp"

namespace unrect {
namespace {

// Sums of these are 0 in decimal and not in double, or the other way round.
Matrix cancelling(Rng& rng, Index rows, Index cols) {
  constexpr double kNumbers[] = {0.1, 0.2, -0.3, 0.3, -0.1, 1, -1, 0, 0.7, -0.7};
  return Matrix::NullaryExpr(rows, cols, [&] { return kNumbers[rng.below(10)]; });
}

Configuration configuration_of(const Network& network, std::uint64_t bits) {
  Configuration c;
  for (const int layer : network.layers()) {
    c.layers.emplace_back();
    for (Index i = 0; i < network.node(layer).size; ++i, bits >>= 1) {
      c.layers.back().push_back(static_cast<std::uint16_t>(bits & 1));
    }
  }
  return c;
}

oracle::Pieces flat(const Configuration& c) {
  oracle::Pieces pieces;
  for (const auto& layer : c.layers) pieces.insert(pieces.end(), layer.begin(), layer.end());
  return pieces;
}

Network three_and_two() {
  return Network::chain({Matrix{{0.1}, {0.2}, {1}}, Matrix{{1, 1, -0.3}, {0, 0, 1}}, Matrix::Ones(1, 2)},
                        {Vector::Zero(3), Vector{{-2.7755575615628914e-17, -0.75}}, Vector::Zero(1)});
}

// Unit 1:0 is (0.1 + 0.2 − 0.3) x − 2⁻⁵⁵, with the sum about 2.8e-17 in the network's numbers and 0 or 5.6e-17 when it
// is rounded on the way: it changes sign at x = 1, and is below 0 on (0.75, 1).
TEST(LargestBall, AProofIsAboutTheNetworksOwnNumbers) {
  const Network network = three_and_two();
  for (const std::optional<Box>& box : {std::optional<Box>(), std::optional(Box(Vector{{0}}, Vector{{2}}))}) {
    for (const auto& pieces : {oracle::Pieces{1, 1, 1, 0, 1}, oracle::Pieces{1, 1, 1, 1, 1}}) {
      const Region region(network, {{{pieces.begin(), pieces.begin() + 3}, {pieces.begin() + 3, pieces.end()}}});
      const RegionBall found = largest_ball(region, region.polytope(), box);
      const bool is =
          oracle::partition_of(network, Domain(Box(Vector{{0}}, Vector{{2}}))).configurations.contains(pieces);
      ASSERT_TRUE(found.occurs().has_value());
      EXPECT_EQ(*found.occurs(), is);
      if (is) {
        EXPECT_TRUE(ExactRegion(region, box).missed(found.ball.center).empty());
      }
    }
  }
}

// At 0.75 unit 1:0 is 2⁻⁵⁵ (0.75 − 1) < 0, in doubles above 0; unit 1:1 is at its break.
TEST(SettlePieces, AreThoseOfTheNetworksOwnNumbers) {
  const Network network = three_and_two();
  Configuration c = trace(network, Vector{{0.75}}).configuration;
  EXPECT_EQ(c, (Configuration{{{1, 1, 1}, {1, 0}}}));
  EXPECT_EQ(settle_pieces(network, Vector{{0.75}}, c), (std::vector<Unit>{{1, 1}}));
  EXPECT_EQ(c, (Configuration{{{1, 1, 1}, {0, 0}}}));
  EXPECT_TRUE(settle_pieces(network, Vector{{0.875}}, c).empty());
  EXPECT_EQ(c, (Configuration{{{1, 1, 1}, {0, 1}}}));
}

// Against a pass in rationals, at points where units are at their breaks and next to them.
TEST(SettlePieces, AgreeWithRationals) {
  const Rng root(21);
  int differ = 0, at_breaks = 0;
  for (int trial = 0; trial < 300; ++trial) {
    Rng rng = root.split(static_cast<std::uint64_t>(trial));
    const oracle::Case c = oracle::cancelling_case(rng.split(1));
    const Domain& domain = c.domain;
    Vector t(domain.dimension());
    for (Index j = 0; j < t.size(); ++j) {
      constexpr double kPlaces[] = {0, 0.25, 0.5, 0.75, 1};
      t[j] = domain.box.lower[j] + kPlaces[rng.below(5)] * (domain.box.upper[j] - domain.box.lower[j]);
    }
    const Vector x = domain.point(t);
    const Domain inputs(Box(x, x + Vector::Ones(x.size())));
    Configuration got = trace(c.network, x).configuration;
    const Configuration rounded = got;
    at_breaks += static_cast<int>(settle_pieces(c.network, x, got).size());
    EXPECT_EQ(flat(got), oracle::pieces_at(c.network, inputs, oracle::exact_point(x))) << c.name << " " << trial;
    differ += got != rounded;
  }
  EXPECT_GT(differ, 5);
  EXPECT_GT(at_breaks, 50);
}

TEST(SettlePieces, TheFirstOfEqualsIsAMaximumsPiece) {
  NetworkBuilder builder(Shape{2});
  const int z = builder.add(Dense{Matrix{{1, 0}, {0.1, 0.2}, {0, 1}}, Vector::Zero(3)}, {0});
  const int top = builder.add(Maximum{3, {0, 1, 2}}, {z});
  const Network network = std::move(builder).build(top);
  Configuration c = trace(network, Vector{{1, 1}}).configuration;
  EXPECT_EQ(settle_pieces(network, Vector{{1, 1}}, c), (std::vector<Unit>{{0, 0}}));
  EXPECT_EQ(c.layers[0], std::vector<std::uint16_t>{0});
  EXPECT_TRUE(settle_pieces(network, Vector{{1, 2}}, c).empty());
  EXPECT_EQ(c.layers[0], std::vector<std::uint16_t>{2});
}

// Whether rounding lies in the rows, in the point or in its distances: the ball is within every exact row and the box.
TEST(LargestBall, TheBallHoldsInRationals) {
  const Rng root(22);
  int balls = 0, cut = 0;
  for (int trial = 0; trial < 120; ++trial) {
    Rng rng = root.split(static_cast<std::uint64_t>(trial));
    const Index n = 1 + trial % 3;
    std::vector<Matrix> weights{cancelling(rng, 3, n), cancelling(rng, 2, 3), cancelling(rng, 1, 2)};
    std::vector<Vector> biases{cancelling(rng, 3, 1).col(0), cancelling(rng, 2, 1).col(0), Vector::Zero(1)};
    if (trial % 2 == 0) biases[1] *= 0x1p-52;
    const Network network = Network::chain(weights, biases);
    const double reach = trial % 3 == 0 ? 0x1p-50 : 2;
    const Vector middle = Vector::Constant(n, trial % 3 == 0 ? 0.3 : 0.0);
    const Box box(middle.array() - reach, middle.array() + reach);
    for (std::uint64_t bits = 0; bits < 32; ++bits) {
      const Region region(network, configuration_of(network, bits));
      const RegionPolytope polytope = region.polytope();
      const RegionBall found = largest_ball(region, polytope, box);
      const Ball& ball = found.ball;
      if (found.occurs() != true || ball.radius <= 0) continue;
      ++balls;
      const mpq_class radius(ball.radius);
      for (Index j = 0; j < n; ++j) {
        ASSERT_GE(mpq_class(ball.center[j]) - mpq_class(box.lower[j]), radius) << trial << " " << bits;
        ASSERT_GE(mpq_class(box.upper[j]) - mpq_class(ball.center[j]), radius) << trial << " " << bits;
      }
      ExactRegion exact(region, box);
      for (Index i = 0; i < exact.size(); ++i) {
        const WholeRow& row = exact.row(i).row;
        mpq_class slack = -row.back(), squares = 0;
        for (Index j = 0; j < n; ++j) {
          slack -= row[static_cast<std::size_t>(j)] * mpq_class(ball.center[j]);
          squares += row[static_cast<std::size_t>(j)] * row[static_cast<std::size_t>(j)];
        }
        if (sgn(squares) == 0) continue;
        ASSERT_GT(slack, 0) << trial << " " << bits << " " << i;
        ASSERT_GE(slack * slack, radius * radius * squares) << trial << " " << bits << " " << i;
        cut += slack * slack < radius * radius * squares * mpq_class(1.01);
      }
    }
  }
  EXPECT_GT(balls, 200);
  EXPECT_GT(cut, balls / 2);
}

TEST(LargestBall, AgreesWithThePartitionByRationals) {
  const Rng root(20);
  int occurring = 0, flat_or_tied = 0;
  for (int trial = 0; trial < 60; ++trial) {
    Rng rng = root.split(static_cast<std::uint64_t>(trial));
    const Index n = 1 + trial % 3;
    std::vector<Matrix> weights{cancelling(rng, 3, n), cancelling(rng, 2, 3), cancelling(rng, 1, 2)};
    std::vector<Vector> biases{cancelling(rng, 3, 1).col(0), cancelling(rng, 2, 1).col(0), Vector::Zero(1)};
    if (trial % 4 == 0) biases[1] *= 0x1p-52;
    const Network network = Network::chain(weights, biases);
    const Box box(Vector::Constant(n, -2), Vector::Constant(n, 2));
    const oracle::Partition partition = oracle::partition_of(network, Domain(box));
    for (std::uint64_t bits = 0; bits < 32; ++bits) {
      const Configuration c = configuration_of(network, bits);
      const Region region(network, c);
      const RegionBall found = largest_ball(region, region.polytope(), box);
      ASSERT_TRUE(found.occurs().has_value()) << trial << " " << bits;
      EXPECT_EQ(*found.occurs(), partition.configurations.contains(flat(c))) << trial << " " << bits;
      occurring += *found.occurs();
      flat_or_tied += found.tied.has_value() || found.ball.status == BallStatus::kFlat;
      // What occurs in a box occurs.
      if (!*found.occurs()) continue;
      const RegionBall everywhere = largest_ball(region, region.polytope());
      EXPECT_NE(everywhere.occurs(), std::optional(false)) << trial << " " << bits;
    }
  }
  EXPECT_GT(occurring, 100);
  EXPECT_GT(flat_or_tied, 20);
}

// x + y ≤ 1 and x + y ≥ 1: points, but no interior. Then apart by one unit in the last place, and over by one.
TEST(LargestBall, FlatThinAndEmptyAreToldApart) {
  const auto status = [](double bias) {
    const Network network =
        Network::chain({Matrix{{1, 1}, {1, 1}}, Matrix::Ones(1, 2)}, {Vector{{-1, bias}}, Vector::Zero(1)});
    const Region region(network, {{{0, 1}}});  // x + y ≤ 1, x + y > −bias
    return largest_ball(region, region.polytope());
  };
  EXPECT_EQ(status(-1).ball.status, BallStatus::kFlat);
  EXPECT_EQ(status(-1).occurs(), std::optional(false));
  EXPECT_EQ(status(-1 + 0x1p-53).occurs(), std::optional(true));
  EXPECT_EQ(status(-1 - 0x1p-52).ball.status, BallStatus::kEmpty);
  EXPECT_EQ(status(-1 - 0x1p-52).occurs(), std::optional(false));
}

// Between two neighbouring doubles, far beyond all other walls: empty as far as they let one look, and yet it is there.
TEST(LargestBall, AThinRegionFarAwayIsNotCalledEmpty) {
  for (const double far : {1e5, 1e6, 1e9}) {
    for (const int steps : {1, 0, -1}) {
      const double end = steps == 0 ? far : std::nextafter(far, steps > 0 ? 1e300 : 0);
      const Network network = Network::chain({Matrix{{1}, {2}, {3}, {4}, {5}, {1}, {-1}}, Matrix::Ones(1, 7)},
                                             {Vector{{1, 1, 1, 1, 1, -far, end}}, Vector::Zero(1)});
      const Region region(network, {{{1, 1, 1, 1, 1, 1, 1}}});  // x > −1/5, far < x < end
      EXPECT_EQ(largest_ball(region, region.polytope()).occurs(), std::optional(steps > 0)) << far << ' ' << steps;
    }
  }
}

// A unit that is 0 everywhere is on its lower piece; the other one occurs nowhere, though its inequality 0 ≤ 0 holds.
TEST(LargestBall, AConstantUnitIsOnThePieceOfTheConvention) {
  const Network network = Network::chain({Matrix{{1}, {0}}, Matrix::Ones(1, 2)}, {Vector::Zero(2), Vector::Zero(1)});
  for (const std::uint16_t piece : {std::uint16_t{0}, std::uint16_t{1}}) {
    const Region region(network, {{{1, piece}}});
    const RegionBall found = largest_ball(region, region.polytope());
    EXPECT_EQ(found.occurs(), std::optional(piece == 0));
    EXPECT_EQ(found.tied.has_value(), piece == 1);
  }
  const Network shifted =
      Network::chain({Matrix{{1}, {0}}, Matrix::Ones(1, 2)}, {Vector{{0, -1e-300}}, Vector::Zero(1)});
  const Region excluded(shifted, {{{1, 1}}});
  EXPECT_EQ(largest_ball(excluded, excluded.polytope()).ball.status, BallStatus::kEmpty);
  EXPECT_EQ(largest_ball(excluded, excluded.polytope()).occurs(), std::optional(false));
}

TEST(UnitsWithAWall, ConstantUnitsHaveNone) {
  // 0 everywhere, 2 everywhere, x0, and in the second layer a sum that cancels: max(x0, 0) − max(x0, 0).
  const Network network =
      Network::chain({(Matrix(4, 2) << 0, 0, 0, 0, 1, 0, 1, 0).finished(),
                      (Matrix(2, 4) << 0, 0, 1, -1, 0, 0, 1, 0).finished(), Matrix::Ones(1, 2)},
                     {(Vector(4) << 0, 2, 0, 0).finished(), (Vector(2) << 0, -1).finished(), Vector::Zero(1)});
  const Region region = unrectify(network, (Vector(2) << 1, 0).finished());
  const std::vector<Unit> all{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}};
  EXPECT_EQ(units_with_a_wall(region, all), (std::vector<Unit>{{0, 2}, {0, 3}, {1, 1}}));
  EXPECT_TRUE(units_with_a_wall(region, {}).empty());
}

TEST(LargestBall, AnInputHeldFixedIsNoDimension) {
  const Network network =
      Network::chain({Matrix{{1, 1}, {1, -1}}, Matrix::Ones(1, 2)}, {Vector::Zero(2), Vector::Zero(1)});
  const Box box(Vector{{-1, 0.25}}, Vector{{1, 0.25}});
  const Region region(network, {{{1, 0}}});  // −0.25 < x ≤ 0.25
  const RegionBall found = largest_ball(region, region.polytope(), box);
  EXPECT_EQ(found.occurs(), std::optional(true));
  EXPECT_NEAR(found.ball.radius, 0.25, 1e-12);
  EXPECT_NEAR(found.ball.center[0], 0, 1e-12);
  EXPECT_EQ(found.ball.center[1], 0.25);
  const Region other(network, {{{0, 1}}});  // x ≤ −0.25 and x > 0.25
  const RegionBall none = largest_ball(other, other.polytope(), box);
  EXPECT_EQ(none.occurs(), std::optional(false));
  EXPECT_TRUE(verify_farkas(intersect(other.polytope().halfspaces, Halfspaces(box)), none.ball.farkas));
}

// Weights and biases at either end of the doubles.
TEST(LargestBall, AtEveryScale) {
  for (const double scale : {1e-300, 1e-200, 1e200, 1e299, 0x1p-1070}) {
    const Network network = Network::chain({Matrix{{scale}}, Matrix::Ones(1, 1)}, {Vector{{scale}}, Vector::Zero(1)});
    const Region region = unrectify(network, Vector{{-2}});
    const RegionBall found = largest_ball(region, region.polytope());
    EXPECT_EQ(found.occurs(), std::optional(true)) << scale;
    EXPECT_EQ(region_facets(region.polytope(), found.ball.center).size(), 1u);
    EXPECT_NEAR(nearest_boundary(region.polytope(), Vector{{-2}}).distance, 1, 1e-9);
    EXPECT_NEAR(nearest_boundary(region, Vector{{-2}}).distance, 1, 1e-9);
  }
  const Network mixed =
      Network::chain({Matrix{{1e-200, 2e-200}, {1, 1}}, Matrix::Ones(1, 2)}, {Vector::Zero(2), Vector::Zero(1)});
  const Vector x{{-2, 0.1}};
  for (const NearestBoundary& near :
       {nearest_boundary(unrectify(mixed, x).polytope(), x), nearest_boundary(unrectify(mixed, x), x, 1)}) {
    EXPECT_NEAR(near.distance, 1.8 / std::sqrt(5.0), 1e-12);
    ASSERT_EQ(near.walls.size(), 1u);
    EXPECT_EQ(near.walls[0].unit.index, 0);
    EXPECT_NEAR(near.point.dot(Vector{{1, 2}}), 0, 1e-12);
  }
}

TEST(ExactRegion, MissesNothingAtAWallAndNothingElse) {
  const Network network = three_and_two();
  const Region region(network, {{{1, 1, 1}, {0, 1}}});
  ExactRegion exact(region, std::nullopt);
  EXPECT_EQ(exact.missed(Vector{{0.9}}), std::vector<Index>{});
  EXPECT_EQ(exact.missed(Vector{{0.75}}), (std::vector<Index>{4}));  // on a wall is not inside
  EXPECT_EQ(exact.missed(Vector{{std::nextafter(0.75, 1.0)}}), std::vector<Index>{});
  EXPECT_EQ(exact.missed(Vector{{-1}}), (std::vector<Index>{0, 1, 2}));  // of the first layer alone
}

// A search that may take no effort claims nothing.
TEST(LargestBall, IsUndecidedWithoutEffort) {
  const Network network =
      Network::chain({Matrix{{0.1, 0.2}, {0.1, 0.2}}, Matrix::Ones(1, 2)}, {Vector{{-0.3, 0.3}}, Vector::Zero(1)});
  const Region region(network, {{{1, 0}}});
  const RegionBall found = largest_ball(region, region.polytope(), {}, 0);
  EXPECT_TRUE(!found.occurs() || *found.occurs() == false);
}

}  // namespace
}  // namespace unrect
