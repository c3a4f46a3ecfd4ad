#include "unrect/partition/partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/decision_boundary.hpp"
#include "unrect/partition/internal/region_recorder.hpp"
#include "unrect/partition/region_graph.hpp"
#include "unrect/region/configuration.hpp"

namespace unrect {
namespace {

constexpr Columns kAll{true, true, true};

Domain cube(Index k, double half = 1) { return Domain(Box(Vector::Constant(k, -half), Vector::Constant(k, half))); }

std::vector<std::uint16_t> pieces_at(const Network& network, const Vector& x) {
  std::vector<std::uint16_t> flat;
  for (const auto& layer : trace(network, x).configuration.layers) flat.insert(flat.end(), layer.begin(), layer.end());
  return flat;
}

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

// Lines in a square: with n of them that meet it and v crossings inside there are 1 + n + v cells and n + 2 v edges.
TEST(Adjacency, LinesInASquareHaveAsManyEdgesAsCountedByHand) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const Index n = 12;
    const Matrix normals = rng.normal_matrix(n, 2);
    const Vector offsets = 0.5 * rng.normal_vector(n);
    std::size_t meet = 0;
    std::size_t crossings = 0;
    for (Index i = 0; i < n; ++i) {
      meet += std::abs(offsets[i]) < normals.row(i).cwiseAbs().sum() ? 1 : 0;
      for (Index j = 0; j < i; ++j) {
        const double det = normals(i, 0) * normals(j, 1) - normals(i, 1) * normals(j, 0);
        const double x = (-offsets[i] * normals(j, 1) + offsets[j] * normals(i, 1)) / det;
        const double y = (-offsets[j] * normals(i, 0) + offsets[i] * normals(j, 0)) / det;
        crossings += std::abs(x) < 1 && std::abs(y) < 1 ? 1 : 0;
      }
    }
    const Network network = Network::chain({normals, Matrix::Ones(1, n)}, {offsets, Vector::Zero(1)});
    const Partition partition = partition_of(Refinement(network, cube(2), Detail::kIncidence), {false, false, true});
    EXPECT_EQ(partition.regions, 1 + meet + crossings);
    const Adjacency graph = adjacency(partition);
    EXPECT_EQ(graph.pairs.size(), meet + 2 * crossings);
    EXPECT_EQ(graph.units.size(), graph.pairs.size());  // one unit at a time
    EXPECT_EQ(graph.unpaired, 0u);
  }
}

// The regions that a straight line meets, found by forward passes alone: each is the next one's neighbour.
TEST(Adjacency, ALineGoesFromNeighbourToNeighbour) {
  for (const Index k : {2, 3, 4}) {
    const Network network = random_chain({k, 8, 8, 6, 2}, Rng(static_cast<std::uint64_t>(10 + k)));
    const Partition partition = partition_of(Refinement(network, cube(k), Detail::kIncidence), {false, false, true});
    const Adjacency graph = adjacency(partition);
    EXPECT_EQ(graph.unpaired, 0u);
    std::map<std::vector<std::uint16_t>, std::uint32_t> region_of;
    for (std::uint32_t r = 0; r < partition.regions; ++r) region_of[partition.pieces.row(r)] = r;
    Rng rng(5);
    std::size_t steps = 0;
    for (int line = 0; line < 20; ++line) {
      const Vector from = rng.uniform_vector(k, -1, 1);
      const Vector to = rng.uniform_vector(k, -1, 1);
      const std::function<void(double, std::uint32_t, double, std::uint32_t)> walk = [&](double s, std::uint32_t a,
                                                                                         double t, std::uint32_t b) {
        if (a == b) return;
        const double middle = (s + t) / 2;
        if (t - s > 1e-12) {
          const std::uint32_t c = region_of.at(pieces_at(network, from + middle * (to - from)));
          walk(s, a, middle, c);
          walk(middle, c, t, b);
          return;
        }
        ++steps;
        const std::array<std::uint32_t, 2> pair{std::min(a, b), std::max(a, b)};
        const auto found = std::ranges::lower_bound(graph.pairs, pair);
        ASSERT_TRUE(found != graph.pairs.end() && *found == pair);
        const auto i = static_cast<std::size_t>(found - graph.pairs.begin());
        std::vector<std::uint32_t> units;
        for (std::uint32_t u = 0; u < static_cast<std::uint32_t>(partition.pieces.units()); ++u) {
          if (partition.pieces(a, u) != partition.pieces(b, u)) units.push_back(u);
        }
        EXPECT_TRUE(std::ranges::equal(
            units, std::span(graph.units).subspan(graph.starts[i], graph.starts[i + 1] - graph.starts[i])));
      };
      walk(0, region_of.at(pieces_at(network, from)), 1, region_of.at(pieces_at(network, to)));
    }
    EXPECT_GT(steps, 60u);
  }
}

