#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/SVD>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/upward.hpp"
#include "unrect/bounds/gradient.hpp"
#include "unrect/bounds/internal/linear_range.hpp"
#include "unrect/bounds/internal/operator_norm.hpp"
#include "unrect/bounds/lipschitz.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/region/atoms.hpp"

namespace unrect {
namespace {

constexpr double kSlack = 1 + 1e-11;  // rounding of two computations of the same quantity

double largest_singular_value(const Matrix& m) { return Eigen::JacobiSVD<Eigen::MatrixXd>(m).singularValues()[0]; }

TEST(SpectralNorm, AgreesWithTheSvd) {
  Rng rng(1);
  for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 7}, {7, 1}, {5, 9}, {60, 40}}) {
    const Matrix m = rng.normal_matrix(rows, cols);
    EXPECT_NEAR(spectral_norm(m), largest_singular_value(m), 1e-12 * m.norm());
    EXPECT_NEAR(spectral_norm(1e-200 * m) * 1e200, largest_singular_value(m), 1e-12 * m.norm());
  }
  const Matrix large = rng.normal_matrix(500, 450);  // past the dense limit
  EXPECT_NEAR(spectral_norm(large), Eigen::BDCSVD<Eigen::MatrixXd>(large).singularValues()[0], 1e-9 * 45);
  EXPECT_EQ(spectral_norm(Matrix::Zero(4, 3)), 0);
}

TEST(InducedNorm, IsAttainedWhereItIsTractableAndRefusedWhereNot) {
  Rng rng(2);
  const Matrix a = rng.normal_matrix(4, 5);
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kOne, Norm::kOne), a.cwiseAbs().colwise().sum().maxCoeff());
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kInfinity, Norm::kInfinity), a.cwiseAbs().rowwise().sum().maxCoeff());
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kOne, Norm::kTwo), a.colwise().norm().maxCoeff());
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kTwo, Norm::kInfinity), a.rowwise().norm().maxCoeff());
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kOne, Norm::kInfinity), a.cwiseAbs().maxCoeff());
  EXPECT_DOUBLE_EQ(induced_norm(a, Norm::kTwo, Norm::kTwo), spectral_norm(a));
  EXPECT_THROW(induced_norm(a, Norm::kInfinity, Norm::kOne), Error);
  EXPECT_THROW(induced_norm(a, Norm::kInfinity, Norm::kTwo), Error);
  EXPECT_THROW(induced_norm(a, Norm::kTwo, Norm::kOne), Error);
}

TEST(OperatorNorm, OfAConvolutionIsThatOfItsMatrixNotItsKernel) {
  Rng rng(3);
  for (int trial = 0; trial < 20; ++trial) {
    Convolution conv;
    const Index stride = 1 + trial % 2;
    conv.window = {2, 6, 5, 3, 3, stride, stride, 1, 1, 1, 1, 1, 1};
    conv.kernel = rng.normal_matrix(3, 18);
    conv.bias = Vector::Zero(3);
    NetworkBuilder builder(Shape{2, 6, 5});
    const int node = builder.add(conv, {0});
    const Network network = std::move(builder).build(node);
    const Matrix dense = Region(network, {}).affine_map().linear;
    EXPECT_NEAR(operator_norm_bound(network.node(node), network), largest_singular_value(dense), 1e-8);
    EXPECT_GT(std::abs(conv.kernel.norm() - largest_singular_value(dense)), 1e-3);
  }
}

