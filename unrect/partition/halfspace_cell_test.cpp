#include "unrect/partition/internal/halfspace_cell.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

using Pieces = std::vector<std::uint16_t>;

struct Layers {
  std::vector<Matrix> weights;
  std::vector<Vector> biases;

  Network network() const { return Network::chain(weights, biases); }
  Pieces pieces_at(Vector a) const {
    Pieces out;
    for (std::size_t l = 0; l + 1 < weights.size(); ++l) {
      a = Vector(weights[l] * a + biases[l]);
      for (const double z : a) out.push_back(z > 0 ? 1 : 0);
      a = a.cwiseMax(0);
    }
    return out;
  }
};

enum class Weights { kNormal, kSmallIntegers, kThroughTheOrigin, kDuplicates };

Layers random_layers(Rng& rng, std::vector<Index> widths, Weights kind) {
  Layers out;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    Matrix w(widths[l + 1], widths[l]);
    Vector b(widths[l + 1]);
    const auto draw = [&] { return kind == Weights::kNormal ? rng.normal() : std::floor(rng.uniform(-1, 2)); };
    for (double& x : w.reshaped()) x = draw();
    for (double& x : b) x = kind == Weights::kThroughTheOrigin ? 0 : kind == Weights::kNormal ? 0.3 * draw() : draw();
    if (kind == Weights::kDuplicates) {
      for (Index i = 1; i < w.rows(); i += 2) {
        w.row(i) = -3 * w.row(i - 1);
        b[i] = -3 * b[i - 1];
      }
    }
    out.weights.push_back(std::move(w));
    out.biases.push_back(std::move(b));
  }
  return out;
}

struct Found {
  std::vector<Pieces> pieces;
  std::vector<std::vector<Hyperplane>> facets;
  RegionCounts counts;
};

Found find_regions(const Network& network, const Domain& domain, Cells cells) {
  const Refinement refinement(network, domain);
  Found found;
  found.counts = Worker(refinement, cells)
                     .run({}, ~std::uint64_t{0},
                          [&](RegionView& region) {
                            found.pieces.emplace_back(region.pieces().begin(), region.pieces().end());
                            found.facets.emplace_back();
                            for (const int w : region.facets())
                              found.facets.back().push_back(region.walls()[static_cast<std::size_t>(w)]);
                            return true;
                          })
                     .counts;
  // Counting alone builds fewer cells.
  EXPECT_EQ(Worker(refinement, cells).run({}, ~std::uint64_t{0}).counts.regions, found.pieces.size());
  return found;
}

// Same regions in the same order with the same facets.
std::uint64_t expect_same(const Network& network, const Domain& domain) {
  const Found vertices = find_regions(network, domain, Cells::kVertices);
  const Found halfspaces = find_regions(network, domain, Cells::kHalfspaces);
  EXPECT_EQ(vertices.pieces, halfspaces.pieces);
  EXPECT_EQ(vertices.facets, halfspaces.facets);
  EXPECT_EQ(vertices.counts.per_layer, halfspaces.counts.per_layer);
  EXPECT_EQ(vertices.counts.active, halfspaces.counts.active);
  return halfspaces.counts.exact_decisions;
}

TEST(HalfspaceCell, AgreesWithVerticesOnRandomNetworks) {
  Rng rng(1);
  for (Index k = 1; k <= 5; ++k) {
    SCOPED_TRACE(k);
    expect_same(random_layers(rng, {k, 9, 7, 1}, Weights::kNormal).network(), cube(k));
    expect_same(random_layers(rng, {k, 5, 5, 5, 1}, Weights::kNormal).network(), cube(k));
  }
  for (Index k = 6; k <= 7; ++k) expect_same(random_layers(rng, {k, 4, 4, 1}, Weights::kNormal).network(), cube(k));
}

