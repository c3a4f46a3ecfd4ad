// Certificates hold on right partitions, degenerate ones too, and each check fails on some wrong one.
#include "unrect/partition/certificate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/internal/region_proof.hpp"

namespace unrect {
namespace {

// How a partition is broken on purpose: what the collectors see instead of a region.
enum class Break { kNone, kDrop, kTwice, kWrongPiece, kWrongMap, kShifted, kFewerFacets, kMoreFacets };

// A region as another would be.
class Forged final : public RegionView {
 public:
  Forged(RegionView& real, Break how) : real_(real), how_(how), pieces_(real.pieces().begin(), real.pieces().end()) {
    if (how == Break::kWrongPiece) pieces_.front() = pieces_.front() == 0 ? 1 : 0;
  }
  std::span<const std::uint16_t> pieces() const override { return pieces_; }
  std::optional<Vector> interior_point() override { return real_.interior_point(); }
  std::vector<int> facets() override {
    std::vector<int> out = real_.facets();
    if (how_ == Break::kFewerFacets) out.pop_back();
    // A wall on the way that does not bound the region.
    for (int w = 0; how_ == Break::kMoreFacets && w < static_cast<int>(walls().size()); ++w) {
      if (std::ranges::binary_search(out, w)) continue;
      out.insert(std::ranges::lower_bound(out, w), w);
      break;
    }
    return out;
  }
  Matrix vertices() override {
    Matrix out = real_.vertices();
    if (how_ == Break::kShifted) out.row(0) = 0.5 * (out.row(0) + out.row(1));
    return out;
  }
  std::vector<std::vector<int>> walls_of_vertices() const override { return real_.walls_of_vertices(); }
  std::span<const Hyperplane> walls() const override { return real_.walls(); }
  ParameterMap map() override {
    ParameterMap out = real_.map();
    if (how_ == Break::kWrongMap) out.constant.array() += 1e-3;
    return out;
  }
  Matrix forms(int stage) const override { return real_.forms(stage); }
  Vector form_of(const Hyperplane& wall) const override { return real_.form_of(wall); }

 private:
  RegionView& real_;
  Break how_;
  std::vector<std::uint16_t> pieces_;
};

// Passes every region on, but the one with this number in another way.
class Breaker final : public Collector {
 public:
  Breaker(std::unique_ptr<Collector> inner, Break how, std::uint64_t number)
      : inner_(std::move(inner)), how_(how), number_(number) {}
  bool visit(RegionView& region) override {
    if (how_ == Break::kNone || seen_++ != number_) return inner_->visit(region);
    if (how_ == Break::kDrop) return true;
    if (how_ == Break::kTwice) return inner_->visit(region) && inner_->visit(region);
    Forged forged(region, how_);
    return inner_->visit(forged);
  }
  void finish(const WorkUnit& unit, RegionCounts& counts) override { inner_->finish(unit, counts); }

