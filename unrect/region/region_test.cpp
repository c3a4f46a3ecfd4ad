#include "unrect/region/region.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/region/boundary.hpp"
#include "unrect/region/slice.hpp"

namespace unrect {
namespace {

// One network of every kind of node that a region must see through.
std::vector<Network> zoo() {
  Rng rng(11);
  std::vector<Network> networks{random_chain({3, 8, 7, 4}, rng.split(0)), random_chain({2, 5, 3}, rng.split(1)),
                                random_chain({4, 2}, rng.split(2)), random_residual(1, 4, 3, rng.split(3))};
  NetworkBuilder builder(Shape{4});
  int x = builder.add(Dense{rng.normal_matrix(6, 4), rng.normal_vector(6)}, {0});
  x = builder.add(clip(-0.5, 1), {x});
  const int y = builder.add(absolute(), {builder.add(Dense{rng.normal_matrix(6, 6), rng.normal_vector(6)}, {x})});
  const int z = builder.add(Concat{}, {x, y});
  x = builder.add(Maximum{3, {0, 8, 7, 1, 6, -1, 2, 9, 11}}, {z});
  x = builder.add(hard_sigmoid(0.3, 0.5), {x});
  x = builder.add(parametric_relu(Eigen::Vector3d(0.1, -0.5, 2)),
                  {builder.add(Scale{Vector::Constant(3, 4), Vector::Constant(3, -2)}, {x})});
  x = builder.add(soft_threshold(0.2), {x});
  networks.push_back(std::move(builder).build(x));
  return networks;
}

TEST(Region, AffineMapEqualsTheNetwork) {
  Rng rng(1);
  for (const Network& network : zoo()) {
    for (int trial = 0; trial < 20; ++trial) {
      const Vector x = rng.normal_vector(network.input_size());
      const AffineMap map = unrectify(network, x).affine_map();
      const Vector y = evaluate(network, x);
      EXPECT_LT((map(x) - y).norm(), 1e-12 * (1 + y.norm()));
    }
  }
}

TEST(Region, DirectionsAndCotangentsAgreeWithTheMatrix) {
  Rng rng(2);
  for (const Network& network : zoo()) {
    const Region region = unrectify(network, rng.normal_vector(network.input_size()));
    const auto [map, polytope] = region.affine_map_and_polytope();
    EXPECT_LT((map.linear - region.affine_map().linear).norm(), 1e-12 * (1 + map.linear.norm()));
    const Matrix v = rng.normal_matrix(network.input_size(), 3), u = rng.normal_matrix(network.output_size(), 2);
    EXPECT_LT((region.multiply(v) - map.linear * v).norm(), 1e-11 * (1 + map.linear.norm()));
    EXPECT_LT((region.multiply_transposed(u) - map.linear.transpose() * u).norm(), 1e-11 * (1 + map.linear.norm()));
    const Matrix& normals = polytope.halfspaces.normals;
    EXPECT_LT((region.multiply_normals(v) - normals * v).norm(), 1e-11 * (1 + normals.norm()));
    Matrix blocks(normals.rows(), normals.cols());
    region.for_each_normal_block(
        2, [&](Index begin, const Matrix& columns) { blocks.middleCols(begin, columns.cols()) = columns; });
    EXPECT_LT((blocks - normals).norm(), 1e-12 * (1 + normals.norm()));
  }
}

TEST(Region, PolytopeHoldsExactlyThePointsOfTheConfiguration) {
  Rng rng(3);
  for (const Network& network : zoo()) {
    const Vector x = rng.normal_vector(network.input_size());
    const Region region = unrectify(network, x);
    const Halfspaces q = region.polytope().halfspaces;
    EXPECT_TRUE(q.contains(x, 1e-12));
    int inside = 0;
    for (int trial = 0; trial < 400; ++trial) {
      const double reach = trial % 2 ? 0.02 : 0.5;
      const Vector other = x + reach * rng.normal_vector(x.size());
      const bool same = trace(network, other).configuration == region.configuration();
      if (q.contains(other, -1e-9)) {
        EXPECT_TRUE(same);
      }
      if (!q.contains(other, 1e-9)) {
        EXPECT_FALSE(same);
      }
      inside += same;
    }
    EXPECT_TRUE(inside > 0 || network.units() > 40);
  }
}

// HH Example 1: Q_d = {(2D_1 − I)(W_1 x + b_1) ≥ 0} for L = 2; L = 3 adds (2D_2 − I)(W_2 D_1 W_1 x + W_2 D_1 b_1 + b_2)
// ≥ 0.
TEST(Region, Example1OfHeineckeAndHwang) {
  Rng rng(4);
  const Matrix w1 = rng.normal_matrix(5, 3), w2 = rng.normal_matrix(4, 5), w3 = rng.normal_matrix(2, 4);
  const Vector b1 = rng.normal_vector(5), b2 = rng.normal_vector(4), b3 = rng.normal_vector(2),
               x = rng.normal_vector(3);
  const Vector d1 = ((w1 * x + b1).array() > 0).cast<double>();
  const Vector d2 = ((w2 * (w1 * x + b1).cwiseMax(0) + b2).array() > 0).cast<double>();
  const Matrix s1 = (2 * d1.array() - 1).matrix().asDiagonal(), s2 = (2 * d2.array() - 1).matrix().asDiagonal();

  const Region two = unrectify(Network::chain({w1, w3.leftCols(4) * Matrix::Ones(4, 5)}, {b1, b3}), x);
  EXPECT_LT((two.polytope().halfspaces.normals + s1 * w1).norm(), 1e-13);
  EXPECT_LT((two.polytope().halfspaces.offsets - s1 * b1).norm(), 1e-13);

  const Region three = unrectify(Network::chain({w1, w2, w3}, {b1, b2, b3}), x);
  const auto [map, q] = three.affine_map_and_polytope();
  const Matrix p2 = w2 * d1.asDiagonal() * w1;
  const Vector q2 = w2 * d1.asDiagonal() * b1 + b2;
  ASSERT_EQ(q.halfspaces.size(), 9);
  EXPECT_LT((q.halfspaces.normals.topRows(5) + s1 * w1).norm(), 1e-13);
  EXPECT_LT((q.halfspaces.normals.bottomRows(4) + s2 * p2).norm(), 1e-12);
  EXPECT_LT((q.halfspaces.offsets.tail(4) - s2 * q2).norm(), 1e-12);
  EXPECT_LT((map.linear - w3 * d2.asDiagonal() * p2).norm(), 1e-12);
  EXPECT_LT((map.constant - (w3 * d2.asDiagonal() * q2 + b3)).norm(), 1e-12);
}

// HH Example 2: x in the plane, W_1 invertible, second layer such that z_2 = b_2 < 0 where the first layer is off. Four
// polygons; the three with an active unit are cut again, the dead one never is.
TEST(Region, Example2OfHeineckeAndHwang) {
  const Matrix w1 = (Matrix(2, 2) << 1, 0.5, -0.3, 1).finished(), w2 = (Matrix(2, 2) << 1, -1, -1, -2).finished();
  const Vector b1 = Eigen::Vector2d(0.1, -0.2), b2 = Eigen::Vector2d(-0.5, -0.1);
  const Network network = Network::chain({w1, w2, Matrix::Ones(1, 2)}, {b1, b2, Vector::Zero(1)});
  std::set<std::vector<std::vector<std::uint16_t>>> occurring;
  for (int bits = 0; bits < 16; ++bits) {
    const auto bit = [&](int k) { return static_cast<std::uint16_t>(bits >> k & 1); };
    const Region region(network, Configuration{{{bit(0), bit(1)}, {bit(2), bit(3)}}});
    const Halfspaces q = region.polytope().halfspaces;
    const Ball ball = chebyshev_ball(q);
    if (ball.status == BallStatus::kEmpty) {
      EXPECT_TRUE(verify_farkas(q, ball.farkas)) << bits;
    } else {
      EXPECT_TRUE(q.contains(ball.center, 1e-12)) << bits;
      if (ball.radius > 0) occurring.insert(region.configuration().layers);
    }
  }
  std::set<std::vector<std::vector<std::uint16_t>>> sampled;
  Rng rng(5);
  for (int k = 0; k < 200000; ++k) {
    sampled.insert(trace(network, rng.uniform_vector(2, -20, 20)).configuration.layers);
  }
  EXPECT_EQ(occurring, sampled);
  // Off, off: W_2 a_1 = 0, hence z_2 = b_2 < 0 throughout and no second cut.
  int within_dead = 0;
  for (const auto& layers : occurring) within_dead += layers[0] == std::vector<std::uint16_t>{0, 0};
  EXPECT_EQ(within_dead, 1);
  EXPECT_GT(occurring.size(), 4u);
}

TEST(Region, CrossingAFacetFlipsItsUnitsAndNoOthers) {
  Rng rng(6);
  for (const Network& network : zoo()) {
    if (network.units() == 0) continue;
    const Vector x = rng.normal_vector(network.input_size());
    const Region region = unrectify(network, x);
    const RegionPolytope polytope = region.polytope();
    const std::vector<RegionFacet> facets = region_facets(polytope, chebyshev_ball(polytope.halfspaces).center);
    EXPECT_FALSE(facets.empty());
    for (const RegionFacet& facet : facets) {
      const Vector beyond = facet.witness + 1e-9 * (1 + facet.witness.norm()) * facet.normal;
      const Configuration there = trace(network, beyond).configuration;
      Configuration expected = region.configuration();
      for (const Wall& wall : facet.walls) {
        expected.layers[static_cast<std::size_t>(wall.unit.layer)][static_cast<std::size_t>(wall.unit.index)] =
            static_cast<std::uint16_t>(wall.beyond);
      }
      // Layers past the first one that switches see a continuous change, so only the crossed units differ.
      EXPECT_EQ(there, expected) << "layer " << facet.walls[0].unit.layer << " unit " << facet.walls[0].unit.index;
    }
  }
}

TEST(NearestBoundary, IsTheRadiusOfTheBallAroundThePoint) {
  Rng rng(7);
  for (const Network& network : zoo()) {
    if (network.units() == 0) continue;
    const Vector x = rng.normal_vector(network.input_size());
    const Region region = unrectify(network, x);
    const NearestBoundary near = nearest_boundary(region.polytope(), x), blocked = nearest_boundary(region, x, 2);
    EXPECT_NEAR(near.distance, blocked.distance, 1e-10 * (1 + near.distance));
    ASSERT_EQ(near.walls.size(), blocked.walls.size());
    EXPECT_EQ(near.walls[0].unit, blocked.walls[0].unit);
    EXPECT_NEAR((near.point - x).norm(), near.distance, 1e-10 * (1 + near.distance));
    EXPECT_LT((near.point - blocked.point).norm(), 1e-9 * (1 + near.distance));
    for (int k = 0; k < 100; ++k) {
      const Vector step = rng.normal_vector(x.size()).normalized() * near.distance * 0.999999;
      EXPECT_EQ(trace(network, x + step).configuration, region.configuration());
    }
    const Vector across = x + 1.000001 * (near.point - x) + 1e-9 * (near.point - x).normalized();
    EXPECT_NE(trace(network, across).configuration, region.configuration());
  }
}

// A point on a wall of the second layer: the distance is 0, to rounding, and the unit is named.
TEST(NearestBoundary, NamesTheUnitOfAPointOnAWall) {
  Rng rng(12);
  const Network network = random_chain({3, 8, 7, 4}, rng.split(0));
  for (int trial = 0; trial < 50; ++trial) {
    const Vector start = rng.normal_vector(3);
    const Vector on_wall = nearest_boundary(unrectify(network, start).polytope(), start).point;
    const NearestBoundary near = nearest_boundary(unrectify(network, on_wall).polytope(), on_wall);
    ASSERT_FALSE(near.walls.empty());
    EXPECT_GE(near.distance, 0);
    EXPECT_LT(near.distance, 1e-12);
  }
}

// Two units of the second layer are multiples of one unit of the first: walls that are parallel, until products are
// rounded.
TEST(LargestBall, IsNotDeceivedByParallelWallsThatRoundingTilts) {
  Rng rng(13);
  for (int trial = 0; trial < 200; ++trial) {
    const Matrix w0 = rng.normal_matrix(1, 2), w1 = rng.normal_matrix(3, 1), w2 = rng.normal_matrix(2, 3);
    const Network network =
        Network::chain({w0, w1, w2}, {rng.normal_vector(1), rng.normal_vector(3), rng.normal_vector(2)});
    const Region region = unrectify(network, rng.normal_vector(2));
    const RegionBall found = largest_ball(region, region.polytope());
    ASSERT_TRUE(found.verified);
    EXPECT_EQ(trace(network, found.ball.center).configuration, region.configuration());
    // In one dimension, along w0, the walls are points: the region is the interval between the nearest ones.
    const Vector along = w0.row(0).transpose().normalized();
    double low = -std::numeric_limits<double>::infinity(), high = -low;
    const Halfspaces q = region.polytope().halfspaces;
    for (Index i = 0; i < q.size(); ++i) {
      const double a = q.normals.row(i).dot(along);
      if (a > 0) high = std::min(high, q.offsets[i] / a);
      if (a < 0) low = std::max(low, q.offsets[i] / a);
    }
    if (std::isinf(high - low)) {
      EXPECT_EQ(found.ball.status, BallStatus::kUnbounded);
    } else {
      EXPECT_EQ(found.ball.status, BallStatus::kBall);
      EXPECT_NEAR(found.ball.radius, (high - low) / 2, 1e-6 * (1 + high - low));
    }
  }
}

TEST(Trace, SaysWhereTheNetworkOverflows) {
  const Network network = random_chain({2, 3, 1}, Rng(1));
  EXPECT_THROW(trace(network, Vector::Constant(2, 1e308)), Error);
}

TEST(FacetsHit, AreFacets) {
  Rng rng(8);
  for (const Network& network : zoo()) {
    if (network.units() == 0) continue;
    const Vector x = rng.normal_vector(network.input_size());
    const Region region = unrectify(network, x);
    std::set<std::pair<int, Index>> known;
    for (const RegionFacet& facet : region_facets(region.polytope(), x)) {
      for (const Wall& wall : facet.walls) known.insert({wall.unit.layer, wall.unit.index});
    }
    for (const Wall& wall : facets_hit(region, x, 100, rng.split(1))) {
      EXPECT_TRUE(known.contains({wall.unit.layer, wall.unit.index}));
    }
  }
}

// The polygon of a slice against membership of points of the plane.
TEST(SliceRegion, HoldsExactlyThePointsOfTheConfiguration) {
  Rng rng(9);
  for (const Network& network : zoo()) {
    if (network.units() == 0) continue;
    const Vector x = rng.normal_vector(network.input_size());
    const Region region = unrectify(network, x);
    const Plane plane = random_plane(x, 4);
    EXPECT_NEAR(plane.axes.col(0).dot(plane.axes.col(1)), 0, 1e-14);
    const double half = 0.7;
    const RegionPolygon polygon = slice_region(region, plane, half);
    const Index k = polygon.vertices.rows();
    ASSERT_GE(k, 3);
    for (int trial = 0; trial < 500; ++trial) {
      const Vector t = rng.uniform_vector(2, -half, half);
      double inside = 1;  // least signed distance to an edge's line
      for (Index i = 0; i < k; ++i) {
        const Eigen::RowVector2d a = polygon.vertices.row(i), e = polygon.vertices.row((i + 1) % k) - a;
        inside = std::min(inside, (e.x() * (t.y() - a.y()) - e.y() * (t.x() - a.x())) / e.norm());
      }
      if (std::abs(inside) < 1e-9) continue;
      const Vector point = x + plane.axes * t;  // random_plane: the centre is 0
      EXPECT_EQ(inside > 0, trace(network, point).configuration == region.configuration());
      EXPECT_EQ(inside > 0, switched_units(network, region.configuration(), point.transpose())[0] == 0);
    }
    for (Index i = 0; i < k; ++i) {  // beyond the middle of an edge its unit has switched
      if (polygon.cut[static_cast<std::size_t>(i)]) continue;
      const Eigen::RowVector2d a = polygon.vertices.row(i), b = polygon.vertices.row((i + 1) % k), e = b - a;
      if (e.norm() < 1e-6) continue;
      const Vector t = (a + b).transpose() / 2 + Vector(Eigen::Vector2d(e.y(), -e.x())) / e.norm() * 1e-8;
      const Wall& wall = polygon.walls[static_cast<std::size_t>(i)];
      const Configuration there = trace(network, x + plane.axes * t).configuration;
      EXPECT_EQ(there.layers[static_cast<std::size_t>(wall.unit.layer)][static_cast<std::size_t>(wall.unit.index)],
                wall.beyond);
    }
  }
}

TEST(BoundaryUnits, AreTheOnesAtZero) {
  const Network network =
      Network::chain({(Matrix(2, 1) << 1, 1).finished(), Matrix::Ones(1, 2)}, {Eigen::Vector2d(0, 1), Vector::Zero(1)});
  const Trace at_zero = trace(network, Vector::Zero(1));
  const std::vector<Unit> units = boundary_units(network, at_zero);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0], (Unit{0, 0}));
  EXPECT_EQ(at_zero.configuration.layers[0][0], 0);  // the convention of maths 1.2
  EXPECT_TRUE(boundary_units(network, trace(network, Vector::Constant(1, 0.5))).empty());
}