// Twins, dead units, everything through the origin: all facets are still paired.
TEST(Adjacency, DegenerateNetworksPairEveryFacet) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    const Index k = 2 + rng.below(2);
    const auto whole = [&](Index rows, Index columns) {
      Matrix m(rows, columns);
      for (double& w : m.reshaped()) w = static_cast<double>(rng.below(3) - 1);
      return m;
    };
    const Network network = Network::chain({whole(6, k), whole(6, 6), whole(4, 6), whole(2, 4)},
                                           {Vector::Zero(6), Vector::Zero(6), Vector::Zero(4), Vector::Zero(2)});
    const Refinement refinement(network, cube(k), Detail::kIncidence);
    const Partition partition = partition_of(refinement, {false, true, true});
    const Adjacency graph = adjacency(partition);
    EXPECT_EQ(graph.unpaired, 0u) << "seed " << seed;
    // Connected: every cell is reached from the first.
    std::vector<char> reached(partition.regions, 0);
    reached[0] = 1;
    for (std::size_t round = 0; round < partition.regions; ++round) {
      bool grew = false;
      for (const auto& [a, b] : graph.pairs) {
        grew |= reached[a] != reached[b];
        reached[a] = reached[b] = static_cast<char>(reached[a] | reached[b]);
      }
      if (!grew) break;
    }
    EXPECT_EQ(std::ranges::count(reached, 1), static_cast<std::ptrdiff_t>(partition.regions));
    // Maps with small whole coefficients are exact in double: components by plain equality.
    const DistinctMaps maps = distinct_maps(refinement, partition, graph);
    std::vector<std::uint32_t> label(partition.regions);
    for (std::uint32_t r = 0; r < label.size(); ++r) label[r] = r;
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [a, b] : graph.pairs) {
        if (label[a] == label[b] || partition.map(a).matrix != partition.map(b).matrix) continue;
        label[a] = label[b] = std::min(label[a], label[b]);
        changed = true;
      }
    }
    EXPECT_EQ(maps.count, std::set<std::uint32_t>(label.begin(), label.end()).size()) << "seed " << seed;
  }
}

// Trained, quantised, pruned networks and ones with twin units; counts that several programs agree on.
TEST(Adjacency, NetworksOfTheDataFolderPairEveryFacet) {
  const char* data = std::getenv("UNRECT_DATA");
  const std::filesystem::path folder =
      (data ? std::filesystem::path(data) : std::filesystem::path(__FILE__).parent_path() / "../../../shared/data") /
      "partition";
  struct Case {
    const char* name;
    double half;
    std::size_t regions;
  };
  for (const Case& c :
       {Case{"bunny_2_4x32", 0.5, 1186}, Case{"rand_3_2x12", 1, 1019}, Case{"trap_quant_2_2x24", 1, 792},
        Case{"trap_dup_2_2x16", 1, 253}, Case{"trap_pruned_3_2x16", 1, 234}}) {
    const std::filesystem::path file = folder / (std::string(c.name) + ".npz");
    const bool there = std::filesystem::exists(file);
    if (!there) std::printf("no %s: a random network stands in\n", file.c_str());
    const Network network = there ? read_network(file) : random_chain({2, 16, 16, 1}, Rng(c.regions));
    const Refinement refinement(network, cube(network.input_size(), c.half), Detail::kIncidence);
    const Partition partition = partition_of(refinement, {false, true, true});
    EXPECT_TRUE(!there || partition.regions == c.regions) << c.name << ": " << partition.regions;
    const Adjacency graph = adjacency(partition);
    EXPECT_EQ(graph.unpaired, 0u) << c.name;
    EXPECT_GE(graph.pairs.size(), partition.regions - 1) << c.name;
    const DistinctMaps maps = distinct_maps(refinement, partition, graph);
    EXPECT_GT(maps.count, 0u);
    EXPECT_LE(maps.count, partition.regions);
  }
}

