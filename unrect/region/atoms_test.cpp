#include "unrect/region/atoms.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/region/paths.hpp"

namespace unrect {
namespace {

Factors at_random_point(const Network& network, Rng& rng) {
  return factors(unrectify(network, rng.normal_vector(network.input_size())));
}

// All paths i_1 = q → … → i_{L−1} = p through active units along non-zero weights, by enumeration.
void enumerate(const Factors& f, Index p, std::vector<Index>& units, double product, std::vector<Path>& paths) {
  const std::size_t l = units.size();
  if (l == f.diagonals.size()) {
    if (units.back() == p && product != 0) paths.push_back({units, product});
    return;
  }
  for (Index i = 0; i < f.weights[l].rows(); ++i) {
    units.push_back(i);
    enumerate(f, p, units, product * f.weights[l](i, units[l - 1]) * f.diagonals[l][i], paths);
    units.pop_back();
  }
}

std::vector<Path> all_paths(const Factors& f, Index p, Index q) {
  std::vector<Path> paths;
  std::vector<Index> units{q};
  if (f.diagonals[0][q] != 0) enumerate(f, p, units, f.diagonals[0][q], paths);
  return paths;
}

// HH Theorem 5 (i): for L = 2 the linear part is the plain sum of |S_1| atoms.
TEST(Theorem5, TwoLayersArePlainSumsOfAtoms) {
  Rng rng(1);
  for (int trial = 0; trial < 20; ++trial) {
    const Factors f = at_random_point(random_chain({4, 7, 3}, rng.split(static_cast<std::uint64_t>(trial))), rng);
    Matrix sum = Matrix::Zero(3, 4);
    for (const Index q : f.support(1)) sum += f.weights[1].col(q) * f.weights[0].row(q);
    const AtomicDecomposition atoms(f);
    EXPECT_EQ(atoms.size(), static_cast<Index>(f.support(1).size()));
    EXPECT_LT((atoms.linear() - sum).norm(), 1e-13 * (1 + sum.norm()));
  }
}

// HH Theorem 5 (ii): for L = 3, κ_pq = (W_2)_pq on S_2 × S_1.
TEST(Theorem5, ThreeLayersHaveTheMiddleWeightsAsCoefficients) {
  Rng rng(2);
  for (int trial = 0; trial < 20; ++trial) {
    const Factors f = at_random_point(random_chain({3, 6, 5, 2}, rng.split(static_cast<std::uint64_t>(trial))), rng);
    const AtomicDecomposition atoms(f);
    const std::vector<Index> s1 = f.support(1), s2 = f.support(2);
    ASSERT_EQ(atoms.coefficients().rows(), static_cast<Index>(s2.size()));
    ASSERT_EQ(atoms.coefficients().cols(), static_cast<Index>(s1.size()));
    for (std::size_t i = 0; i < s2.size(); ++i) {
      for (std::size_t j = 0; j < s1.size(); ++j) {
        EXPECT_EQ(atoms.coefficients()(static_cast<Index>(i), static_cast<Index>(j)), f.weights[1](s2[i], s1[j]));
      }
    }
  }
}

// HH Theorem 5 (iii): for L > 3, κ_pq is the sum of products along the paths q → p; A_d the sum of the atoms.
TEST(Theorem5, DeeperLayersSumOverPaths) {
  Rng rng(3);
  for (int trial = 0; trial < 10; ++trial) {
    const Network network = random_chain({3, 5, 4, 6, 5, 2}, rng.split(static_cast<std::uint64_t>(trial)));
    const Vector x = rng.normal_vector(3);
    const Region region = unrectify(network, x);
    const Factors f = factors(region);
    const AtomicDecomposition atoms(f);
    for (std::size_t i = 0; i < atoms.last_support().size(); ++i) {
      for (std::size_t j = 0; j < atoms.first_support().size(); ++j) {
        double kappa = 0;
        const std::vector<Path> paths = all_paths(f, atoms.last_support()[i], atoms.first_support()[j]);
        for (const Path& path : paths) kappa += path.product;
        EXPECT_NEAR(atoms.coefficients()(static_cast<Index>(i), static_cast<Index>(j)), kappa, 1e-12);
        EXPECT_EQ(paths.size(), f.support(2).size() * f.support(3).size());
      }
    }
    const Matrix a = region.affine_map().linear;
    EXPECT_LT((atoms.linear() - a).norm(), 1e-12 * (1 + a.norm()));
    EXPECT_LT((atoms.sum(atoms.top(atoms.size())) - a).norm(), 1e-12 * (1 + a.norm()));
    const Vector y = f.weights.back() * column_coefficients(f, x) + f.biases.back();
    EXPECT_LT((y - evaluate(network, x)).norm(), 1e-12 * (1 + y.norm()));
  }
}

TEST(Atoms, TopAtomsAreHeaviestFirstAndTruncationEndsAtZero) {
  Rng rng(4);
  const Factors f = at_random_point(random_chain({5, 9, 8, 4}, rng.split(0)), rng);
  const AtomicDecomposition atoms(f);
  const std::vector<Atom> all = atoms.top(atoms.size());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Atom& a, const Atom& b) { return a.weight > b.weight; }));
  for (const Atom& atom : all) EXPECT_NEAR(atoms.sum({atom}).norm(), atom.weight, 1e-12 * atom.weight);
  const Vector errors = atoms.truncation_errors(all);
  EXPECT_EQ(errors[0], 1);
  EXPECT_LT(errors[errors.size() - 1], 1e-12);
  const Matrix rest = atoms.linear() - atoms.sum(atoms.top(7));
  EXPECT_NEAR(errors[7], rest.norm() / atoms.linear().norm(), 1e-12);
}