// The chain of inequalities of maths 1.6, for one region and then globally.
TEST(Bounds, EveryBoundHoldsAndTheChainIsOrdered) {
  Rng rng(4);
  const std::vector<std::vector<Index>> shapes{
      {3, 4}, {2, 1, 1}, {3, 6, 2}, {4, 7, 6, 3}, {3, 5, 1, 6, 2}, {2, 8, 8, 8, 8, 1}, {5, 4, 9, 3, 7, 2, 6}};
  for (int trial = 0; trial < 200; ++trial) {
    const std::vector<Index>& widths = shapes[static_cast<std::size_t>(trial) % shapes.size()];
    const Network network = random_chain(widths, rng.split(static_cast<std::uint64_t>(trial)));
    const Vector x = rng.normal_vector(widths[0]);
    const Region region = unrectify(network, x);
    const AffineMap map = region.affine_map();
    std::map<std::string, double> b;
    for (const auto& [name, bound] : all_bounds(region)) b[name] = bound;
    ASSERT_EQ(b.size(), 12u);
    EXPECT_NEAR(b["exact"], largest_singular_value(map.linear), 1e-12 * (1 + b["exact"]));
    const auto chain = [&](std::initializer_list<const char*> names) {
      for (const char* const* name = names.begin(); name + 1 != names.end(); ++name) {
        EXPECT_LE(b[name[0]], b[name[1]] * kSlack + 1e-300) << name[0] << " ≤ " << name[1] << ", trial " << trial;
      }
    };
    if (widths.size() == 2) {
      // No hidden layer: every path bound is ‖W_1‖₂ itself.
      for (const char* name : {"atoms", "absolute_paths", "factor", "counts"}) EXPECT_DOUBLE_EQ(b[name], b["exact"]);
    } else {
      chain({"exact", "nuclear", "atoms", "absolute_paths", "counts", "counts_global"});
    }
    chain({"exact", "factor", "counts"});
    chain({"exact", "spectral", "spectral_global", "spectral_power"});
    chain({"exact", "layered", "spectral_global", "frobenius"});
    EXPECT_LE(b["exact"], spectral_bound_graph(network) * kSlack);
    // Sampled slopes inside the region reach the exact constant along its top direction and never exceed it.
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(Eigen::MatrixXd(map.linear), Eigen::ComputeThinV);
    const Vector top = svd.matrixV().col(0) * 1e-9;
    if (trace(network, x + top).configuration == region.configuration()) {
      EXPECT_LE((map(x + top) - map(x)).norm(), b["exact"] * top.norm() * (1 + 1e-5) + 1e-13);
    }
    // The global bounds hold for every configuration, whether or not it occurs.
    for (int k = 0; k < 5; ++k) {
      Configuration any = region.configuration();
      for (auto& layer : any.layers) {
        for (auto& piece : layer) piece = static_cast<std::uint16_t>(rng.below(2));
      }
      const double norm = spectral_norm(Region(network, any).affine_map().linear);
      for (const char* name : {"counts_global", "layered", "spectral_global", "spectral_power", "frobenius"}) {
        EXPECT_LE(norm, b[name] * kSlack) << name;
      }
    }
  }
}

TEST(Bounds, AreAllZeroWhereAWholeLayerIsOff) {
  const Network network = Network::chain({Matrix::Ones(2, 2), Matrix::Ones(2, 2), Matrix::Ones(1, 2)},
                                         {Vector::Constant(2, -10), Vector::Zero(2), Vector::Zero(1)});
  const Region region = unrectify(network, Vector::Zero(2));
  for (const auto& [name, bound] : all_bounds(region)) {
    const bool global = name == "counts_global" || name == "layered" || name == "spectral_global" ||
                        name == "spectral_power" || name == "frobenius";
    EXPECT_EQ(bound == 0, !global) << name;
  }
}

// The product of the middle weights is 1e-400, that of all 1e-50, and that of the outer ones 1e350: what underflows is
// rounded up, and what overflows is left out.
TEST(AllBounds, HoldWhereProductsLeaveTheRangeOfDoubles) {
  const Network network = Network::chain({Matrix{{1e100}}, Matrix{{1e-200}}, Matrix{{1e-200}}, Matrix{{1e250}}},
                                         {Vector::Ones(1), Vector::Ones(1), Vector::Ones(1), Vector::Zero(1)});
  const Region region = unrectify(network, Vector::Ones(1));
  const auto bounds = all_bounds(region);
  ASSERT_FALSE(bounds.empty());
  EXPECT_EQ(bounds.front().first, "exact");
  EXPECT_NEAR(bounds.front().second, 1e-50, 1e-60);
  for (const auto& [name, bound] : bounds) {
    EXPECT_GE(bound, 1e-50 * (1 - 1e-15)) << name;
    EXPECT_TRUE(std::isfinite(bound)) << name;
  }
}