// Without vertices the sides of a facet find each other by the units that vanish on its hyperplane.
TEST(Adjacency, FacetsOfHalfspacesPairAsThoseOfVerticesDo) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Index k = 1 + static_cast<Index>(seed % 4);
    Rng rng(seed);
    const auto whole = [&](Index rows, Index columns) {  // hyperplanes that coincide, units that vanish everywhere
      Matrix m(rows, columns);
      for (double& w : m.reshaped()) w = seed % 3 == 0 ? rng.normal() : static_cast<double>(rng.below(3) - 1);
      return m;
    };
    const Network network =
        Network::chain({whole(5, k), whole(4, 5), whole(2, 4)}, {0.5 * whole(5, 1), Vector::Zero(4), Vector::Zero(2)});
    const Refinement by_vertices(network, cube(k), Detail::kIncidence);
    const Refinement by_facets(network, cube(k));
    const Partition one = partition_of(by_vertices, {.maps = true, .keys = true});
    const Partition other = partition_of(by_facets, {.maps = true, .keys = true});
    const Adjacency graph = adjacency(one);
    const Adjacency again = adjacency(other);
    EXPECT_EQ(again.pairs, graph.pairs) << "seed " << seed;
    EXPECT_EQ(again.unpaired, 0u);
    EXPECT_EQ(distinct_maps(by_facets, other, again).of_region, distinct_maps(by_vertices, one, graph).of_region);
  }
}

TEST(DistinctMaps, OfManyDimensions) {
  for (const Index k : {30, 63, 64, 65, 70, 200}) {
    const Network network = random_chain({k, 3, 2}, Rng(static_cast<std::uint64_t>(k)));
    const Refinement refinement(network, cube(k));
    const Partition partition = partition_of(refinement, {.maps = true, .keys = true});
    const Adjacency graph = adjacency(partition);
    EXPECT_EQ(partition.regions, 8u) << k;
    EXPECT_EQ(graph.pairs.size(), 12u) << k;  // a cube's edges
    EXPECT_EQ(distinct_maps(refinement, partition, graph).count, 8u) << k;
    // Two units that no output reads join what they part.
    Matrix blind(1, 3);
    blind << 1, 0, 0;
    const Network partly = Network::chain({Rng(1).normal_matrix(3, k), blind}, {Vector::Zero(3), Vector::Zero(1)});
    const Refinement other(partly, cube(k));
    const Partition parts = partition_of(other, {.maps = true, .keys = true});
    EXPECT_EQ(parts.regions, 8u);
    EXPECT_EQ(distinct_maps(other, parts, adjacency(parts)).count, 2u) << k;
  }
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

TEST(Adjacency, NeedsKeys) {
  const Network network = random_chain({2, 4, 1}, Rng(1));
  EXPECT_THROW(adjacency(partition_of(Refinement(network, cube(2), Detail::kIncidence))), Error);
  EXPECT_THROW(adjacency(partition_of(Refinement(network, cube(2)), {false, false, true})), Error);
  const Partition whole = partition_of(Refinement(network, cube(2)), {.maps = true, .keys = true});
  Adjacency torn = adjacency(whole);
  torn.unpaired = 1;
  EXPECT_THROW(distinct_maps(Refinement(network, cube(2)), whole, torn), Error);
}

std::uint64_t count_maps(const Network& network, const Domain& domain, std::uint64_t* exact = nullptr) {
  const Refinement refinement(network, domain, Detail::kIncidence);
  const Partition partition = partition_of(refinement, {false, true, true});
  const DistinctMaps maps = distinct_maps(refinement, partition, adjacency(partition));
  if (exact != nullptr) *exact = maps.exact_decisions;
  return maps.count;
}

TEST(DistinctMaps, AUnitNobodyReadsMakesNoPiece) {
  Matrix out(1, 3);
  out << 1, 0, -2;
  Rng rng(3);
  const Network network = Network::chain({rng.normal_matrix(3, 2), out}, {Vector::Zero(3), Vector::Zero(1)});
  const Refinement refinement(network, cube(2));
  EXPECT_EQ(count_regions(refinement).regions, 6u);  // three lines through the origin
  std::uint64_t exact = 0;
  EXPECT_EQ(count_maps(network, cube(2), &exact), 4u);
  EXPECT_EQ(exact, 0u);  // no path: no arithmetic
}

// relu(t) is read with weights whose sum is zero in exact arithmetic, but not in any order of rounded additions.
TEST(DistinctMaps, GainsThatCancelExactlyAreFound) {
  const double big = std::ldexp(1.0, 53);
  const Matrix first = Matrix::Ones(4, 1);
  Matrix out(1, 4);
  for (const double last : {-1.0, -1.0 - std::ldexp(1.0, -52)}) {
    out << big, 1, -big, last;
    const Network network = Network::chain({first, out}, {Vector::Zero(4), Vector::Zero(1)});
    std::uint64_t exact = 0;
    EXPECT_EQ(count_maps(network, cube(1), &exact), last == -1.0 ? 1u : 2u);
    EXPECT_EQ(exact, 1u);
  }
}

// 0.1 · 3 and 0.3 are 2.8e-17 apart as binary numbers: not the same map.
TEST(DistinctMaps, NearlyEqualIsNotEqual) {
  Matrix first(2, 1);
  first << 0.1, 0.3;
  Matrix out(1, 2);
  out << 3, -1;
  EXPECT_EQ(count_maps(Network::chain({first, out}, {Vector::Zero(2), Vector::Zero(1)}), cube(1)), 2u);
  first << 0.25, 0.75;
  EXPECT_EQ(count_maps(Network::chain({first, out}, {Vector::Zero(2), Vector::Zero(1)}), cube(1)), 1u);
}

// W_L D_{L−1} … D_1 W_1 of a chain, with D from the pieces.
Matrix jacobian(const Network& network, const std::vector<std::uint16_t>& pieces) {
  Matrix product = Matrix::Identity(network.input_size(), network.input_size());
  Index unit = 0;
  for (const Node& node : network.nodes()) {
    if (const auto* dense = std::get_if<Dense>(node.op.get())) product = Matrix(dense->weight * product);
    if (!is_piecewise(*node.op)) continue;
    for (Index i = 0; i < node.size; ++i) product.row(i) *= pieces[static_cast<std::size_t>(unit++)];
  }
  return product;
}

// Against maps found another way: products of the weights, neighbours compared loosely.
TEST(DistinctMaps, AgreesWithRegionByRegionMaps) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Network network = random_chain({2, 8, 4, 3, 1}, Rng(seed));
    const Refinement refinement(network, cube(2, 3), Detail::kIncidence);
    const Partition partition = partition_of(refinement, {false, true, true});
    const Adjacency graph = adjacency(partition);
    std::vector<Matrix> jacobians;
    for (std::size_t r = 0; r < partition.regions; ++r) jacobians.push_back(jacobian(network, partition.pieces.row(r)));
    std::vector<std::uint32_t> label(partition.regions);
    for (std::uint32_t r = 0; r < label.size(); ++r) label[r] = r;
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [a, b] : graph.pairs) {
        if (label[a] == label[b] || (jacobians[a] - jacobians[b]).norm() > 1e-9) continue;
        label[a] = label[b] = std::min(label[a], label[b]);
        changed = true;
      }
    }
    const DistinctMaps maps = distinct_maps(refinement, partition, graph);
    EXPECT_EQ(maps.count, std::set<std::uint32_t>(label.begin(), label.end()).size()) << "seed " << seed;
    EXPECT_LE(maps.count, partition.regions);
    for (const std::uint32_t label_of : maps.of_region) EXPECT_LT(label_of, maps.count);
  }
}