TEST(Paths, CountsAndHeaviestAgreeWithEnumeration) {
  Rng rng(5);
  for (int trial = 0; trial < 10; ++trial) {
    Factors f = at_random_point(random_chain({3, 6, 5, 5, 4, 2}, rng.split(static_cast<std::uint64_t>(trial))), rng);
    f.weights[2](1, 2) = 0;                  // a missing connection
    if (trial % 2) f.diagonals[1][0] = 0.3;  // a leaky unit
    for (const Index q : f.support(1)) {
      for (const Index p : f.support(4)) {
        std::vector<Path> expected = all_paths(f, p, q);
        EXPECT_EQ(path_count(f, p, q).to_string(), std::to_string(expected.size()));
        EXPECT_EQ(path_count(f, p, q).approximate, static_cast<double>(expected.size()));
        std::sort(expected.begin(), expected.end(),
                  [](const Path& a, const Path& b) { return std::abs(a.product) > std::abs(b.product); });
        const std::vector<Path> heaviest = heaviest_paths(f, p, q, 6);
        ASSERT_EQ(heaviest.size(), std::min<std::size_t>(6, expected.size()));
        for (std::size_t k = 0; k < heaviest.size(); ++k) {
          EXPECT_NEAR(heaviest[k].product, expected[k].product, 1e-14);
          EXPECT_EQ(heaviest[k].units, expected[k].units);
        }
      }
    }
  }
}

// Equal weights whose products round differently from the front and from the back: the search must not visit all 8^10
// paths.
TEST(Paths, TiesDoNotMakeTheSearchExhaustive) {
  Factors f;
  const int depth = 13;
  f.weights.push_back(Matrix::Ones(8, 1));
  for (int l = 2; l < depth; ++l) f.weights.push_back(Matrix::Constant(8, 8, 0.1));
  f.weights.push_back(Matrix::Ones(1, 8));
  for (int l = 1; l < depth; ++l) f.diagonals.push_back(Vector::Ones(8));
  const std::vector<Path> paths = heaviest_paths(f, 3, 2, 4);
  ASSERT_EQ(paths.size(), 4u);
  for (const Path& path : paths) EXPECT_NEAR(path.product / std::pow(0.1, depth - 2), 1, 1e-12);
}

