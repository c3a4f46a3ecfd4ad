// Counts that are known: by a formula, by hand, and of trained and generated networks in the data folder.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/partition/explore.hpp"

namespace unrect {
namespace {

Network one_layer(const Matrix& weight, const Vector& bias) {
  return Network::chain({weight, Matrix::Ones(1, weight.rows())}, {bias, Vector::Zero(1)});
}

// Both kinds of cell, and a count by threads, must say the same.
void expect_regions(const Network& network, const Domain& domain, std::uint64_t regions, const std::string& what) {
  for (const Detail detail : {Detail::kRegions, Detail::kIncidence}) {
    const RegionCounts counts = count_regions(Refinement(network, domain, detail));
    EXPECT_EQ(counts.regions, regions) << what << (detail == Detail::kIncidence ? ", with incidence" : "");
    ASSERT_FALSE(counts.per_layer.empty());
    EXPECT_EQ(counts.per_layer.back(), regions) << what;
    EXPECT_TRUE(std::ranges::is_sorted(counts.per_layer)) << what;
  }
}

std::uint64_t binomial(Index n, Index k) {
  std::uint64_t out = 1;
  for (Index i = 1; i <= k; ++i) out = out * static_cast<std::uint64_t>(n - k + i) / static_cast<std::uint64_t>(i);
  return out;
}

// m hyperplanes in general position, all of whose vertices lie in the ball: Σ_{i ≤ k} C(m, i) (Zaslavsky 1975).
TEST(KnownCounts, GeneralPosition) {
  Rng rng(7);
  for (Index k = 1; k <= 5; ++k) {
    for (const Index m : {1, 2, 5, 9}) {
      std::uint64_t expected = 0;
      for (Index i = 0; i <= std::min(k, m); ++i) expected += binomial(m, i);
      const Matrix weight = rng.normal_matrix(m, k);
      // Hyperplanes near the origin, in a cube that holds every vertex of theirs.
      expect_regions(one_layer(weight, rng.normal_vector(m)), cube(k, 1e6), expected, fmt::format("k {}, m {}", k, m));
    }
  }
}

// Through the origin: 2 Σ_{i < k} C(m − 1, i) (Cover 1965).
TEST(KnownCounts, CentralGeneralPosition) {
  Rng rng(8);
  for (Index k = 1; k <= 5; ++k) {
    for (const Index m : {1, 3, 6, 9}) {
      std::uint64_t expected = 0;
      for (Index i = 0; i < k; ++i) expected += i < m ? 2 * binomial(m - 1, i) : 0;
      expect_regions(one_layer(rng.normal_matrix(m, k), Vector::Zero(m)), cube(k), expected,
                     fmt::format("k {}, m {}", k, m));
    }
  }
}

// All through one point, some of them nearly parallel: where two such meet, the vertex is computed a billion roundings
// away from the point, and what passes through it must not be decided by that.
TEST(KnownCounts, NearlyParallelThroughOnePoint) {
  Rng rng(12);
  for (int c = 0; c < 100; ++c) {
    const Index k = 2 + rng.below(2);
    const Index m = 7;
    Vector point(k);
    for (double& x : point) x = static_cast<double>(rng.below(2001) - 1000) / 1024;
    Matrix weight(m, k);
    for (Index i = 0; i < m; ++i) {
      const bool steep = rng.below(2) == 0;
      for (Index d = 0; d < k; ++d) {
        const auto small = static_cast<double>(rng.below(1000001) - 500000);
        weight(i, d) = steep ? small : std::ldexp(1.0 + static_cast<double>(d), 28) + small / 4096;
      }
    }
    const Vector bias = -(weight * point);  // without rounding: 53 bits hold it
    const std::uint64_t expected = k == 2 ? 2 * m : 2 * (1 + (m - 1) + binomial(m - 1, 2));
    for (const double scale : {1.0, std::ldexp(1.0, -600)}) {
      expect_regions(one_layer(scale * weight, scale * bias), cube(k), expected, fmt::format("case {}", c));
    }
  }
}

TEST(KnownCounts, ParallelLinesAndGrids) {
  const Index m = 20;
  Matrix rows(m, 2);
  rows.rowwise() = Eigen::RowVector2d(1, 0.5);
  const Vector offsets = Vector::LinSpaced(m, -0.9, 0.9);
  expect_regions(one_layer(rows, offsets), cube(2), m + 1, "parallel lines");
  expect_regions(one_layer(rows, Vector::LinSpaced(m, 0.5, 2.5)), cube(2), 11, "lines, nine of them outside");
  for (Index k = 1; k <= 4; ++k) {
    Matrix grid = Matrix::Zero(3 * k, k);
    Vector bias(3 * k);
    for (Index i = 0; i < 3 * k; ++i) {
      grid(i, i / 3) = i % 2 == 0 ? 1 : -2;
      bias[i] = grid(i, i / 3) * (static_cast<double>(i % 3) - 1) / 2;
    }
    expect_regions(one_layer(grid, bias), cube(k), static_cast<std::uint64_t>(std::pow(4, k)), "a grid");
  }
}

TEST(KnownCounts, SidesAndCornersOfTheDomainCutNothing) {
  Matrix rows(6, 2);
  rows << 1, 0, 0, -1, 1, 1, -1, 1, 2, 2, 1, 2;
  Vector bias(6);
  bias << -1, -1, -2, 2, 4, 3;  // two sides; a corner four times
  expect_regions(one_layer(rows, bias), cube(2), 1, "touching");
}

TEST(KnownCounts, CopiesAddNothing) {
  Rng rng(9);
  const Matrix some = rng.normal_matrix(4, 3);
  const Vector bias = 0.1 * rng.normal_vector(4);
  const std::uint64_t expected = count_regions(Refinement(one_layer(some, bias), cube(3))).regions;
  Matrix rows(17, 3);
  Vector offsets(17);
  rows << some, -some, 4 * some, -0.25 * some, Matrix::Zero(1, 3);
  offsets << bias, -bias, 4 * bias, -0.25 * bias, 0;
  expect_regions(one_layer(rows, offsets), cube(3), expected, "copies");
}

// The 2^k orthants, then |x|₁ = 1 through all of them: another 2^k.
TEST(KnownCounts, CrossPolytope) {
  for (Index k = 2; k <= 5; ++k) {
    Matrix signs(2 * k, k);
    signs << Matrix::Identity(k, k), -Matrix::Identity(k, k);
    const Network network = Network::chain({signs, Matrix::Ones(1, 2 * k), Matrix::Ones(1, 1)},
                                           {Vector::Zero(2 * k), Vector::Constant(1, -1), Vector::Zero(1)});
    expect_regions(network, cube(k), 2 << k, "cross polytope");
    EXPECT_EQ(count_regions(Refinement(network, cube(k))).per_layer,
              (std::vector<std::uint64_t>{std::uint64_t{1} << k, std::uint64_t{2} << k}));
  }
}

// A saw-tooth of n layers of two units has 2^n linear pieces (Telgarsky 2016).
TEST(KnownCounts, SawTooth) {
  for (int depth = 1; depth <= 12; ++depth) {
    std::vector<Matrix> weights{Matrix::Ones(2, 1)};
    Vector bias(2);
    bias << 0, -0.5;
    std::vector<Vector> biases{bias};
    Matrix tooth(2, 2);
    tooth << 2, -4, 2, -4;
    for (int l = 1; l < depth; ++l) {
      weights.push_back(tooth);
      biases.push_back(bias);
    }
    weights.push_back(tooth.topRows(1));
    biases.push_back(Vector::Zero(1));
    const Box unit(Vector::Zero(1), Vector::Ones(1));
    expect_regions(Network::chain(weights, biases), Domain(unit), std::uint64_t{1} << depth, "saw-tooth");
  }
}

// Without biases every region is a cone: a plane that is cut by rays has as many regions as rays.
TEST(KnownCounts, ZeroBiasesMakeCones) {
  Rng rng(10);
  for (int c = 0; c < 20; ++c) {
    std::vector<Matrix> weights{rng.normal_matrix(8, 2), rng.normal_matrix(8, 8), rng.normal_matrix(8, 8),
                                rng.normal_matrix(1, 8)};
    std::vector<Vector> biases;
    for (const Matrix& w : weights) biases.push_back(Vector::Zero(w.rows()));
    const Network network = Network::chain(weights, biases);
    // Along the border of the square: sign changes of a piecewise linear function of one parameter.
    std::uint64_t rays = 0;
    for (Index d = 0; d < 2; ++d) {
      for (const double side : {-1.0, 1.0}) {
        Vector origin = Vector::Zero(2);
        origin[d] = side;
        Matrix axis = Matrix::Zero(2, 1);
        axis(1 - d, 0) = 1;
        const Domain edge(origin, axis, Box(Vector::Constant(1, -1), Vector::Ones(1)));
        rays += count_regions(Refinement(network, edge)).regions - 1;
      }
    }
    expect_regions(network, cube(2), rays, "cones");
    expect_regions(network, cube(2, 1e-30), rays, "cones, small");
    expect_regions(network, cube(2, 1e30), rays, "cones, large");
  }
}

// 0.3 (0.7 t) is not the double nearest to it times t: the difference is a unit of its own, however small.
TEST(KnownCounts, ProductsOfParametersAreNotRounded) {
  const Dense plain{Matrix::Constant(1, 1, 0.7), Vector::Zero(1)};
  const Dense product{Matrix::Constant(1, 1, 0.3 * 0.7), Vector::Zero(1)};
  for (const bool by_scale : {false, true}) {
    NetworkBuilder b(Shape{1});
    int scaled = b.add(plain, {0});
    scaled = by_scale ? b.add(Scale{Vector::Constant(1, 0.3), Vector::Zero(1)}, {scaled}) : b.add(Sum{{0.3}}, {scaled});
    const int unit = b.add(relu(), {b.add(Sum{{1, -1}}, {scaled, b.add(product, {0})})});
    expect_regions(std::move(b).build(unit), cube(1), 2, by_scale ? "a scale" : "a factor");
  }
}

TEST(KnownCounts, NetworksWithoutAnythingToSplit) {
  expect_regions(one_layer(Matrix::Zero(3, 2), Vector::LinSpaced(3, -1, 1)), cube(2), 1, "constants");
  const Network affine = Network::chain({Matrix::Ones(1, 2)}, {Vector::Ones(1)});
  EXPECT_EQ(count_regions(Refinement(affine, cube(2))).regions, 1u);
}

class GoldenCounts : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(data_folder())) GTEST_SKIP() << "no data at " << data_folder();
  }
  static void expect(const std::string& what, const Network& network, const Domain& domain, std::uint64_t regions) {
    Context context;
    context.threads = 2;
    const RegionCounts counts = count_regions(Refinement(network, domain), context);
    EXPECT_EQ(counts.regions, regions) << what;
    ASSERT_EQ(counts.per_layer.size(), network.layers().size()) << what;
    EXPECT_TRUE(std::ranges::is_sorted(counts.per_layer)) << what;
    EXPECT_EQ(counts.per_layer.back(), regions) << what;
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts.active) all += n;
    EXPECT_EQ(all, regions) << what;
  }
};