TEST(Upper, IsExactWhereDoublesAreAndTheNextOneAboveWhereNot) {
  EXPECT_EQ((Upper(3) * 5).value(), 15);
  EXPECT_EQ((Upper(3) + 5).value(), 8);
  EXPECT_EQ(sqrt(Upper(16)).value(), 4);
  EXPECT_EQ((Upper(1) + 0x1p-60).value(), 1 + 0x1p-52);
  EXPECT_EQ((Upper(1 + 0x1p-52) * (1 + 0x1p-52)).value(), 1 + 0x1p-51 + 0x1p-52);
  EXPECT_GT((Upper(1e-200) * 1e-200).value(), 0);
  EXPECT_EQ((Upper(0) * 1e-200).value(), 0);
  EXPECT_TRUE(std::isinf((Upper(1e200) * 1e200).value()));
  EXPECT_GT(std::fma(sqrt(Upper(2)).value(), sqrt(Upper(2)).value(), -2), 0);
  EXPECT_EQ(length(Vector{{3, 4}}).value(), 5);
  const double tiny = length(Vector{{0x3p-1000, 0x4p-1000}}).value();  // below 2⁻⁹⁰⁰ products are always rounded up
  EXPECT_TRUE(tiny > 0x5p-1000 && tiny <= 0x5p-1000 * (1 + 0x1p-51)) << tiny;
  EXPECT_EQ(length(Vector{{0x3p900, 0x4p900}}).value(), 0x5p900);
}

// Norms that are known exactly, which an estimate may miss by an ulp on the wrong side.
TEST(SpectralNormBound, IsNeverBelowAKnownNorm) {
  const auto close = [](double bound, double norm) { return bound >= norm && bound <= norm * (1 + 1e-9); };
  for (const int exponent : {-1000, 0, 3, 900}) {
    const double scale = std::ldexp(1.0, exponent);
    EXPECT_TRUE(close(spectral_norm_bound(scale * Matrix{{3, 4}, {-4, 3}}), 5 * scale)) << exponent;
    EXPECT_TRUE(close(spectral_norm_bound(scale * Matrix{{15, 36}, {20, 48}}), 65 * scale)) << exponent;  // rank one
  }
  for (Index n = 2; n < 40; ++n) EXPECT_TRUE(close(spectral_norm_bound(Matrix::Ones(n, n)), static_cast<double>(n)));
  Matrix crowded = Matrix::Zero(400, 400);
  for (Index i = 0; i < 400; ++i) crowded(i, i) = 1 - 5e-11 * std::pow(static_cast<double>(i) / 400, 2);
  EXPECT_TRUE(close(spectral_norm_bound(crowded), 1));
  EXPECT_EQ(spectral_norm_bound(Matrix::Zero(4, 3)), 0);
}

// (10⁸ + 1)(10⁸ − 1) − 10⁸·10⁸ = −1, which doubles make 0.
TEST(AllBounds, PayForWhatCancelsInTheProductOfWeights) {
  const Matrix one = Matrix::Ones(1, 1), up{{1e8 + 1}, {1e8}}, down{{1e8 - 1, -1e8}};
  const Network network =
      Network::chain({one, up, down, one}, {Vector::Zero(1), Vector::Zero(2), Vector::Constant(1, 5), Vector::Zero(1)});
  const Region region = unrectify(network, Vector::Ones(1));
  EXPECT_EQ(spectral_norm(region.affine_map().linear), 0);
  const auto bounds = all_bounds(region);
  EXPECT_EQ(bounds.size(), 12u);
  for (const auto& [name, bound] : bounds) EXPECT_GE(bound, 1) << name;
  const Factors f = factors(region);
  EXPECT_GE(exact_lipschitz(f), 1);
  const std::vector<LayerGradient> layers = gradient_bounds(f, Vector::Ones(1), Vector::Ones(1));
  EXPECT_GE(layers[0].jacobian, 1);
  EXPECT_GE(layers[0].largest_entry, 1);
  EXPECT_GE(layers[0].smoothness, 1);
}

// Two affine layers that the factors multiply: the same cancellation, in a weight.
TEST(AllBounds, PayForWhatTheFactorsHaveMultiplied) {
  NetworkBuilder builder(Shape{1});
  int x = builder.add(Dense{Matrix{{1e8 + 1}, {1e8}}, Vector::Zero(2)}, {0});
  x = builder.add(Dense{Matrix{{1e8 - 1, -1e8}}, Vector::Constant(1, 5)}, {x});
  x = builder.add(relu(), {x});
  const Network network = std::move(builder).build(x);
  for (const auto& [name, bound] : all_bounds(unrectify(network, Vector::Ones(1)))) EXPECT_GE(bound, 1) << name;
}

