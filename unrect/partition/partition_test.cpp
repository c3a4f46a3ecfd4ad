#include "unrect/partition/partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/internal/region_recorder.hpp"
#include "unrect/partition/region_graph.hpp"
#include "unrect/region/internal/pieces_for_tests.hpp"

namespace unrect {
namespace {

constexpr Columns kAll{true, true, true};

TEST(Partition, DescribesEveryRegionOfTheCount) {
  const Network network = random_chain({3, 9, 8, 2}, Rng(1));
  const Refinement refinement(network, cube(3));
  const Partition partition = partition_of(refinement, kAll);
  EXPECT_EQ(partition.regions, count_regions(refinement).regions);
  std::set<std::vector<std::uint16_t>> seen;
  for (std::size_t r = 0; r < partition.regions; ++r) {
    const Vector t = partition.point(r).value();
    const std::vector<std::uint16_t> pieces = partition.pieces.row(r);
    EXPECT_EQ(pieces, pieces_at(network, t));
    EXPECT_TRUE(seen.insert(pieces).second);
    const ParameterMap map = partition.map(r);
    EXPECT_LE((map.matrix * t + map.constant - evaluate(network, t)).norm(), 1e-12);
    EXPECT_LE((partition.vertices_of(r).colwise().mean().transpose() - t).norm(), 1e-12);
    EXPECT_GE(partition.facet_starts[r + 1] - partition.facet_starts[r], 4u);
  }
}

TEST(Partition, IsTheSameForAnyNumberOfThreads) {
  const Network network = random_chain({2, 32, 32, 1}, Rng(2));
  for (const Detail detail : {Detail::kRegions, Detail::kIncidence}) {
    const Refinement refinement(network, cube(2), detail);
    const Partition one = partition_of(refinement, kAll, {1, 0, {}});
    ASSERT_GT(one.regions, 1000u);  // several work units
    EXPECT_EQ(one, partition_of(refinement, kAll, {3, 0, {}}));
    // The order is that of one thread's walk.
    std::size_t r = 0;
    visit_regions(refinement,
                  [&](RegionView& region) { return std::ranges::equal(region.pieces(), one.pieces.row(r++)); });
    EXPECT_EQ(r, one.regions);
  }
}

// Cells of half-spaces carry witnesses and proofs from one to the next: not across units of work.
TEST(Partition, InManyDimensionsIsTheSameForAnyNumberOfThreads) {
  const Network network = random_chain({7, 9, 9, 2}, Rng(5));
  const Refinement refinement(network, cube(7));
  const Columns columns{false, true, true};
  const Partition one = partition_of(refinement, columns);
  EXPECT_GT(one.regions, 2000u);
  for (const int threads : {2, 3}) {
    Context context;
    context.threads = threads;
    EXPECT_EQ(partition_of(refinement, columns, context), one);
    EXPECT_EQ(count_regions(refinement, context), count_regions(refinement));
  }
}

// A wall of a maximum lies between two of its inputs; what it switches is the unit.
TEST(Partition, WallsOfAMaximumNameTheUnit) {
  NetworkBuilder builder({2});
  const int lines = builder.add(Dense{(Matrix(4, 2) << 1, 0, 0, 1, -1, 0, 0, -1).finished(), Vector::Zero(4)}, {0});
  const int most = builder.add(Maximum{4, {0, 1, 2, 3}}, {lines});
  const Network network = std::move(builder).build(most);
  const Partition partition = partition_of(Refinement(network, cube(2)), kAll);
  EXPECT_EQ(partition.regions, 4u);
  for (const std::int32_t unit : partition.facet_units) EXPECT_LE(unit, 0);
}

TEST(Partition, UnitsWithManyPiecesGetTwoBytes) {
  Piecewise stairs{"Stairs", Matrix(1, 299), Matrix(1, 300), Matrix::Zero(1, 300)};
  for (Index b = 0; b < 299; ++b) stairs.breaks(0, b) = static_cast<double>(b);
  for (Index p = 0; p < 300; ++p) stairs.slopes(0, p) = static_cast<double>(p % 2);
  for (Index p = 1; p < 300; ++p)
    stairs.offsets(0, p) =
        stairs.offsets(0, p - 1) + (stairs.slopes(0, p - 1) - stairs.slopes(0, p)) * stairs.breaks(0, p - 1);
  NetworkBuilder builder({1});
  const int node = builder.add(stairs, {0});
  const Network network = std::move(builder).build(node);
  const Refinement refinement(network, Domain(Box(Vector::Constant(1, -1), Vector::Constant(1, 400))),
                              Detail::kIncidence);
  const Partition partition = partition_of(refinement, {false, true, true});
  ASSERT_EQ(partition.regions, 300u);
  ASSERT_TRUE(partition.pieces.wide());
  for (std::size_t r = 0; r < 300; ++r) EXPECT_EQ(partition.pieces(r, 0), r);
  EXPECT_EQ(arrays_of(partition).at("pieces").type, DType::kUInt16);
  const Adjacency graph = adjacency(partition);
  EXPECT_EQ(graph.pairs.size(), 299u);
  EXPECT_EQ(graph.units, std::vector<std::uint32_t>(299, 0));
  EXPECT_EQ(distinct_maps(refinement, partition, graph).count, 300u);
}

TEST(Partition, TooManyRegionsAndCancellingAreErrors) {
  const Refinement refinement(random_chain({2, 16, 16, 1}, Rng(3)), cube(2));
  const std::uint64_t regions = count_regions(refinement).regions;
  EXPECT_EQ(partition_of(refinement, {}, {}, regions).regions, regions);
  EXPECT_THROW(partition_of(refinement, {}, {}, regions - 1), Error);
  EXPECT_THROW(partition_of(refinement).map(0), Error);
}

TEST(Partition, ArraysSayWhatThePartitionSays) {
  const Refinement refinement(random_chain({2, 6, 3}, Rng(4)), cube(2));
  const Partition partition = partition_of(refinement, kAll);
  const ArrayMap arrays = arrays_of(partition);
  EXPECT_EQ(arrays.at("matrices").shape, (std::vector<Index>{static_cast<Index>(partition.regions), 3, 2}));
  const Vector pieces = arrays.at("pieces").to_vector();
  const Vector points = arrays.at("points").to_vector();
  for (std::size_t r = 0; r < partition.regions; ++r) {
    EXPECT_EQ(points[static_cast<Index>(2 * r) + 1], (*partition.point(r))[1]);
    for (std::size_t u = 0; u < 6; ++u) EXPECT_EQ(pieces[static_cast<Index>(6 * r + u)], partition.pieces(r, u));
  }
  EXPECT_EQ(arrays.at("facet_starts").to_vector().tail(1)[0], static_cast<double>(partition.facet_units.size()));
  EXPECT_FALSE(arrays_of(partition_of(refinement)).contains("vertices"));
}

TEST(Partition, CellsSayUpToWhichDimensionTheyAreThere) {
  for (const Index k : {kMostVertexDimensions + 1, Index{64}, Index{784}}) {
    const Network network = random_chain({k, 2, 1}, Rng(1));
    EXPECT_THROW(Refinement(network, cube(k), Detail::kIncidence), Error) << k;
    const Refinement refinement(network, cube(k));
    EXPECT_THROW(Worker(refinement, Cells::kVertices), Error) << k;
    EXPECT_EQ(Worker(refinement, Cells::kHalfspaces).run({}, ~std::uint64_t{0}).counts.regions, 4u) << k;
    EXPECT_THROW(RegionRecorder(refinement, {.vertices = true}), Error) << k;
  }
  const Network network = random_chain({kMostVertexDimensions, 2, 1}, Rng(1));
  const Refinement most(network, cube(kMostVertexDimensions), Detail::kIncidence);
  EXPECT_EQ(Worker(most, Cells::kVertices).run({}, ~std::uint64_t{0}).counts.regions, 4u);
  const Refinement few(random_chain({kFewDimensions, 2, 1}, Rng(1)), cube(kFewDimensions));
  EXPECT_GT(partition_of(few, {.vertices = true}).vertices.size(), 0u);
}

TEST(Partition, ARefusalNamesWhatWasAskedFor) {
  NetworkBuilder builder(Shape{2});
  const int last = builder.add(Maximum{2, {0, 1}}, {0});
  const Network network = std::move(builder).build(last);
  const Refinement refinement(network, cube(2));
  const auto message_of = [](const std::function<void()>& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      return error.what();
    }
    return "no error";
  };
  const std::string distinct = message_of([&] { require_relu_like(refinement.stages(), "--distinct-maps"); });
  EXPECT_EQ(distinct, "--distinct-maps: not there for layer 0 (Maximum): ReLU-like layers only");
  EXPECT_EQ(message_of([&] { Refinement(network, cube(2), Detail::kIncidence); }).find("certificat"),
            std::string::npos);
  EXPECT_EQ(message_of([&] { RegionRecorder(refinement, {.keys = true}); }).find("certificat"), std::string::npos);
}

// .1 + .2 − .3 is not 0 in doubles' own numbers, and here it decides: a region of 1/4 whose walls a sweep in doubles
// puts elsewhere. What is handed out of it is its own, whatever the cells.
TEST(Partition, PointsAndVerticesOfACancellingNetwork) {
  Matrix first(3, 1);
  first << .1, .2, 1;
  Matrix second(2, 3);
  second << 1, 1, -.3, 0, 0, 1;
  Vector bias(2);
  bias << -2.7755575615628914e-17, -.75;
  for (const Index k : {1, 2, 3}) {
    Matrix wide = Matrix::Zero(3, k);
    wide.col(0) = first;
    const Network network =
        Network::chain({wide, second, Matrix::Ones(1, 2)}, {Vector::Zero(3), bias, Vector::Zero(1)});
    const Refinement refinement(network, Domain(Box(Vector::Zero(k), Vector::Constant(k, 2))));
    for (const Cells cells : {Cells::kByDimension, Cells::kHalfspaces}) {
      int seen = 0;
      Worker(refinement, cells).run({}, ~std::uint64_t{0}, [&](RegionView& region) {
        const std::vector<std::uint16_t> pieces(region.pieces().begin(), region.pieces().end());
        const double low = pieces[3] == 1 ? 1 : pieces[4] == 1 ? .75 : 0;
        const double high = pieces[3] == 1 ? 2 : pieces[4] == 1 ? 1 : .75;
        const std::optional<Vector> inside = region.interior_point();
        EXPECT_TRUE(inside);
        if (inside) {
          EXPECT_GT((*inside)[0], low);
          EXPECT_LT((*inside)[0], high);
        }
        const Matrix vertices = region.vertices();
        EXPECT_EQ(vertices.rows(), cells == Cells::kHalfspaces ? 0 : Index{1} << k);
        if (vertices.rows() > 0) {
          EXPECT_EQ(vertices.col(0).minCoeff(), low);
          EXPECT_EQ(vertices.col(0).maxCoeff(), high);
        }
        ++seen;
        return true;
      });
      EXPECT_EQ(seen, 3);
    }
    const Partition whole = partition_of(refinement);
    EXPECT_EQ(whole.has_point, (std::vector<std::uint8_t>{1, 1, 1}));
  }
}

// Two lines closer together than doubles are: the strip between them is a region, and says that it has no point.
TEST(Partition, ASliverWithoutAPointSaysSo) {
  Matrix weights(2, 1);
  weights << 3, 1;
  Vector bias(2);
  bias << -1, -1.0 / 3;  // zeros at 1/3 and at the double below it
  for (const Cells cells : {Cells::kVertices, Cells::kHalfspaces}) {
    const Network network = Network::chain({weights, Matrix::Ones(1, 2)}, {bias, Vector::Zero(1)});
    const Refinement refinement(network, Domain(Box(Vector::Zero(1), Vector::Ones(1))));
    std::vector<bool> there;
    Worker(refinement, cells).run({}, ~std::uint64_t{0}, [&](RegionView& region) {
      there.push_back(region.interior_point().has_value());
      return true;
    });
    EXPECT_EQ(std::ranges::count(there, true), 2);
    EXPECT_EQ(std::ranges::count(there, false), 1);
    const Partition whole = partition_of(refinement);
    EXPECT_EQ(std::ranges::count(whole.has_point, 0), 1);
    for (std::size_t r = 0; r < whole.regions; ++r) {
      EXPECT_EQ(whole.point(r).has_value(), whole.has_point[r] == 1);
      EXPECT_EQ(std::isnan(whole.points[r]), whole.has_point[r] == 0);
    }
  }
}

}  // namespace
}  // namespace unrect