TEST(HalfspaceCell, AgreesWithVerticesOnDegenerateNetworks) {
  Rng rng(2);
  std::uint64_t exact = 0;
  for (Index k = 1; k <= 5; ++k) {
    for (const Weights kind : {Weights::kSmallIntegers, Weights::kThroughTheOrigin, Weights::kDuplicates}) {
      for (int round = 0; round < 3; ++round) {
        SCOPED_TRACE(testing::Message() << "k " << k << " kind " << static_cast<int>(kind) << " round " << round);
        exact += expect_same(random_layers(rng, {k, 7, 6, 1}, kind).network(), cube(k));
      }
    }
  }
  EXPECT_GT(exact, 100u);
}

TEST(HalfspaceCell, AgreesWithVerticesOnOtherFunctionsAndMaxima) {
  Rng rng(3);
  for (Index k = 1; k <= 4; ++k) {
    SCOPED_TRACE(k);
    const Layers layers = random_layers(rng, {k, 6, 5, 1}, Weights::kSmallIntegers);
    NetworkBuilder clipped(Shape{k});
    Piecewise clip;
    clip.kind = "Clip";
    clip.breaks = (Matrix(1, 2) << 0, 1).finished();
    clip.slopes = (Matrix(1, 3) << 0, 1, 0).finished();
    clip.offsets = (Matrix(1, 3) << 0, 0, 1).finished();
    int node = 0;
    for (std::size_t l = 0; l < 2; ++l) {
      node = clipped.add(Dense{layers.weights[l], layers.biases[l]}, {node});
      node = clipped.add(clip, {node});
    }
    expect_same(std::move(clipped).build(node), cube(k));

    NetworkBuilder pooled(Shape{k});
    node = pooled.add(Dense{layers.weights[0], layers.biases[0]}, {0});
    node = pooled.add(Maximum{3, {0, 1, 2, 3, 4, 5, 1, 3, -1}}, {node});
    expect_same(std::move(pooled).build(node), cube(k));
  }
}

TEST(HalfspaceCell, AgreesWithVerticesWhereThereIsNoRoom) {
  Rng rng(4);
  for (const double width : {1e-3, 1e-12, 1e-17, 1e-40}) {
    SCOPED_TRACE(width);
    Domain domain = cube(3);
    Matrix normals(2, 3);
    normals << 1, -1, 0.5, -1, 1, -0.5;
    domain.constrain(Halfspaces(normals, Vector::Constant(2, width)));
    expect_same(random_layers(rng, {3, 6, 6, 1}, Weights::kSmallIntegers).network(), domain);
    expect_same(random_layers(rng, {3, 6, 6, 1}, Weights::kNormal).network(), domain);
  }
  Domain empty = cube(3);
  empty.constraints = Halfspaces(Matrix::Identity(1, 3), Vector::Constant(1, -2.0));
  EXPECT_EQ(
      find_regions(random_layers(rng, {3, 4, 1}, Weights::kNormal).network(), empty, Cells::kHalfspaces).pieces.size(),
      0u);
}

TEST(HalfspaceCell, CopiesOfOneUnitCutOnce) {
  const Index k = 9;
  const Index copies = 100;
  Rng rng(5);
  const Vector direction = rng.normal_vector(k);
  Layers layers;
  layers.weights = {Matrix(copies, k), Matrix::Ones(1, copies)};
  layers.biases = {Vector(copies), Vector::Zero(1)};
  for (Index i = 0; i < copies; ++i) {
    const double factor = std::ldexp(i % 3 == 0 ? -1.0 : 1.0, static_cast<int>(i % 5));
    layers.weights[0].row(i) = factor * direction.transpose();
    layers.biases[0][i] = 0.1 * factor;
  }
  const Found found = find_regions(layers.network(), cube(k), Cells::kByDimension);
  EXPECT_EQ(found.pieces.size(), 2u);
  EXPECT_GT(found.counts.exact_decisions, 0u);
}

// A cell by hand, with walls whose forms are wrong by as much as the test says, and a judge who knows the truth:
// whatever is decided without asking him must hold for every form within its error.
class UncertainWalls {
 public:
  explicit UncertainWalls(Index k, double half = 1) : k_(k), geometry_(k) {
    const Vector lower = Vector::Constant(k, -half);
    const Vector upper = Vector::Constant(k, half);
    cell_ = geometry_.box(arena_, lower.data(), upper.data());
    wall_ = static_cast<int>(2 * k);
  }