// Images too large for their matrix: norms known from 1-D ones.
TEST(OperatorNormBound, IsNeverBelowAKnownNormOfALargeConvolution) {
  const auto norm = [](Index size, Index taps, Index stride, Index pad, Index groups, const Matrix& kernel) {
    NetworkBuilder builder(Shape{groups, size, size});
    Convolution conv;
    conv.window = {groups, size, size, taps, taps, stride, stride, 1, 1, pad, pad, pad, pad};
    conv.groups = groups;
    conv.kernel = kernel;
    conv.bias = Vector::Zero(kernel.rows());
    const int node = builder.add(conv, {0});
    const Network network = std::move(builder).build(node);
    return operator_norm_bound(network.node(node), network);
  };
  const double sums = std::pow(1 + 2 * std::cos(std::acos(-1.0) / 41), 2);  // of tridiagonal ones, 40 × 40, twice
  EXPECT_GE(norm(40, 3, 1, 1, 1, Matrix::Ones(1, 9)), sums);
  EXPECT_LE(norm(40, 3, 1, 1, 1, Matrix::Ones(1, 9)), 9 * (1 + 1e-8));
  const Matrix alternating{{1, -1, 1, -1, 1, -1, 1, -1, 1}};  // the same up to signs of inputs and outputs
  EXPECT_GE(norm(40, 3, 1, 1, 1, alternating), sums);
  EXPECT_LE(norm(40, 3, 1, 1, 1, alternating), 9 * (1 + 1e-8));
  for (const Matrix& windows : {Matrix(Matrix::Ones(1, 4)), Matrix{{1, -1, 1, 1}}}) {  // that do not overlap
    EXPECT_GE(norm(70, 2, 2, 0, 1, windows), 2);
    EXPECT_LE(norm(70, 2, 2, 0, 1, windows), 2 * (1 + 1e-8));
  }
  EXPECT_GE(norm(40, 1, 1, 0, 2, Matrix{{3}, {-5}}), 5);
  EXPECT_LE(norm(40, 1, 1, 0, 2, Matrix{{3}, {-5}}), 5 * (1 + 1e-8));
}

// HH Theorem 6 (i) is tight: all atoms alike, all active weights α.
TEST(CountsBound, IsAttainedWhenAllAtomsCoincide) {
  const double alpha = 0.25;
  const int s = 3;
  Matrix w1 = Matrix::Zero(s, 2), w4 = Matrix::Zero(2, s);
  w1.col(0).setOnes();
  w4.row(1).setOnes();
  const Matrix middle = Matrix::Constant(s, s, alpha);
  const Network network =
      Network::chain({w1, middle, middle, w4}, {Vector::Ones(s), Vector::Ones(s), Vector::Ones(s), Vector::Zero(2)});
  const Factors f = factors(unrectify(network, Vector::Zero(2)));
  EXPECT_NEAR(exact_lipschitz(f), alpha * alpha * s * s * s, 1e-12);
  EXPECT_NEAR(counts_bound(f), exact_lipschitz(f), 1e-12);
  EXPECT_NEAR(atoms_bound(f), exact_lipschitz(f), 1e-12);
}

TEST(LayeredBound, IsFarBelowTheSpectralProductOnDeepNetworks) {
  double ratio = 1;
  for (const std::size_t depth : {4u, 8u, 16u, 32u}) {
    std::vector<Index> widths(depth + 1, 30);
    const Factors f = factors(unrectify(random_chain(widths, Rng(5)), Vector::Ones(30)));
    const double next = layered_bound(f) / spectral_bound_global(f);
    EXPECT_LT(next, ratio);
    ratio = next;
  }
  EXPECT_LT(ratio, 0.01);
}

