#include "unrect/learn/lifted.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

double true_loss(const Chain& chain, const Objective& objective, const Matrix& inputs, const Matrix& targets) {
  return certify(chain, objective, {lift(chain, objective.loss, inputs, targets)}).true_loss;
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
    Objective objective{{}, 0.2};
    if (relu_output) objective.loss = {Loss::Kind::kHuber, 0.7};
    Chain chain = some_chain(relu_output, 3);
    const LiftedSamples samples = lift(chain, objective.loss, inputs, targets, 2.5);
    const Certificate c = certify(chain, objective, {samples});
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
  EXPECT_GE(certify(chain, {}, {samples}).primal, 0.5);
  samples = lift(chain, {}, inputs, targets);
  samples.layers[1].s_minus(1, 1) -= 3;
  const Certificate c = certify(chain, {}, {samples});
  EXPECT_NEAR(c.violation[3], 3, 1e-12);
  EXPECT_EQ(c.violation[0] + c.violation[1] + c.violation[2], 0);
  EXPECT_NEAR(
      augmented_lagrangian(chain, {}, samples) - augmented_lagrangian(chain, {}, lift(chain, {}, inputs, targets)),
      (std::pow(samples.layers[1].u[3](1, 1) - 3, 2) - std::pow(samples.layers[1].u[3](1, 1), 2)) / 2, 1e-9);
}

TEST(Certificate, IsTheSameInBlocks) {
  const Chain chain = some_chain(true, 5);
  const Matrix inputs = Rng(1).normal_matrix(6, 3);
  const Matrix targets = Rng(2).normal_matrix(6, 2);
  const Certificate whole = certify(chain, {}, {lift(chain, {}, inputs, targets)});
  const Certificate parts = certify(chain, {},
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
  EXPECT_GT(certify(chain, {}, {samples}).kkt(), 0.1);
  LiftedLayer& layer = samples.layers[0];
  layer.d(0, 0) = 0.5;
  layer.u[0](0, 0) = -0.5;
  layer.u[2](0, 0) = 0;
  layer.u[3](0, 0) = 2;
  const Certificate c = certify(chain, {}, {samples});
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
