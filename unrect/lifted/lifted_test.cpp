#include "unrect/lifted/lifted.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/internal/slopes_for_tests.hpp"

namespace unrect {
namespace {

double true_loss(const Chain& chain, const LearningObjective& objective, const Matrix& inputs, const Matrix& targets) {
  return kkt_residuals(chain, objective, {lift(chain, objective.loss, inputs, targets)}).true_loss;
}

Chain some_chain(bool relu_output, unsigned seed) {
  Chain chain = initial_chain({3, 4, 3, 2}, Vector::Constant(2, 0.3), relu_output, Rng(seed));
  for (Matrix& layer : chain.layers) layer += 0.3 * Rng(seed + 1).normal_matrix(layer.rows(), layer.cols());
  return chain;
}

TEST(Lift, IsFeasibleAndItsLagrangianHasTheTrueGradient) {
  const Matrix inputs = Rng(1).normal_matrix(7, 3);
  const Matrix targets = Rng(2).normal_matrix(7, 2);
  for (const bool relu_output : {false, true}) {
    LearningObjective objective{{}, 0.2};
    if (relu_output) objective.loss = {Loss::Kind::kHuber, 0.7};
    Chain chain = some_chain(relu_output, 3);
    const LiftedSamples samples = lift(chain, objective.loss, inputs, targets, 2.5);
    const KktResiduals c = kkt_residuals(chain, objective, {samples});
    EXPECT_LT(c.primal, 1e-14);
    EXPECT_EQ(c.dual, 0);
    EXPECT_LT(c.complementarity, 1e-14);
    EXPECT_NEAR(c.split_loss, c.true_loss, 1e-12);
    double worst = 0;
    for (std::size_t l = 0; l < chain.layers.size(); ++l) {
      double square = 0;
      for (Index k = 0; k < chain.layers[l].size(); ++k) {
        double& weight = chain.layers[l].data()[k];
        const double kept = weight;
        weight = kept + 1e-6;
        const double up = true_loss(chain, objective, inputs, targets);
        weight = kept - 1e-6;
        const double slope = (up - true_loss(chain, objective, inputs, targets)) / 2e-6;
        weight = kept;
        square += slope * slope;
        worst = std::max(worst, std::abs(slope));
      }
      EXPECT_NEAR(c.gradient[l], std::sqrt(square), 1e-6);
    }
    // Z and A are stationary already: what is left is the gradient.
    EXPECT_NEAR(c.stationarity, worst, 1e-6);
  }
}

TEST(Lift, CountsWhatLeavesItsRange) {
  const Chain chain = some_chain(false, 5);
  const Matrix inputs = Rng(1).normal_matrix(4, 3);
  const Matrix targets = Rng(2).normal_matrix(4, 2);
  LiftedSamples samples = lift(chain, {}, inputs, targets);
  samples.layers[0].d(0, 0) = 1.5;
  EXPECT_GE(kkt_residuals(chain, {}, {samples}).primal, 0.5);
  samples = lift(chain, {}, inputs, targets);
  samples.layers[1].s_minus(1, 1) -= 3;
  const KktResiduals c = kkt_residuals(chain, {}, {samples});
  EXPECT_NEAR(c.violation[3], 3, 1e-12);
  EXPECT_EQ(c.violation[0] + c.violation[1] + c.violation[2], 0);
  EXPECT_NEAR(
      augmented_lagrangian(chain, {}, samples) - augmented_lagrangian(chain, {}, lift(chain, {}, inputs, targets)),
      (std::pow(samples.layers[1].u[3](1, 1) - 3, 2) - std::pow(samples.layers[1].u[3](1, 1), 2)) / 2, 1e-9);
}

// 𝓛 with the multipliers held, by its definition.
double lagrangian(const Chain& chain, const LearningObjective& objective, const LiftedSamples& samples) {
  const Matrix output = split_output(chain, samples);
  Matrix gradient(output.rows(), output.cols());
  double value = loss<double>(objective.loss, output, samples.targets, gradient);
  for (const Matrix& layer : chain.layers)
    value += objective.ridge / 2 * layer.leftCols(layer.cols() - 1).squaredNorm();
  for (std::size_t l = 0; l < samples.layers.size(); ++l) {
    const std::array<Matrix, 4> c = constraints(chain, samples, l);
    for (std::size_t i = 0; i < 4; ++i)
      value += samples.layers[l].rho * samples.layers[l].u[i].cwiseProduct(c[i]).sum();
  }
  return value;
}

// Every residual at points with nothing special in them, from difference quotients of 𝓛. Each of the terms that a
// residual is the largest of decides some of these points: none can be left out.
TEST(KktResiduals, IsWhatItsDefinitionSays) {
  std::array<int, 3> stationary{};     // g_W, g_Z, g_A
  std::array<int, 2> dual{};           // of s⁺, s⁻
  std::array<int, 4> complementary{};  // s⁺, s⁻, d, 1 − d
  for (unsigned seed = 0; seed < 300; ++seed) {
    const bool relu_output = seed % 2 == 1;
    LearningObjective objective{{}, 0.2};
    if (relu_output) objective.loss = {Loss::Kind::kHuber, 0.7};
    Rng rng = Rng(seed);
    Chain chain = initial_chain({2, 2, 1}, Vector::Constant(1, 0.3), relu_output, rng.split(1));
    LiftedSamples samples = lift(chain, objective.loss, rng.normal_matrix(1, 2), rng.normal_matrix(1, 1), 2.5);
    for (LiftedLayer& layer : samples.layers) {
      for (Matrix* block :
           {&layer.z, &layer.a, &layer.s_plus, &layer.s_minus, &layer.u[0], &layer.u[1], &layer.u[2], &layer.u[3]})
        *block += rng.normal_matrix(block->rows(), block->cols());
      layer.s_plus = layer.s_plus.cwiseAbs();
      layer.s_minus = layer.s_minus.cwiseAbs();
      for (Index k = 0; k < layer.d.size(); ++k) layer.d(k) = rng.uniform(0, 1);
    }
    const auto value = [&] { return lagrangian(chain, objective, samples); };
    std::array<double, 3> g{};
    std::array<double, 2> sign{};
    std::array<double, 4> slack{};
    for (Matrix& layer : chain.layers) g[0] = std::max(g[0], slopes(layer, value).cwiseAbs().maxCoeff());
    for (LiftedLayer& layer : samples.layers) {
      g[1] = std::max(g[1], slopes(layer.z, value).cwiseAbs().maxCoeff());
      g[2] = std::max(g[2], slopes(layer.a, value).cwiseAbs().maxCoeff());
      const Matrix plus = slopes(layer.s_plus, value), minus = slopes(layer.s_minus, value);
      const Matrix d = slopes(layer.d, value);
      sign[0] = std::max(sign[0], -plus.minCoeff());
      sign[1] = std::max(sign[1], -minus.minCoeff());
      slack[0] = std::max(slack[0], layer.s_plus.cwiseProduct(plus).cwiseAbs().maxCoeff());
      slack[1] = std::max(slack[1], layer.s_minus.cwiseProduct(minus).cwiseAbs().maxCoeff());
      slack[2] = std::max(slack[2], layer.d.cwiseProduct(d.cwiseMax(0)).maxCoeff());
      slack[3] = std::max(slack[3], (1 - layer.d.array()).matrix().cwiseProduct((-d).cwiseMax(0)).maxCoeff());
    }
    const KktResiduals c = kkt_residuals(chain, objective, {samples});
    const auto most = [](const auto& terms) { return std::ranges::max_element(terms); };
    ASSERT_NEAR(c.stationarity, *most(g), 1e-6 * (1 + *most(g))) << seed;
    ASSERT_NEAR(c.dual, *most(sign), 1e-6 * (1 + *most(sign))) << seed;
    ASSERT_NEAR(c.complementarity, *most(slack), 1e-6 * (1 + *most(slack))) << seed;
    ++stationary[static_cast<std::size_t>(most(g) - g.begin())];
    ++dual[static_cast<std::size_t>(most(sign) - sign.begin())];
    ++complementary[static_cast<std::size_t>(most(slack) - slack.begin())];
  }
  EXPECT_GT(std::ranges::min(stationary), 5);
  EXPECT_GT(std::ranges::min(dual), 5);
  EXPECT_GT(std::ranges::min(complementary), 5);
}

// One unit at points where all c_i = 0 and one variable alone leaves its range.
TEST(KktResiduals, SaysHowFarEachVariableLeavesItsRange) {
  const auto primal = [](double z, double d) {
    const Chain chain{{Matrix{{0.0, z}}}, true};
    LiftedSamples samples = lift(chain, {}, Matrix{{1.0}}, Matrix{{0.0}});
    LiftedLayer& layer = samples.layers[0];
    layer.d(0) = d;
    layer.a(0) = layer.s_plus(0) = d * z;
    layer.s_minus(0) = (d - 1) * z;
    const KktResiduals c = kkt_residuals(chain, {}, {samples});
    EXPECT_LT(*std::ranges::max_element(c.violation), 1e-15);
    return c.primal;
  };
  EXPECT_EQ(primal(0, 1.25), 0.25);
  EXPECT_EQ(primal(0, -0.25), 0.25);
  EXPECT_EQ(primal(-3, 1), 3) << "s⁺ < 0";
  EXPECT_EQ(primal(3, 0), 3) << "s⁻ < 0";
  EXPECT_EQ(primal(3, 1), 0);
  EXPECT_EQ(primal(-3, 0), 0);
  EXPECT_EQ(primal(0, 0.5), 0);
  EXPECT_EQ(lift({{Matrix{{0.0, 0.0}}}, true}, {}, Matrix{{1.0}}, Matrix{{0.0}}).layers[0].d(0), 0) << "d = [z > 0]";
}

TEST(KktResiduals, CountsUnitsOnTheirKink) {
  const auto ambiguous = [](double z, double d) {
    const Chain chain{{Matrix{{0.0, z}}}, true};
    LiftedSamples samples = lift(chain, {}, Matrix{{1.0}}, Matrix{{0.0}});
    samples.layers[0].d(0) = d;
    return kkt_residuals(chain, {}, {samples}).ambiguous;
  };
  EXPECT_EQ(ambiguous(0.99e-6, 0.5), 1);
  EXPECT_EQ(ambiguous(-0.99e-6, 0.5), 1);
  EXPECT_EQ(ambiguous(1.01e-6, 0.5), 0);
  EXPECT_EQ(ambiguous(-1.01e-6, 0.5), 0);
  EXPECT_EQ(ambiguous(0, 0.011), 1);
  EXPECT_EQ(ambiguous(0, 0.009), 0);
  EXPECT_EQ(ambiguous(0, 0.989), 1);
  EXPECT_EQ(ambiguous(0, 0.991), 0);
}

TEST(KktResiduals, LosesNoNan) {
  const Chain chain = some_chain(false, 5);
  const Matrix inputs = Rng(1).normal_matrix(4, 3), targets = Rng(2).normal_matrix(4, 2);
  LiftedSamples good = lift(chain, {}, inputs, targets), bad = good;
  bad.layers[0].z(0, 0) = std::nan("");
  for (const auto& blocks : {std::vector{good, bad}, std::vector{bad, good}})
    EXPECT_TRUE(std::isnan(kkt_residuals(chain, {}, blocks).kkt()));
}

TEST(KktResiduals, IsTheSameInBlocks) {
  const Chain chain = some_chain(true, 5);
  const Matrix inputs = Rng(1).normal_matrix(6, 3);
  const Matrix targets = Rng(2).normal_matrix(6, 2);
  const KktResiduals whole = kkt_residuals(chain, {}, {lift(chain, {}, inputs, targets)});
  const KktResiduals parts = kkt_residuals(chain, {},
                                           {lift(chain, {}, inputs.topRows(2), targets.topRows(2)),
                                            lift(chain, {}, inputs.bottomRows(4), targets.bottomRows(4))},
                                           2);
  EXPECT_NEAR(whole.true_loss, parts.true_loss, 1e-12);
  EXPECT_NEAR(whole.gradient_norm(), parts.gradient_norm(), 1e-12);
  EXPECT_NEAR(whole.stationarity, parts.stationarity, 1e-12);
}

// For each z and each d: s± are what c3 and c4 say; the point is feasible if they are ≥ 0. Binary d or relaxed, what is
// left is the graph of the ReLU.
TEST(Relaxation, KeepsTheFeasibleSet) {
  for (int i = -20; i <= 20; ++i) {
    const double z = i / 8.0;
    int relaxed = 0;
    int binary = 0;
    for (int j = 0; j <= 64; ++j) {
      const double d = j / 64.0;
      if (d * z < 0 || -(1 - d) * z < 0) continue;
      EXPECT_EQ(d * z, std::max(0.0, z));
      ++relaxed;
      binary += j % 64 == 0;
    }
    EXPECT_GE(binary, 1);
    EXPECT_EQ(relaxed, z == 0 ? 65 : 1);
  }
}

// min ½(relu(w x + b) − y)² over a grid of (w, b): with every feasible d ∈ {0, ⅛, …, 1}, and with d ∈ {0, 1} alone.
TEST(Relaxation, KeepsTheOptimum) {
  const Vector x = Rng(4).normal_vector(5);
  const Vector y = Rng(5).normal_vector(5);
  const auto optimum = [&](int step) {
    double best = 1e9;
    for (int i = -16; i <= 16; ++i)
      for (int j = -16; j <= 16; ++j) {
        double loss = 0;
        for (Index k = 0; k < 5; ++k) {
          const double z = i / 8.0 * x[k] + j / 8.0;
          double least = 1e9;
          for (int d = 0; d <= 8; d += step)
            if (d / 8.0 * z >= 0 && (1 - d / 8.0) * z <= 0)
              least = std::min(least, std::pow(d / 8.0 * z - y[k], 2) / 2);
          loss += least;
        }
        best = std::min(best, loss);
      }
    return best;
  };
  EXPECT_EQ(optimum(1), optimum(8));
}

// relu(w x + b) at w = 1, b = 0 on x = 0, 1, 2 with targets 1, 2, 1.5. With d = ½ at x = 0 every KKT condition of the
// lifted problem holds; yet the loss falls as b grows, with derivatives −½ on the left and −1.5 on the right: 0 is no
// convex combination of them, and the point is not Clarke stationary.
TEST(LiftedKkt, IsWeakerThanClarkeStationarityAtAKink) {
  Chain chain{{Matrix{{1.0, 0.0}}}, true};
  const Matrix inputs{{0.0}, {1.0}, {2.0}};
  const Matrix targets{{1.0}, {2.0}, {1.5}};
  LiftedSamples samples = lift(chain, {}, inputs, targets);
  EXPECT_GT(kkt_residuals(chain, {}, {samples}).kkt(), 0.1);
  LiftedLayer& layer = samples.layers[0];
  layer.d(0, 0) = 0.5;
  layer.u[0](0, 0) = -0.5;
  layer.u[2](0, 0) = 0;
  layer.u[3](0, 0) = 2;
  const KktResiduals c = kkt_residuals(chain, {}, {samples});
  EXPECT_LT(c.kkt(), 1e-15);
  EXPECT_EQ(c.ambiguous, 1);
  const auto slope_in_b = [&](double step) {
    const double before = true_loss(chain, {}, inputs, targets);
    chain.layers[0](0, 1) = step;
    const double after = true_loss(chain, {}, inputs, targets);
    chain.layers[0](0, 1) = 0;
    return (after - before) / step;
  };
  EXPECT_NEAR(slope_in_b(1e-6), -1.5, 1e-5);
  EXPECT_NEAR(slope_in_b(-1e-6), -0.5, 1e-5);
}

TEST(Lift, RefusesWhatHasNoClosedForm) {
  const Chain chain = some_chain(false, 1);
  const Matrix inputs = Matrix::Ones(2, 3);
  const Matrix targets = Matrix::Ones(2, 2);
  EXPECT_THROW(lift(chain, {Loss::Kind::kCrossEntropy}, inputs, targets), Error);
  EXPECT_THROW(lift(chain, {Loss::Kind::kHuber}, inputs, targets), Error);
  EXPECT_THROW(lift(chain, {}, inputs, Matrix::Ones(3, 2)), Error);
  EXPECT_THROW(lift(chain, {}, Matrix::Ones(2, 4), targets), Error);
}

}  // namespace
}  // namespace unrect