TEST(Bounds, RelaxedActivationsObeyTheRegionChain) {
  Rng rng(6);
  for (int trial = 0; trial < 50; ++trial) {
    Factors f = factors(
        unrectify(random_chain({3, 6, 5, 4, 2}, rng.split(static_cast<std::uint64_t>(trial))), Vector::Ones(3)));
    for (Vector& d : f.diagonals) d = rng.uniform_vector(d.size(), 0, 1);
    const double exact = exact_lipschitz(f);
    EXPECT_LE(exact, atoms_bound(f) * kSlack);
    EXPECT_LE(atoms_bound(f), absolute_paths_bound(f) * kSlack);
    EXPECT_LE(absolute_paths_bound(f), counts_bound(f) * kSlack);
    EXPECT_LE(exact, factor_bound(f) * kSlack);
    EXPECT_LE(factor_bound(f), counts_bound(f) * kSlack);
    EXPECT_LE(exact, spectral_bound(f) * kSlack);
    EXPECT_LE(spectral_bound(f), spectral_bound_global(f) * kSlack);
    EXPECT_LE(exact, layered_bound(f) * kSlack);
  }
}

// f = ½‖M(x) − y‖²: the formulas against central differences of the network itself.
TEST(Gradients, AgreeWithFiniteDifferencesAndStayBelowTheirBounds) {
  Rng rng(7);
  for (int trial = 0; trial < 20; ++trial) {
    const Network network = random_chain({3, 6, 5, 4, 2}, rng.split(static_cast<std::uint64_t>(trial)));
    const Vector x = rng.normal_vector(3), target = rng.normal_vector(2);
    const Factors f = factors(unrectify(network, x));
    const Vector g = evaluate(network, x) - target;
    const std::vector<Matrix> gradients = weight_gradients(f, x, g);
    const std::vector<LayerGradient> layers = gradient_bounds(f, x, g);
    ASSERT_EQ(layers.size(), 4u);
    const auto loss = [&](std::size_t l, Index i, Index j, double step) {
      Factors moved = f;
      moved.weights[l](i, j) += step;
      const Network other = Network::chain(moved.weights, moved.biases);
      return 0.5 * (evaluate(other, x) - target).squaredNorm();
    };
    for (std::size_t l = 0; l < 4; ++l) {
      const Index i = rng.below(gradients[l].rows()), j = rng.below(gradients[l].cols());
      const double h = 1e-6;
      EXPECT_NEAR(gradients[l](i, j), (loss(l, i, j, h) - loss(l, i, j, -h)) / (2 * h), 1e-6 * (1 + g.norm()));
      EXPECT_NEAR(layers[l].largest_entry, gradients[l].cwiseAbs().maxCoeff(), 1e-12 * (1 + layers[l].largest_entry));
      EXPECT_NEAR(layers[l].frobenius, gradients[l].norm(), 1e-12 * (1 + layers[l].frobenius));
      EXPECT_LE(layers[l].largest_entry, layers[l].largest_entry_bound * kSlack);
      EXPECT_LE(layers[l].frobenius, layers[l].frobenius_bound * kSlack);
      EXPECT_LE(layers[l].jacobian, layers[l].jacobian_bound * kSlack);
      EXPECT_LE(layers[l].activation, layers[l].activation_bound * kSlack);
    }
  }
}

// Slopes above 1 and pieces with offsets: the bounds must carry them.
TEST(Gradients, BoundsHoldForSteepAndShiftedPieces) {
  Rng rng(9);
  for (int trial = 0; trial < 50; ++trial) {
    Factors f =
        factors(unrectify(random_chain({3, 6, 5, 2}, rng.split(static_cast<std::uint64_t>(trial))), Vector::Ones(3)));
    for (std::size_t l = 0; l < f.diagonals.size(); ++l) {
      f.diagonals[l] = rng.uniform_vector(f.diagonals[l].size(), -3, 3);
      f.offsets[l] = rng.normal_vector(f.offsets[l].size());
    }
    for (const LayerGradient& layer : gradient_bounds(f, rng.normal_vector(3), rng.normal_vector(2))) {
      EXPECT_LE(layer.largest_entry, layer.largest_entry_bound * kSlack);
      EXPECT_LE(layer.frobenius, layer.frobenius_bound * kSlack);
      EXPECT_LE(layer.jacobian, layer.jacobian_bound * kSlack);
      EXPECT_LE(layer.activation, layer.activation_bound * kSlack);
    }
  }
}