  // Goes on with the side of this sign of normal · t + constant = 0.
  void cut(Vector normal, double constant, double error, int sign) {
    ASSERT_TRUE(ask(std::move(normal), constant, error, true).below);
    HalfspaceCell negative;
    HalfspaceCell positive;
    geometry_.split(arena_, cell_, wall_++, negative, positive);
    cell_ = sign < 0 ? negative : positive;
  }

  HalfspaceGeometry::Reach ask(Vector normal, double constant, double error, bool truth) {
    form_.resize(k_ + 1);
    form_ << normal, constant;
    asked_ = 0;
    return geometry_.reach(cell_, {form_.data(), error, ++id_}, [&](int, int, std::span<const HalfspaceCell::Side>) {
      ++asked_;
      return truth;
    });
  }
  int asked() const { return asked_; }

 private:
  Index k_;
  HalfspaceGeometry geometry_;
  Arena arena_;
  HalfspaceCell cell_;
  Vector form_;
  int wall_ = 0, asked_ = 0;
  std::uint64_t id_ = 0;
};

TEST(HalfspaceCell, AWitnessIsInsideByMoreThanTheWallsAreWrong) {
  for (const Index k : {2, 40}) {
    const Vector x = Vector::Unit(k, 0);
    UncertainWalls walls(k);
    walls.cut(x, 0, 0.4, 1);  // x ≥ 0, or as well x ≥ 0.4: then x < 0.2 is not there
    EXPECT_FALSE(walls.ask(-x, 0.2, 0, false).above) << k;
    EXPECT_GT(walls.asked(), 0);
    EXPECT_TRUE(walls.ask(-x, 0.2, 0, true).above) << k;
    EXPECT_GT(walls.asked(), 0);
    EXPECT_TRUE(walls.ask(-x, 0.6, 0, false).above) << k;  // 0.4 < x < 0.6 is there in any case
    EXPECT_EQ(walls.asked(), 0);
  }
}

TEST(HalfspaceCell, AWitnessThatIsTooNearToACutIsNoneAfterwards) {
  for (const Index k : {2, 40}) {
    const Vector x = Vector::Unit(k, 0);
    UncertainWalls walls(k);
    walls.cut(x, 0.1, 0.4, 1);  // x ≥ −0.1, or as well x ≥ 0.3: the centre, at 0, may be outside
    EXPECT_FALSE(walls.ask(-x, 0.05, 0, false).above) << k;
    EXPECT_GT(walls.asked(), 0) << k;
  }
}

TEST(HalfspaceCell, AWitnessIsBeyondAFormByMoreThanItIsWrong) {
  for (const Index k : {1, 40}) {
    const Vector x = Vector::Unit(k, 0);
    UncertainWalls walls(k);
    EXPECT_FALSE(walls.ask(x, -0.9, 0.2, false).above) << k;
    EXPECT_TRUE(walls.ask(x, -0.9, 0.02, false).above) << k;
  }
}

TEST(HalfspaceCell, AProofChargesTheErrorsOfItsWalls) {
  for (const Index k : {1, 2, 40}) {
    const Vector x = Vector::Unit(k, 0);
    for (const double error : {0.02, 0.1}) {
      UncertainWalls walls(k);
      walls.cut(x, -0.5, error, 1);  // x ≥ 0.5 − error at least
      // Is there an x < 0.45? With an error of 0.1 there may be.
      EXPECT_EQ(walls.ask(x, -0.45, 0, true).below, error > 0.05) << k << ' ' << error;
      EXPECT_EQ(walls.asked() > 0, error > 0.05) << k << ' ' << error;
      // The form's own error counts as much.
      UncertainWalls sure(k);
      sure.cut(x, -0.5, 0, 1);
      EXPECT_EQ(sure.ask(x, -0.45, error, true).below, error > 0.05) << k << ' ' << error;
    }
  }
}

