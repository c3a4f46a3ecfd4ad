// Certificates hold on right partitions, degenerate ones too, and each check fails on some wrong one.
#include "unrect/partition/certificate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/oracle_for_tests.hpp"

namespace unrect {
namespace {

Domain cube(Index k, double radius = 1) {
  return Domain(Box(Vector::Constant(k, -radius), Vector::Constant(k, radius)));
}

// How a partition is broken on purpose: what the collectors see instead of a region.
enum class Break { kNone, kDrop, kTwice, kWrongPiece, kWrongMap, kShifted };

// A region as another would be.
class Forged final : public RegionView {
 public:
  Forged(RegionView& real, Break how) : real_(real), how_(how), pieces_(real.pieces().begin(), real.pieces().end()) {
    if (how == Break::kWrongPiece) pieces_.front() = pieces_.front() == 0 ? 1 : 0;
  }
  std::span<const std::uint16_t> pieces() const override { return pieces_; }
  Vector interior_point() override { return real_.interior_point(); }
  std::vector<int> facets() override { return real_.facets(); }
  Matrix vertices() const override {
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

std::vector<Check> certify(const Network& network, const Domain& domain, Break how = Break::kNone,
                           std::uint64_t number = 0, int threads = 1) {
  const Refinement refinement(network, domain, Detail::kIncidence);
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
  for (Index k = 1; k <= 4; ++k) {
    for (const int threads : {1, 2}) {
      expect_all(
          certify(random_chain({k, 8, 8, 2}, Rng(static_cast<std::uint64_t>(k))), cube(k), Break::kNone, 0, threads),
          fmt::format("k = {}", k));
    }
  }
}

// Lines through one point, copies, grids, vertices on sides: whatever the oracle can invent.
TEST(Certificate, HoldsOnDegenerateNetworks) {
  const Rng root(99);
  int certified = 0;
  for (std::uint64_t i = 0; i < 250; ++i) {
    const oracle::Case c = oracle::random_case(root.split(i));
    const bool maxima = std::ranges::any_of(
        c.network.layers(), [&](int n) { return std::holds_alternative<Maximum>(*c.network.node(n).op); });
    if (maxima) continue;
    if (count_regions(Refinement(c.network, c.domain)).regions == 0) continue;
    const auto checks = certify(c.network, c.domain);
    expect_all(checks, fmt::format("case {}, {}", i, c.name));
    if (testing::Test::HasFailure()) FAIL() << oracle::describe(c);
    ++certified;
  }
  EXPECT_GT(certified, 150);
}

TEST(Certificate, HoldsWithoutBiases) {
  Rng rng(3);
  for (const Index k : {2, 3}) {
    const Network network = Network::chain({rng.normal_matrix(8, k), rng.normal_matrix(8, 8), rng.normal_matrix(1, 8)},
                                           {Vector::Zero(8), Vector::Zero(8), Vector::Zero(1)});
    expect_all(certify(network, cube(k)), "cones");
  }
}

TEST(Certificate, EveryCheckFailsWhenARegionIsDroppedOrMetTwice) {
  for (const Index k : {2, 3}) {
    const Network network = random_chain({k, 10, 10, 1}, Rng(5));
    for (const Break how : {Break::kDrop, Break::kTwice}) {
      std::set<std::string> ever;
      std::uint64_t silent = 0;
      constexpr std::uint64_t kRegions = 60;
      for (std::uint64_t number = 0; number < kRegions; ++number) {
        const std::set<std::string> names = failing(certify(network, cube(k), how, number));
        silent += names.empty() ? 1 : 0;
        // Whatever the region: its facets are seen from one side only.
        EXPECT_TRUE(names.contains("facets")) << number;
        ever.insert(names.begin(), names.end());
      }
      EXPECT_EQ(silent, 0u);
      std::set<std::string> all{"volume", "facets", "continuity", "membership"};
      if (k == 2) all.insert("Euler");
      EXPECT_EQ(ever, all);
    }
  }
}

TEST(Certificate, AWrongPieceMapOrVertexIsFound) {
  const Network network = random_chain({2, 10, 10, 1}, Rng(5));
  for (std::uint64_t number = 0; number < 60; ++number) {
    EXPECT_TRUE(failing(certify(network, cube(2), Break::kWrongPiece, number)).contains("facets")) << number;
    EXPECT_EQ(failing(certify(network, cube(2), Break::kWrongMap, number)), (std::set<std::string>{"continuity"}))
        << number;
    EXPECT_TRUE(failing(certify(network, cube(2), Break::kShifted, number)).contains("volume")) << number;
  }
}

TEST(Certificate, NeedsIncidenceAndFewDimensions) {
  const Refinement plain(random_chain({2, 4, 1}, Rng(1)), cube(2));
  EXPECT_THROW(Certifier{plain}, Error);
  const Refinement wide(random_chain({7, 4, 1}, Rng(1)), cube(7), Detail::kIncidence);
  EXPECT_THROW(Certifier{wide}, Error);
}

}  // namespace
}  // namespace unrect