// In W_l alone, on the fixed configuration, ∇f is Lipschitz with λ‖J_l‖²‖a_{l−1}‖², attained for ½‖·‖².
TEST(Smoothness, BoundsTheChangeOfTheGradientAndIsAttained) {
  Rng rng(8);
  const Network network = random_chain({3, 6, 5, 2}, rng.split(0));
  const Vector x = rng.normal_vector(3), target = rng.normal_vector(2);
  const Factors f = factors(unrectify(network, x));
  const auto gradient = [&](const Factors& at, std::size_t l) {
    const Vector y = at.weights.back() * column_coefficients(at, x) + at.biases.back();
    return weight_gradients(at, x, y - target)[l];
  };
  const std::vector<LayerGradient> layers = gradient_bounds(f, x, Vector::Ones(2));
  for (std::size_t l = 0; l < 3; ++l) {
    double steepest = 0;
    for (int k = 0; k < 300; ++k) {
      Factors moved = f;
      const Matrix step = rng.normal_matrix(f.weights[l].rows(), f.weights[l].cols());
      moved.weights[l] += step;
      steepest = std::max(steepest, (gradient(moved, l) - gradient(f, l)).norm() / step.norm());
    }
    EXPECT_LE(steepest, layers[l].smoothness * (1 + 1e-9));
    // Along J_l's top right direction times a_{l−1} the bound is reached.
    Matrix j = Matrix::Identity(2, 2);
    for (std::size_t k = 2; k > l; --k) j = j * f.weights[k] * f.diagonals[k - 1].asDiagonal();
    Vector a = x;
    for (std::size_t k = 0; k < l; ++k) a = f.diagonals[k].cwiseProduct(f.weights[k] * a + f.biases[k]);
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(Eigen::MatrixXd(j), Eigen::ComputeThinV);
    Factors moved = f;
    const Matrix step = svd.matrixV().col(0) * a.transpose();
    moved.weights[l] += step;
    EXPECT_NEAR((gradient(moved, l) - gradient(f, l)).norm() / step.norm(), layers[l].smoothness,
                1e-9 * layers[l].smoothness);
  }
  EXPECT_NEAR(input_smoothness(f), std::pow(exact_lipschitz(f), 2), 1e-12);
}

// Eigenvalues within 10⁻¹⁰ of the largest: Lanczos stops with a Ritz value below it, and the residual covers that.
TEST(SpectralNorm, IsABoundWhereTheLargestSingularValuesAreCrowded) {
  Matrix m = Matrix::Zero(400, 400);
  for (Index i = 0; i < 400; ++i) m(i, i) = 1 - 5e-11 * std::pow(static_cast<double>(i) / 400, 2);
  EXPECT_GE(spectral_norm(m), 1 - 1e-15);
  EXPECT_LE(spectral_norm(m), 1 + 1e-9);
}

