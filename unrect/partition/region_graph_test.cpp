// Which regions are neighbours, which of them have one map, and what every layer refines.
#include "unrect/partition/region_graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/data_folder.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/region/internal/pieces_for_tests.hpp"

namespace unrect {
namespace {

// How many parts the regions fall into if neighbours that are the same are one.
template <class Same>
std::size_t count_components(const Adjacency& graph, std::uint64_t regions, const Same& same) {
  std::vector<std::uint32_t> label(regions);
  std::iota(label.begin(), label.end(), 0U);
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [a, b] : graph.pairs) {
      if (label[a] == label[b] || !same(a, b)) continue;
      label[a] = label[b] = std::min(label[a], label[b]);
      changed = true;
    }
  }
  return std::set<std::uint32_t>(label.begin(), label.end()).size();
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
    EXPECT_EQ(maps.count,
              count_components(graph, partition.regions,
                               [&](auto a, auto b) { return partition.map(a).matrix == partition.map(b).matrix; }))
        << "seed " << seed;
  }
}

// Trained, quantised, pruned networks and ones with twin units; counts that several programs agree on.
TEST(Adjacency, NetworksOfTheDataFolderPairEveryFacet) {
  const std::filesystem::path folder = data_folder() / "partition";
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
    const DistinctMaps maps = distinct_maps(refinement, partition, graph);
    EXPECT_EQ(maps.count,
              count_components(graph, partition.regions,
                               [&](auto a, auto b) { return (jacobians[a] - jacobians[b]).norm() <= 1e-9; }))
        << "seed " << seed;
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

}  // namespace
}  // namespace unrect