// bunny_3_8x32 has its own count in the long runs.
TEST_F(GoldenCounts, SmallNetworks) {
  struct Known {
    const char* name;
    Index k;
    double radius;
    std::uint64_t regions;
  };
  for (const Known& known : {Known{"bunny_2_2x50", 2, 0.5, 246},
                             {"bunny_2_2x100", 2, 0.5, 2971},
                             {"bunny_2_4x32", 2, 0.5, 1186},
                             {"rand_2_3x64", 2, 1, 12608},
                             {"rand_4_3x16", 4, 1, 40029},
                             {"rand_5_2x12", 5, 1, 18528},
                             {"rand_8_2x10", 8, 1, 45168},
                             {"rand_2_3x16", 2, 1, 911},
                             {"rand_3_2x12", 3, 1, 1019},
                             {"trap_quant_2_2x24", 2, 1, 792},
                             {"trap_dup_2_2x16", 2, 1, 253},
                             {"trap_pruned_3_2x16", 3, 1, 234}}) {
    const std::filesystem::path file = data_folder() / "partition" / known.name;
    const Domain domain = cube(known.k, known.radius);
    expect(known.name, read_network(file.string() + ".npz"), domain, known.regions);
    if (known.k <= 3) expect(known.name, read_network(file.string() + ".f64.onnx"), domain, known.regions);
  }
}

TEST_F(GoldenCounts, Controllers) {
  struct Known {
    const char* file;
    double radius;
    std::uint64_t regions;
  };
  for (const Known& known : {Known{"cartpole.onnx", 0.3, 11212}, {"vdp.onnx", 1, 3755}, {"robot.onnx", 0.1, 6596}}) {
    const Network network = read_network(data_folder() / "onnx" / "control" / known.file);
    expect(known.file, network, cube(network.input_size(), known.radius), known.regions);
  }
}

}  // namespace
}  // namespace unrect