TEST(OperatorNorm, OfKernelsThatOverflowOrUnderflowWhenSquared) {
  Rng rng(4);
  const Matrix kernel = rng.normal_matrix(2, 9);
  const auto norm = [&](double scale) {
    NetworkBuilder builder(Shape{1, 6, 5});
    Convolution conv;
    conv.window = {1, 6, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
    conv.kernel = scale * kernel;
    conv.bias = Vector::Zero(2);
    const int node = builder.add(conv, {0});
    const Network network = std::move(builder).build(node);
    return operator_norm_bound(network.node(node), network);
  };
  EXPECT_DOUBLE_EQ(norm(0x1p-800), std::ldexp(norm(1), -800));
  EXPECT_DOUBLE_EQ(norm(0x1p900), std::ldexp(norm(1), 900));
  EXPECT_EQ(norm(0), 0);
}

// (max(−9, x), max(x, −9)): each output takes the middle value, so that one step of it moves both.
TEST(SpectralBoundGraph, CountsWhatOverlappingMaximaRead) {
  NetworkBuilder builder(Shape{1});
  int x = builder.add(Dense{Matrix{{0}, {1}, {0}}, Vector{{-9, 0, -9}}}, {0});
  x = builder.add(Maximum{2, {0, 1, 1, 2}}, {x});
  const Network network = std::move(builder).build(x);
  const Region region = unrectify(network, Vector::Zero(1));
  const double exact = spectral_norm(region.affine_map().linear);
  EXPECT_NEAR(exact, std::sqrt(2.0), 1e-15);
  EXPECT_GE(spectral_bound_graph(network), exact * (1 - 1e-15));
}

TEST(LayeredBound, IsGivenForMonotoneRectifiersAlone) {
  Rng rng(5);
  const auto names = [&](const Piecewise& f, double bias = 0) {
    NetworkBuilder builder(Shape{2});
    int x = builder.add(Dense{rng.normal_matrix(3, 2), rng.normal_vector(3).array() + bias}, {0});
    x = builder.add(f, {x});
    x = builder.add(Dense{rng.normal_matrix(2, 3), rng.normal_vector(2)}, {x});
    const Network network = std::move(builder).build(x);
    const Region region = unrectify(network, rng.normal_vector(2));
    std::set<std::string> found;
    for (const auto& [name, bound] : all_bounds(region)) found.insert(name);
    return found;
  };
  EXPECT_TRUE(names(parametric_relu(Vector{{0}})).contains("layered"));
  EXPECT_TRUE(names(parametric_relu(Vector{{0.5}})).contains("layered"));
  EXPECT_FALSE(names(parametric_relu(Vector{{-1e-9}})).contains("layered"));
  EXPECT_TRUE(names(parametric_relu(Vector{{-1e-9}})).contains("spectral_global"));
  EXPECT_FALSE(names(absolute()).contains("layered"));
  EXPECT_FALSE(names(parametric_relu(Vector{{1 + 1e-9}})).contains("spectral_global"));
  // What holds for every configuration asks for the slopes of all, those of regions far from this one, too.
  EXPECT_TRUE(names(parametric_relu(Vector{{0.5}}), 100).contains("layered"));
  EXPECT_FALSE(names(parametric_relu(Vector{{-1e-9}}), 100).contains("layered"));
  EXPECT_TRUE(names(parametric_relu(Vector{{-1}}), 100).contains("spectral_global"));
  EXPECT_FALSE(names(parametric_relu(Vector{{1 + 1e-9}}), 100).contains("spectral_global"));
  EXPECT_FALSE(names(parametric_relu(Vector{{-1 - 1e-9}}), 100).contains("spectral_global"));
}

// 2 x − 3 (−x): the bound is attained, and is none without the factors or their size.
TEST(SpectralBoundGraph, CountsTheFactorsOfASum) {
  NetworkBuilder builder(Shape{1});
  const int minus = builder.add(Dense{Matrix{{-1}}, Vector{{0}}}, {0});
  const int sum = builder.add(Sum{{2, -3}}, {0, minus});
  EXPECT_DOUBLE_EQ(spectral_bound_graph(std::move(builder).build(sum)), 5);
}

// Both ways to the same Gram matrix; and a factor on a layer is a factor of the bound, at either end of the doubles.
TEST(LayeredBound, DoesNotDependOnShapeOrScale) {
  Rng rng(6);
  for (const std::vector<Index>& widths : {std::vector<Index>{2, 30, 20, 3}, {30, 4, 25, 2}}) {
    Factors f = factors(unrectify(random_chain(widths, rng.split(1)), rng.normal_vector(widths.front())));
    const double bound = layered_bound(f);
    Matrix left = f.weights[0];  // the definition, as it stands
    for (std::size_t l = 0; l + 1 < f.weights.size(); ++l) {
      const double lambda = 2 / std::pow(largest_singular_value(left), 2);
      Eigen::MatrixXd x = -(lambda * lambda / 4) * (left * left.transpose());
      x.diagonal().array() += lambda;
      left = Eigen::LLT<Eigen::MatrixXd>(x).matrixL().solve(Eigen::MatrixXd(f.weights[l + 1].transpose())).transpose();
    }
    EXPECT_NEAR(bound, largest_singular_value(left), 1e-9 * bound);
    f.weights[0] *= 0x1p-700;
    EXPECT_NEAR(layered_bound(f), std::ldexp(bound, -700), 1e-9 * std::ldexp(bound, -700));
    f.weights[0] *= 0x1p1000;
    f.weights[0] *= 0x1p500;
    EXPECT_NEAR(layered_bound(f), std::ldexp(bound, 800), 1e-9 * std::ldexp(bound, 800));
  }
}

}  // namespace
}  // namespace unrect