TEST(Paths, CountsPast128BitsSaySo) {
  const int depth = 40;
  Factors f;
  f.weights.push_back(Matrix::Ones(16, 1));
  for (int l = 2; l < depth; ++l) f.weights.push_back(Matrix::Ones(16, 16));
  f.weights.push_back(Matrix::Ones(1, 16));
  for (int l = 1; l < depth; ++l) f.diagonals.push_back(Vector::Ones(16));
  const PathCount count = path_count(f, 0, 0);
  EXPECT_TRUE(count.overflow);
  EXPECT_NEAR(count.approximate / std::pow(16.0, depth - 3), 1, 1e-12);
  f.weights.resize(34, Matrix::Ones(16, 16));  // 16^31 = 2^124 still fits
  f.diagonals.resize(33);
  EXPECT_EQ(path_count(f, 0, 0).to_string(), "21267647932558653966460912964485513216");
}

TEST(Factors, ConvolutionsBecomeMatricesAndResidualSumsAreRefused) {
  Rng rng(6);
  NetworkBuilder builder(Shape{1, 5, 5});
  Convolution conv;
  conv.window = {1, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1};
  conv.kernel = rng.normal_matrix(3, 9);
  conv.bias = rng.normal_vector(3);
  const int z = builder.add(conv, {0}, "conv");
  const int a = builder.add(leaky_relu(0.2), {z});
  const int y = builder.add(Dense{rng.normal_matrix(2, 27), rng.normal_vector(2)}, {a});
  const Network network = std::move(builder).build(y);
  const Vector x = rng.normal_vector(25);
  const Region region = unrectify(network, x);
  const Factors f = factors(region);
  EXPECT_EQ(f.depth(), 2);
  EXPECT_LT((AtomicDecomposition(f).linear() - region.affine_map().linear).norm(), 1e-12);
  EXPECT_THROW(factors(region, 10), Error);

  const Network residual = random_residual(1, 4, 2, rng.split(1));
  try {
    factors(unrectify(residual, Vector::Ones(16)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("'shortcut' (Sum)"), std::string::npos) << error.what();
  }
}

TEST(Factors, ANetworkThatEndsInARectifierEndsInAnIdentity) {
  Rng rng(7);
  NetworkBuilder builder(Shape{3});
  const int a = builder.add(relu(), {builder.add(Dense{rng.normal_matrix(4, 3), rng.normal_vector(4)}, {0})});
  const Network network = std::move(builder).build(a);
  const Region region = unrectify(network, rng.normal_vector(3));
  const Factors f = factors(region);
  EXPECT_EQ(f.depth(), 2);
  EXPECT_EQ(f.weights[1], Matrix::Identity(4, 4));
}

TEST(Atoms, OfEqualWeightAreInOrder) {
  const Network network = Network::chain({Matrix::Ones(3, 2), Matrix::Ones(3, 3), Matrix::Ones(1, 3)},
                                         {Vector::Ones(3), Vector::Ones(3), Vector::Zero(1)});
  const AtomicDecomposition atoms(factors(unrectify(network, Vector::Ones(2))));
  const std::vector<Atom> top = atoms.top(7);
  ASSERT_EQ(top.size(), 7u);
  for (Index k = 0; k < 7; ++k) {
    EXPECT_EQ(top[static_cast<std::size_t>(k)].p, k / 3);
    EXPECT_EQ(top[static_cast<std::size_t>(k)].q, k % 3);
  }
}

// 20,000 units on one layer: a diagonal, not its square.
TEST(Atoms, OfAWideLayerAreHeldAsADiagonal) {
  const Index width = 20000;
  Rng rng(9);
  const Network network = Network::chain({rng.normal_matrix(width, 2), rng.normal_matrix(1, width)},
                                         {Vector::Ones(width), Vector::Zero(1)});
  const Region region = unrectify(network, Vector{{0.1, 0.2}});
  const AtomicDecomposition atoms(factors(region));
  EXPECT_LT((atoms.linear() - region.affine_map().linear).norm(), 1e-10 * region.affine_map().linear.norm());
  EXPECT_NEAR(atoms.truncation_errors(atoms.top(atoms.size()))[atoms.size()], 0, 1e-8);
}

}  // namespace
}  // namespace unrect