TEST(ParseConfiguration, ReadsDigitsAndNamesWhatIsWrong) {
  const Network network = random_chain({2, 3, 2, 1}, Rng(1));
  const Configuration c = parse_configuration(network, "011,10");
  EXPECT_EQ(c.layers, (std::vector<std::vector<std::uint16_t>>{{0, 1, 1}, {1, 0}}));
  EXPECT_THROW(parse_configuration(network, "011"), Error);
  EXPECT_THROW(parse_configuration(network, "011,1"), Error);
  EXPECT_THROW(parse_configuration(network, "012,10"), Error);
  EXPECT_THROW(parse_configuration(network, "01x,10"), Error);
}

// Walls at 1 and 1 + d, seen from 0: one boundary or two.
Network two_walls(double apart) {
  return Network::chain({Matrix{{1}, {1}}, Matrix::Ones(1, 2)}, {Vector{{-1, -1 - apart}}, Vector::Zero(1)});
}

TEST(NearestBoundary, TakesWallsTogetherToTwelveDigits) {
  const Vector x = Vector::Zero(1);
  const auto walls = [&](double apart) {
    return nearest_boundary(unrectify(two_walls(apart), x).polytope(), x).walls.size();
  };
  EXPECT_EQ(walls(0), 2u);
  EXPECT_EQ(walls(0.9e-12), 2u);
  EXPECT_EQ(walls(1.1e-12), 1u);
}