TEST(RefinementTree, EveryLayerRefinesTheOneBefore) {
  const Network network = random_chain({2, 10, 9, 8, 1}, Rng(6));
  const Refinement refinement(network, cube(2));
  const RegionCounts counts = count_regions(refinement);
  const Partition partition = partition_of(refinement);
  const std::vector<Index>& first_unit = refinement.stages().first_unit;
  const RefinementTree tree = refinement_tree(partition, first_unit);
  ASSERT_EQ(tree.first_region.size(), 3u);
  for (std::size_t l = 0; l < 3; ++l) {
    const std::vector<std::uint32_t>& first = tree.first_region[l];
    EXPECT_EQ(first.size(), counts.per_layer[l] + 1);
    ASSERT_EQ(tree.parents[l].size(), counts.per_layer[l]);
    std::set<std::vector<std::uint16_t>> seen;
    for (std::size_t i = 0; i + 1 < first.size(); ++i) {
      std::vector<std::uint16_t> pieces = partition.pieces.row(first[i]);
      pieces.resize(static_cast<std::size_t>(first_unit[l + 1]));
      EXPECT_TRUE(seen.insert(pieces).second);
      for (std::uint32_t r = first[i]; r < first[i + 1]; ++r) {
        std::vector<std::uint16_t> own = partition.pieces.row(r);
        own.resize(pieces.size());
        EXPECT_EQ(own, pieces);
      }
      if (l == 0) continue;
      const std::uint32_t parent = tree.parents[l][i];
      EXPECT_LE(tree.first_region[l - 1][parent], first[i]);
      EXPECT_GE(tree.first_region[l - 1][parent + 1], first[i + 1]);
    }
  }
}

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