// Where the whole room of a proof is a few roundings, it is no proof: the judge decides.
TEST(HalfspaceCell, AProofChargesItsRoundings) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  for (const double half : {1.0, 1e-6}) {  // of a small box a program's own bound is sharp to less than an ε
    for (const Index k : {8, 31, 40}) {
      UncertainWalls walls(k, half);
      for (Index d = 0; d < k; ++d) walls.cut(Vector::Unit(k, d), 0, 0.49 * kEpsilon, 1);  // each may be at −0.49 ε
      // Σ t_d + 1 ± 1, over t ≥ 0: as small as the constant, some ε, less what the walls are wrong by, which is more;
      // added to the 1 one by one their errors vanish.
      const double constant = 1 + (k == 31 ? 12 : 2) * kEpsilon;
      EXPECT_TRUE(walls.ask(Vector::Ones(k), constant, 1, true).below) << k << ' ' << half;
      EXPECT_GT(walls.asked(), 0) << k << ' ' << half;
      EXPECT_FALSE(walls.ask(Vector::Ones(k), 1.25, 1, true).below) << k << ' ' << half;
      EXPECT_EQ(walls.asked(), 0) << k << ' ' << half;
    }
  }
}

// That x ≥ 0.5 leaves nothing of x < 0 says nothing of x ≤ 0.5, whichever of 64 marks its wall has.
TEST(HalfspaceCell, AProofIsAnotherCellsOnlyWithAllItsSides) {
  const double lower = -1, upper = 1;
  const std::vector<double> half{1, -0.5}, zero{1, 0};
  constexpr std::uint64_t kAsked = 1000;
  HalfspaceGeometry geometry(1);
  Arena arena;
  const HalfspaceCell box = geometry.box(arena, &lower, &upper);
  const auto judge = [](int, int, std::span<const HalfspaceCell::Side>) { return true; };
  int wall = 2;
  for (std::uint64_t id = 1; id < 300; ++id) {
    HalfspaceCell below, above;
    geometry.reach(box, {half.data(), 0, id}, judge);
    geometry.split(arena, box, wall++, below, above);
    if (id == 1) {
      EXPECT_FALSE(geometry.reach(above, {zero.data(), 0, kAsked}, judge).below);
    } else {
      EXPECT_TRUE(geometry.reach(below, {zero.data(), 0, kAsked}, judge).below) << id;
    }
  }
}

// 2^m orthants of k ≥ m dimensions: each is bounded by its m walls and by k + (k − m) sides of the box.
TEST(HalfspaceCell, OrthantsOfTwentyDimensions) {
  const Index k = 20;
  const Index m = 7;
  Layers layers;
  layers.weights = {Matrix::Identity(m, k), Matrix::Ones(1, m)};
  layers.biases = {Vector::Zero(m), Vector::Zero(1)};
  const Found found = find_regions(layers.network(), cube(k), Cells::kByDimension);
  EXPECT_EQ(std::set<Pieces>(found.pieces.begin(), found.pieces.end()).size(), 128u);
  for (const auto& facets : found.facets) EXPECT_EQ(facets.size(), static_cast<std::size_t>(2 * k));
}

// Inputs that a network does not look at change nothing; how they are mixed with others does not either.
TEST(HalfspaceCell, InputsWithoutWeightAddNoRegion) {
  Rng rng(6);
  const Layers small = random_layers(rng, {3, 8, 6, 1}, Weights::kNormal);
  const std::size_t expected = find_regions(small.network(), cube(3), Cells::kVertices).pieces.size();
  for (const Index k : {20, 100}) {
    Layers wide = small;
    wide.weights[0] = Matrix::Zero(8, k);
    for (Index d = 0; d < 3; ++d) wide.weights[0].col(5 * d + 2) = small.weights[0].col(d);
    EXPECT_EQ(find_regions(wide.network(), cube(k), Cells::kByDimension).pieces.size(), expected);
  }
}