 private:
  std::unique_ptr<Collector> inner_;
  Break how_;
  std::uint64_t number_, seen_ = 0;
};

std::vector<Check> certify(const Network& network, const Domain& domain, Detail detail, Break how = Break::kNone,
                           std::uint64_t number = 0, int threads = 1) {
  const Refinement refinement(network, domain, detail);
  const Certifier certifier(refinement, 11);
  ExploreOptions options;
  options.collectors = [&] { return std::make_unique<Breaker>(certifier.collectors()(), how, number); };
  Exploration state;
  Context context;
  context.threads = threads;
  explore(refinement, state, options, context);
  return certifier.checks(state.counts);
}

std::set<std::string> failing(const std::vector<Check>& checks) {
  std::set<std::string> names;
  for (const Check& check : checks) {
    if (!check.holds) names.insert(check.name);
  }
  return names;
}

void expect_all(const std::vector<Check>& checks, const std::string& what) {
  EXPECT_GE(checks.size(), 2u);
  for (const Check& check : checks) EXPECT_TRUE(check.holds) << what << ": " << check.name << ": " << check.finding;
}

TEST(Certificate, HoldsOnRandomNetworks) {
  for (const Detail detail : {Detail::kIncidence, Detail::kRegions}) {
    for (Index k = 1; k <= (detail == Detail::kIncidence ? 4 : 8); ++k) {
      const Index width = k <= 4 ? 8 : 5;
      const Network network = random_chain({k, width, width, 2}, Rng(static_cast<std::uint64_t>(k)));
      for (const int threads : {1, 2}) {
        expect_all(certify(network, cube(k), detail, Break::kNone, 0, threads), fmt::format("k = {}", k));
      }
    }
  }
}

// Lines through one point, copies, grids, vertices on sides: whatever the oracle can invent.
TEST(Certificate, HoldsOnDegenerateNetworks) {
  const Rng root(99);
  int certified = 0;
  for (std::uint64_t i = 0; i < 250; ++i) {
    const oracle::Case c = oracle::random_case(root.split(i));
    if (oracle::has_maxima(c.network)) continue;
    if (count_regions(Refinement(c.network, c.domain)).regions == 0) continue;
    for (const Detail detail : {Detail::kIncidence, Detail::kRegions})
      expect_all(certify(c.network, c.domain, detail), fmt::format("case {}, {}", i, c.name));
    if (testing::Test::HasFailure()) FAIL() << oracle::describe(c);
    ++certified;
  }
  EXPECT_GT(certified, 150);
}

TEST(Certificate, HoldsWithoutBiases) {
  Rng rng(3);
  for (const Index k : {2, 3, 7}) {
    const Index n = k == 7 ? 4 : 8;
    const Network network = Network::chain({rng.normal_matrix(n, k), rng.normal_matrix(n, n), rng.normal_matrix(1, n)},
                                           {Vector::Zero(n), Vector::Zero(n), Vector::Zero(1)});
    expect_all(certify(network, cube(k), Certifier::detail_for(cube(k))), "cones");
  }
}

// Copies of units with other signs and sizes: crossing a facet switches all of them.
TEST(Certificate, HoldsWhereHyperplanesCoincideInManyDimensions) {
  Rng rng(4);
  for (const Index k : {6, 7}) {
    Matrix first = rng.normal_matrix(6, k);
    Vector bias = 0.3 * rng.normal_vector(6);
    first.row(3) = -3 * first.row(0);
    bias[3] = -3 * bias[0];
    first.row(4) = 0.1 * first.row(1);
    bias[4] = 0.1 * bias[1];
    first.row(5).setZero();
    Matrix second = rng.normal_matrix(4, 6);
    second.row(3) = second.row(2);  // and unit 2 of the first layer alone: the same hyperplane again
    second.row(0) = Vector::Unit(6, 2);
    const Network network =
        Network::chain({first, second, rng.normal_matrix(1, 4)}, {bias, Vector::Zero(4), Vector::Zero(1)});
    expect_all(certify(network, cube(k), Detail::kRegions), "copies");
  }
}

TEST(Certificate, EveryCheckFailsWhenARegionIsDroppedOrMetTwice) {
  struct Kind {
    Index k;
    Detail detail;
  };
  for (const auto [k, detail] : {Kind{2, Detail::kIncidence}, {3, Detail::kIncidence}, {7, Detail::kRegions}}) {
    const Network network = k == 7 ? random_chain({7, 5, 3, 1}, Rng(5)) : random_chain({k, 10, 10, 1}, Rng(5));
    for (const Break how : {Break::kDrop, Break::kTwice}) {
      std::set<std::string> ever;
      for (std::uint64_t number = 0; number < 60; ++number) {
        const std::set<std::string> names = failing(certify(network, cube(k), detail, how, number));
        // Whatever the region: its facets are seen from one side only.
        EXPECT_TRUE(names.contains("facets")) << number;
        ever.insert(names.begin(), names.end());
      }
      std::set<std::string> all{"facets", "continuity", "membership"};
      if (detail == Detail::kIncidence) all.insert("volume");
      if (k == 2) all.insert("Euler");
      EXPECT_EQ(ever, all);
    }
  }
}

TEST(Certificate, AWrongPieceMapOrVertexIsFound) {
  const Network network = random_chain({2, 10, 10, 1}, Rng(5));
  constexpr Detail kDetail = Detail::kIncidence;
  for (std::uint64_t number = 0; number < 60; ++number) {
    EXPECT_TRUE(failing(certify(network, cube(2), kDetail, Break::kWrongPiece, number)).contains("facets")) << number;
    EXPECT_EQ(failing(certify(network, cube(2), kDetail, Break::kWrongMap, number)),
              (std::set<std::string>{"continuity"}))
        << number;
    EXPECT_TRUE(failing(certify(network, cube(2), kDetail, Break::kShifted, number)).contains("volume")) << number;
  }
}

TEST(Certificate, AWrongPieceMapOrFacetIsFoundInManyDimensions) {
  for (const Index k : {3, 7}) {
    const Network network = random_chain({k, 5, 4, 1}, Rng(6));
    const std::uint64_t regions = count_regions(Refinement(network, cube(k))).regions;
    for (std::uint64_t number = 0; number < std::min<std::uint64_t>(regions, 25); ++number) {
      const auto names = [&](Break how) { return failing(certify(network, cube(k), Detail::kRegions, how, number)); };
      EXPECT_TRUE(names(Break::kWrongPiece).contains("regions")) << number;
      EXPECT_TRUE(names(Break::kFewerFacets).contains("regions")) << number;
      EXPECT_EQ(names(Break::kWrongMap), (std::set<std::string>{"continuity"})) << number;
    }
  }
}

TEST(Certificate, AWallThatDoesNotBoundTheRegionIsNoFacet) {
  const Network network = random_chain({3, 5, 4, 1}, Rng(6));
  const Refinement refinement(network, cube(3));
  RegionProof proof(refinement);
  int forged = 0;
  visit_regions(refinement, [&](RegionView& region) {
    const std::vector<int> facets = region.facets();
    EXPECT_TRUE(proof.holds(region, facets));
    const std::vector<int> more = Forged(region, Break::kMoreFacets).facets();
    if (more.size() > facets.size()) {
      EXPECT_FALSE(proof.holds(region, more));
      ++forged;
    }
    return true;
  });
  EXPECT_GT(forged, 10);
}

// Units that are 0 everywhere, or another constant, are no boundaries: pruned networks have many.
TEST(Certificate, ConstantUnitsAreNoBoundaries) {
  Rng rng(8);
  for (const Index k : {2, 3, 7}) {
    const Index n = k == 7 ? 5 : 7;
    Matrix first = rng.normal_matrix(n, k);
    Vector bias = 0.3 * rng.normal_vector(n);
    first.row(1).setZero();  // 0, and negative, and positive everywhere
    bias[1] = 0;
    first.row(2).setZero();
    bias[2] = -0.5;
    first.row(3) = first.row(0);  // twice
    bias[3] = bias[0];
    Matrix second = rng.normal_matrix(4, n);
    second.row(0).setZero();
    second(0, 1) = 3;                                         // reads the dead unit alone
    second.row(1) = Vector::Unit(n, 0) - Vector::Unit(n, 3);  // twins that cancel
    Vector second_bias = 0.3 * rng.normal_vector(4);
    second_bias[0] = second_bias[1] = 0;
    const Network network =
        Network::chain({first, second, rng.normal_matrix(2, 4)}, {bias, second_bias, Vector::Zero(2)});
    const std::vector<Check> checks = certify(network, cube(k), Certifier::detail_for(cube(k)));
    expect_all(checks, fmt::format("k = {}", k));
    const auto membership = std::ranges::find(checks, "membership", &Check::name);
    ASSERT_NE(membership, checks.end());
    EXPECT_TRUE(membership->made);
    EXPECT_GT(std::stoi(membership->finding), 5) << membership->finding;
    if (k < 7) continue;
    EXPECT_NE(checks.front().finding.find(" 0 not, 0 too thin"), std::string::npos) << checks.front().finding;
    EXPECT_EQ(checks.front().finding.find("; 0 found"), std::string::npos) << checks.front().finding;
  }
}

// Where every value is within rounding of every break: points are placed exactly.
TEST(Certificate, HoldsOnCancellingNetworks) {
  const Rng root(5);
  for (std::uint64_t i = 0; i < 120; ++i) {
    const oracle::Case c = oracle::cancelling_case(root.split(i));
    for (const Detail detail : {Detail::kIncidence, Detail::kRegions}) {
      for (const Check& check : certify(c.network, c.domain, detail)) {
        EXPECT_TRUE(check.holds || !check.made) << i << ' ' << c.name << ": " << check.name << ": " << check.finding;
        EXPECT_TRUE(check.made || check.name == "volume") << check.name << ": " << check.finding;
      }
    }
    if (testing::Test::HasFailure()) FAIL() << oracle::describe(c);
  }
}

// A check that could not be made is there, says why, and does not hold.
TEST(Certificate, WhatCouldNotBeCheckedIsNotCertified) {
  const Network network = random_chain({2, 4, 1}, Rng(2));
  Domain thin = cube(2);  // a strip that holds no double off the lines x = y
  Matrix normals(2, 2);
  normals << 1, -1, -1, 1;
  thin.constrain(Halfspaces(normals, Vector::Constant(2, 1e-18)));
  const std::vector<Check> checks = certify(network, thin, Detail::kIncidence);
  EXPECT_TRUE(failing(checks).contains("volume"));
  for (const Check& check : checks) {
    EXPECT_FALSE(check.finding.empty());
    EXPECT_TRUE(check.holds || !check.made) << check.name << ": " << check.finding;
  }
  Domain none = cube(2);
  none.constraints = Halfspaces(Matrix::Identity(1, 2), Vector::Constant(1, -2.0));  // constrain() refuses it
  for (const Detail detail : {Detail::kIncidence, Detail::kRegions}) {
    const std::set<std::string> names = failing(certify(network, none, detail));
    EXPECT_TRUE(names.contains("membership"));
  }
}

TEST(Certificate, NeedsReluLikeLayersAndFewDimensionsForVertices) {
  const Refinement wide(random_chain({7, 4, 1}, Rng(1)), cube(7), Detail::kIncidence);
  EXPECT_THROW(Certifier{wide}, Error);
  NetworkBuilder builder(Shape{2});
  const int last = builder.add(Maximum{2, {0, 1}}, {0});
  const Refinement maxima(std::move(builder).build(last), cube(2));
  EXPECT_THROW(Certifier{maxima}, Error);
}

}  // namespace
}  // namespace unrect
