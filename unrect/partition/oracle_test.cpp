// Thousands of tiny networks, a third of them degenerate on purpose: the refinement's configurations, counts, maps and
// vertices against the oracle in rationals.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/partition/internal/cell_faces.hpp"

namespace unrect::oracle {
namespace {

// What the refinement says, region by region, and whatever is wrong with a region by itself.
struct Found {
  std::set<Pieces> configurations;
  RegionCounts counts;
  std::uint64_t pointless = 0;  // regions without a point of doubles
  std::uint64_t vertices = 0;   // of which the walls were checked in rationals
};

// Every vertex is the one point where its walls meet, and no other unit or side vanishes there.
void check_vertices(const Case& c, const Stages& stages, RegionView& region, const Pieces& pieces, Found& found) {
  const std::vector<std::vector<Form>> z = forms_of_layers(c.network, c.domain, pieces);
  const std::vector<Form> sides = sides_of(c.domain);
  const Matrix vertices = region.vertices();
  const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
  ASSERT_EQ(walls_of.size(), at(vertices.rows()));
  using Name = std::tuple<int, Index, double>;
  for (std::size_t v = 0; v < walls_of.size(); ++v) {
    std::vector<Form> forms;
    std::set<Name> named;
    for (const int w : walls_of[v]) {
      const Hyperplane& wall = region.walls()[at(w)];
      forms.push_back(form_on(wall, stages, z, sides));
      named.insert({wall.stage < 0 ? -1 : stages[wall.stage].layer, wall.row, wall.threshold});
    }
    const std::optional<Point> t = meeting_point(forms);
    ASSERT_TRUE(t) << "vertex " << v << " is not where its walls meet";
    for (Index d = 0; d < vertices.cols(); ++d) {
      EXPECT_NEAR(vertices(static_cast<Index>(v), d), mpq_class((*t)[at(d)]).get_d(), 1e-6);
    }
    std::set<Name> vanishing;
    for (std::size_t r = 0; r < sides.size(); ++r) {
      const mpq_class slack = value_at(sides[r], *t);
      EXPECT_GE(slack, 0) << "a vertex outside the domain";
      if (slack == 0) vanishing.insert({-1, static_cast<Index>(r), 0});
    }
    for (std::size_t l = 0; l < z.size(); ++l) {
      const Stage& stage = stages[stages.of_layer[l]];
      const Piecewise& f = *stage.piecewise();
      for (Index i = 0; i < stage.size; ++i) {
        const mpq_class value = value_at(z[l][at(i)], *t);
        for (Index b = 0; b < f.breaks.cols(); ++b) {
          const double threshold = f.breaks(f.row_of(i), b);
          if (value == threshold) vanishing.insert({static_cast<int>(l), i, threshold});
        }
      }
    }
    // A constraint that merely touches the domain is no wall of it.
    const Name first_constraint{-1, 2 * c.domain.dimension(), 0};
    const Name first_unit{0, 0, -std::numeric_limits<double>::infinity()};
    named.erase(named.lower_bound(first_constraint), named.lower_bound(first_unit));
    vanishing.erase(vanishing.lower_bound(first_constraint), vanishing.lower_bound(first_unit));
    EXPECT_EQ(named, vanishing) << "vertex " << v;
    ++found.vertices;
  }
}

// Least distance between parallel planes around the region, along the normals of its walls: exact vertices, then
// doubles.
double width_of(const std::vector<Form>& walls, const std::vector<Point>& vertices) {
  double width = std::numeric_limits<double>::infinity();
  for (const Form& form : walls) {
    double largest = 0;  // as integers: a form may be of any size
    mpq_class norm;
    for (std::size_t d = 0; d + 1 < form.size(); ++d) norm = std::max(norm, mpq_class(abs(form[d])));
    if (norm == 0) continue;
    for (const Point& t : vertices) largest = std::max(largest, std::abs(mpq_class(value_at(form, t) / norm).get_d()));
    width = std::min(width, largest);
  }
  return width;
}

// A point that is handed out is the region's, exactly; where none is, no point of doubles is near the deepest one.
// Vertices are where their walls meet, to a small part of the region's width or to rounding.
void check_points(const Case& c, const Stages& stages, RegionView& region, const Pieces& pieces, Found& found) {
  const std::vector<std::vector<Form>> z = forms_of_layers(c.network, c.domain, pieces);
  const std::vector<Form> sides = sides_of(c.domain);
  if (const std::optional<Vector> inside = region.interior_point()) {
    const Point t = exact_point(*inside);
    EXPECT_EQ(pieces_at(c.network, c.domain, t), pieces) << "a point of another region";
    for (const Form& side : sides) {
      if (std::any_of(side.begin(), side.end() - 1, [](const mpq_class& x) { return x != 0; })) {
        EXPECT_GT(value_at(side, t), 0) << "a point outside the domain";
      }
    }
  } else {
    ++found.pointless;
  }
  const Matrix vertices = region.vertices();
  if (vertices.rows() == 0) return;
  const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
  std::vector<Point> exact;
  std::set<int> around;
  for (const std::vector<int>& walls : walls_of) {
    std::vector<Form> forms;
    for (const int w : walls) forms.push_back(form_on(region.walls()[at(w)], stages, z, sides));
    const std::optional<Point> t = meeting_point(forms);
    ASSERT_TRUE(t) << "a vertex that is not where its walls meet";
    exact.push_back(*t);
    around.insert(walls.begin(), walls.end());
  }
  std::vector<Form> forms;
  for (const int w : around) forms.push_back(form_on(region.walls()[at(w)], stages, z, sides));
  const double width = width_of(forms, exact);
  for (std::size_t v = 0; v < exact.size(); ++v) {
    for (Index d = 0; d < vertices.cols(); ++d) {
      const double x = vertices(static_cast<Index>(v), d);
      const double off = std::abs(mpq_class(mpq_class(x) - exact[v][at(d)]).get_d());
      const double ulp = std::nextafter(std::abs(x), 1e300) - std::abs(x);
      EXPECT_LE(off, std::max((c.domain.dimension() <= 2 ? 1e-3 : 1.0 / 16) * width, ulp))
          << "vertex " << v << " of a region of width " << width;
    }
  }
}

Found find(const Case& c, Detail detail, Cells cells = Cells::kByDimension) {
  const Refinement refinement(c.network, c.domain, detail);
  Found found;
  double volume = 0;
  const RegionVisitor visitor = [&](RegionView& region) {
    const Pieces pieces(region.pieces().begin(), region.pieces().end());
    EXPECT_TRUE(found.configurations.insert(pieces).second) << "met twice: " << fmt::format("{}", pieces);
    check_points(c, refinement.stages(), region, pieces, found);
    const ParameterMap map = region.map();
    const std::vector<Form> y = forms_of_nodes(c.network, c.domain, pieces)[at(c.network.output())];
    EXPECT_EQ(map.constant.size(), static_cast<Index>(y.size()));
    double largest = 1;
    for (const Form& form : y) {
      for (const mpq_class& x : form) largest = std::max(largest, std::abs(x.get_d()));
    }
    for (Index i = 0; i < map.constant.size(); ++i) {
      for (Index d = 0; d < map.matrix.cols(); ++d) {
        EXPECT_NEAR(map.matrix(i, d), y[at(i)][at(d)].get_d(), 1e-12 * largest);
      }
      EXPECT_NEAR(map.constant[i], y[at(i)].back().get_d(), 1e-12 * largest);
    }
    if (detail == Detail::kIncidence) {
      volume += volume_of(region.vertices(), region.walls_of_vertices());
      if (c.domain.dimension() <= 3 || found.vertices < 100) {
        check_vertices(c, refinement.stages(), region, pieces, found);
      }
    }
    return !testing::Test::HasFailure();
  };
  found.counts = Worker(refinement, cells).run({}, ~std::uint64_t{0}, visitor).counts;
  if (detail == Detail::kIncidence && c.domain.constraints.size() == 0) {
    const double whole = (c.domain.box.upper - c.domain.box.lower).prod();
    EXPECT_NEAR(volume, whole, 1e-9 * whole);
  }
  return found;
}

std::vector<std::uint64_t> active_of(const Partition& partition, std::size_t units) {
  std::vector<std::uint64_t> active(units + 1, 0);
  for (const Pieces& pieces : partition.configurations) {
    ++active[at(std::ranges::count_if(pieces, [](std::uint16_t p) { return p > 0; }))];
  }
  return active;
}

// How many networks: UNRECT_ORACLE_CASES, if it is set.
Index cases_or(Index usual) {
  const char* wanted = std::getenv("UNRECT_ORACLE_CASES");
  return wanted != nullptr ? std::atol(wanted) : usual;
}

using Tally = std::map<std::string, std::uint64_t>;

void tell(Index cases, const Tally& count) {
  std::string summary = fmt::format("{} networks", cases);
  for (const auto& [what, times] : count) summary += fmt::format(", {} {}", times, what);
  fmt::print("{}\n", summary);
  testing::Test::RecordProperty("summary", summary);
}

// What was found is the truth; it is counted.
void compare(const Case& c, const Found& found, const Partition& truth, Tally& count) {
  EXPECT_EQ(found.configurations, truth.configurations);
  EXPECT_EQ(found.counts.regions, truth.configurations.size());
  EXPECT_EQ(found.counts.per_layer, truth.per_layer);
  EXPECT_EQ(found.counts.active, active_of(truth, at(c.network.units())));
  if (testing::Test::HasFailure()) ADD_FAILURE() << describe(c);
  count["regions"] += found.counts.regions;
  count["exact decisions"] += found.counts.exact_decisions;
  count["without a point"] += found.pointless;
  count["vertices"] += found.vertices;
}

TEST(PartitionOracle, ConfigurationsOfRandomNetworks) {
  const Index cases = cases_or(1500);
  Tally count;
  const Rng root(20240611);
  for (Index i = 0; i < cases && !HasFailure(); ++i) {
    const Case c = random_case(root.split(at(i)));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    ++count[c.name.substr(0, c.name.find_first_of(" ,"))];
    for (const Detail detail : {Detail::kRegions, Detail::kIncidence}) {
      if (has_maxima(c.network) && detail == Detail::kIncidence) continue;
      compare(c, find(c, detail), truth, count);
    }
    count["programs"] += truth.programs;
  }
  tell(cases, count);
}

// Whatever tenths the weights are, every kind of cell finds the regions of the oracle, and points that are theirs. A
// counterexample is shrunk to the smallest network.
RC_GTEST_PROP(PartitionOracle, RegionsAndPointsOfNetworksOfTenths, ()) {
  const auto k = static_cast<Index>(*rc::gen::inRange(1, 3));
  const auto first = static_cast<Index>(*rc::gen::inRange(1, 4));
  const auto second = static_cast<Index>(*rc::gen::inRange(1, 4));
  const auto tenths = [](Index rows, Index cols) {
    return Matrix(Matrix::NullaryExpr(rows, cols, [] { return *rc::gen::inRange(-12, 13) / 10.0; }));
  };
  const Case c{"tenths",
               Network::chain({tenths(first, k), tenths(second, first), Matrix::Ones(1, second)},
                              {Vector(tenths(first, 1)), Vector(tenths(second, 1)), Vector::Zero(1)}),
               Domain(Box(Vector::Constant(k, -1), Vector::Ones(k)))};
  const Partition truth = partition_of(c.network, c.domain);
  for (const Cells cells : {Cells::kByDimension, Cells::kVertices, Cells::kHalfspaces}) {
    std::set<Pieces> found;
    const Refinement refinement(c.network, c.domain);
    Worker(refinement, cells).run({}, ~std::uint64_t{0}, [&](RegionView& region) {
      const Pieces pieces(region.pieces().begin(), region.pieces().end());
      RC_ASSERT(found.insert(pieces).second);
      const std::optional<Vector> inside = region.interior_point();
      if (inside) RC_ASSERT(pieces_at(c.network, c.domain, exact_point(*inside)) == pieces);
      return true;
    });
    RC_ASSERT(found == truth.configurations);
  }
}

// Every kind of cell on sums that cancel: where doubles say nothing, counts, points and vertices are right all the
// same.
TEST(PartitionOracle, ConfigurationsOfCancellingNetworks) {
  const Index cases = cases_or(300);
  Tally count;
  const Rng root(7);
  for (Index i = 0; i < cases && !HasFailure(); ++i) {
    const Case c = cancelling_case(root.split(at(i)));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    struct Kind {
      Detail detail;
      Cells cells;
    };
    for (const auto [detail, cells] : {Kind{Detail::kRegions, Cells::kByDimension},
                                       {Detail::kIncidence, Cells::kByDimension},
                                       {Detail::kRegions, Cells::kHalfspaces}}) {
      compare(c, find(c, detail, cells), truth, count);
    }
  }
  tell(cases, count);
  EXPECT_GT(count["exact decisions"], count["regions"]);
}

// Powers of two change no sign, however far they lead: where squares of weights vanish, and where they overflow.
TEST(PartitionOracle, ScalesChangeNothing) {
  const Rng root(4);
  for (Index i = 0; i < 250 && !HasFailure(); ++i) {
    const Case c = random_case(root.split(at(i)));
    if (!c.name.starts_with("chain") || c.network.layers().size() < 2) continue;
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    for (const int exponent : {-540, -200, 200, 540}) {
      std::vector<Matrix> weights;
      std::vector<Vector> biases;
      for (const Node& node : c.network.nodes()) {
        const auto* dense = std::get_if<Dense>(node.op.get());
        if (dense == nullptr) continue;
        // The first layer's values are scaled, the later ones' are not.
        weights.push_back(dense->weight * std::ldexp(1.0, weights.empty()       ? exponent
                                                          : weights.size() == 1 ? -exponent
                                                                                : 0));
        biases.push_back(dense->bias * std::ldexp(1.0, biases.empty() ? exponent : 0));
      }
      std::set<Pieces> found;
      visit_regions(Refinement(Network::chain(weights, biases), c.domain), [&](RegionView& region) {
        return found.emplace(region.pieces().begin(), region.pieces().end()).second;
      });
      EXPECT_EQ(found, truth.configurations) << "scaled by 2^" << exponent;
    }
  }
}

}  // namespace
}  // namespace unrect::oracle