// Every region is there (its point says so), and no sampled point lies in a region that was not found.
TEST(HalfspaceCell, RegionsOfManyDimensionsHoldTheirPointsAndEverySample) {
  Rng rng(7);
  for (const Index k : {8, 20, 100}) {
    SCOPED_TRACE(k);
    const Layers layers = random_layers(rng, {k, 6, 5, 1}, Weights::kNormal);
    std::set<Pieces> found;
    visit_regions(Refinement(layers.network(), cube(k)), [&](RegionView& region) {
      const Pieces pieces(region.pieces().begin(), region.pieces().end());
      EXPECT_TRUE(found.insert(pieces).second);
      const Vector point = region.interior_point().value();
      EXPECT_LE(point.cwiseAbs().maxCoeff(), 1);
      EXPECT_EQ(layers.pieces_at(point), pieces);
      return true;
    });
    for (int sample = 0; sample < 20000; ++sample) {
      Vector point(k);
      for (double& x : point) x = rng.uniform(-1, 1);
      ASSERT_TRUE(found.contains(layers.pieces_at(point)));
    }
  }
}

TEST(HalfspaceCell, StopsEarlyAmongTheRegionsOfAnImage) {
  Rng rng(8);
  const Layers layers = random_layers(rng, {784, 16, 16, 10}, Weights::kNormal);
  const Refinement refinement(layers.network(), cube(784, 0.5));
  std::set<Pieces> found;
  const WorkResult result = Worker(refinement).run({}, 20, [&](RegionView& region) {
    const Pieces pieces(region.pieces().begin(), region.pieces().end());
    EXPECT_EQ(layers.pieces_at(region.interior_point().value()), pieces);
    found.insert(pieces);
    return true;
  });
  EXPECT_EQ(found.size(), 20u);
  EXPECT_EQ(result.counts.regions, 20u);
  EXPECT_FALSE(result.open.empty());
}

// What is open afterwards, and what was found, make the whole, for either kind of cell.
TEST(HalfspaceCell, OpenWorkIsTheSameForEveryKindOfCell) {
  Rng rng(9);
  const Refinement refinement(random_layers(rng, {4, 8, 8, 1}, Weights::kNormal).network(), cube(4));
  const WorkResult first = Worker(refinement, Cells::kHalfspaces).run({}, 30);
  EXPECT_EQ(first.open, Worker(refinement, Cells::kVertices).run({}, 30).open);
  RegionCounts sum = first.counts;
  Worker worker(refinement, Cells::kHalfspaces);
  for (const WorkUnit& unit : first.open) sum += worker.run(unit, ~std::uint64_t{0}).counts;
  const RegionCounts all = Worker(refinement, Cells::kVertices).run({}, ~std::uint64_t{0}).counts;
  EXPECT_EQ(sum.regions, all.regions);
  EXPECT_EQ(sum.per_layer, all.per_layer);
}

// 45168: golden.json; 71750: vertices and half-spaces, both exact, agree.
TEST(HalfspaceCell, CountsOfEightAndTenInputs) {
  const std::filesystem::path folder = data_folder() / "partition";
  if (!std::filesystem::is_directory(folder)) {
    std::puts("no networks in UNRECT_DATA: a generated one of eight inputs stands in");
    Rng rng(10);
    const Network network = random_layers(rng, {8, 6, 6, 1}, Weights::kNormal).network();
    EXPECT_EQ(find_regions(network, cube(8), Cells::kVertices).pieces,
              find_regions(network, cube(8), Cells::kHalfspaces).pieces);
    return;
  }
  const auto count = [&](const char* name, Index k) {
    const Refinement refinement(read_network(folder / name), cube(k));
    return Worker(refinement).run({}, ~std::uint64_t{0}).counts.regions;
  };
  EXPECT_EQ(count("rand_8_2x10.npz", 8), 45168u);
  EXPECT_EQ(count("rand_10_3x8.npz", 10), 71750u);
}

}  // namespace
}  // namespace unrect