TEST(FacetsHit, CallsNothingAFacetThatAnotherWallTies) {
  const auto hits = [](double apart) {
    return facets_hit(unrectify(two_walls(apart), Vector::Zero(1)), Vector::Zero(1), 10, Rng(1)).size();
  };
  EXPECT_EQ(hits(0), 0u);
  EXPECT_EQ(hits(0.9e-9), 0u);
  EXPECT_EQ(hits(1.1e-9), 1u);
}

// A strip of width 10⁻¹¹ whose walls are parallel in the network's numbers and tilted in doubles: 10⁶ away they seem to
// be far apart, and the network does not bear it out.
TEST(LargestBall, AFarBallCountsOnlyIfTheNetworkConfirmsIt) {
  Rng rng(14);
  for (int trial = 0; trial < 100; ++trial) {
    const Vector direction = rng.normal_vector(2).normalized();
    const double s = rng.uniform(0.5, 2), t = rng.uniform(0.5, 2);
    const Network network = Network::chain({Matrix(direction.transpose()), Matrix{{s}, {t}}, Matrix::Ones(1, 2)},
                                           {Vector::Zero(1), Vector{{-s, -t * (1 + 1e-11)}}, Vector::Zero(1)});
    const Region region(network, {{{1}, {1, 0}}});
    const RegionBall found = largest_ball(region, region.polytope());
    ASSERT_EQ(found.occurs(), std::optional(true));
    EXPECT_EQ(found.ball.status, BallStatus::kBall);
    EXPECT_NEAR(found.ball.radius, 5e-12, 1e-12);
  }
}

}  // namespace
}  // namespace unrect
