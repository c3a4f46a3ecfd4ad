#include "unrect/train/internal/step_rule.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <type_traits>

#include "unrect/network/random_network.hpp"
#include "unrect/train/internal/pass.hpp"

namespace unrect {
namespace {

// One layer, its C = I and its W̃ of ones, a step's gradient of this length.
struct OneStep {
  explicit OneStep(double length, double trust)
      : model(random_chain({5, 4}, Rng(1))), metric(model, {.momentum = 0, .damping = 0.02, .trust = trust}) {
    const Layer& layer = model.layers()[0];
    FloatVector sum = FloatVector::Zero(metric.gram_size());
    metric.gram_in(sum.data(), 0).diagonal().setOnes();
    metric.update(0, sum, 1, 1);
    FloatVector weights = FloatVector::Zero(model.size()), buffer = weights;
    layer.in(weights.data()).setOnes();
    layer.in(buffer.data()) = Rng(2).normal_matrix(layer.rows, layer.cols).cast<float>();
    buffer *= static_cast<float>(length) / buffer.norm();
    const FloatVector gradient = buffer;
    const Chunk chunk{0, 0, layer.rows};
    energy = metric.energy(chunk, weights.data());
    change = metric.propose(chunk, buffer.data(), kRate);
    scale = metric.scale(change, energy, 1);
    descent = static_cast<double>(gradient.dot(buffer));
  }

  static constexpr double kRate = 0.5;
  Model model;
  LayerMetric metric;
  double energy = 0, change = 0, scale = 0, descent = 0;
};

TEST(LayerMetric, StepsToTheMinimumOfItsCubicModel) {
  const double trust = 0.1;
  for (const double length : {0.01, 0.1, 0.5}) {
    const OneStep step(length, trust);
    const double radius = trust * std::sqrt(step.energy);
    // −t⟨G, S⟩ + ‖tS‖³/(3 κ η z)
    const auto model = [&](double t) {
      return -t * step.descent + std::pow(t * std::sqrt(step.change), 3) / (3 * radius * OneStep::kRate);
    };
    double best = 0;
    for (double t = 0; t < 20; t += 1e-3) best = model(t) < model(best) ? t : best;
    EXPECT_NEAR(step.scale / best, 1, 0.02) << length;  // δ = 0.02 is in ⟨G, S⟩, not in ‖S‖
    EXPECT_LT(step.scale * std::sqrt(step.change), radius);
  }
}

TEST(LayerMetric, MeasuresChangeAndEnergyInItsGram) {
  // C of eigenvalues over two decades, not diagonal.
  const Model model(random_chain({5, 4}, Rng(1)));
  LayerMetric metric(model, {.momentum = 0, .damping = 0.3, .trust = 0.1});
  const Layer& layer = model.layers()[0];
  const Matrix root =
      Rng(3).normal_matrix(layer.cols, layer.cols) * Vector::LinSpaced(layer.cols, 0.1, 1).asDiagonal().toDenseMatrix();
  const Matrix gram = root.transpose() * root;
  FloatVector sum = FloatVector::Zero(metric.gram_size());
  metric.gram_in(sum.data(), 0) = 7 * gram.cast<float>();
  metric.update(0, sum, 7, 1);
  const Matrix weights = Rng(4).normal_matrix(layer.rows, layer.cols);
  const Matrix gradient = Rng(5).normal_matrix(layer.rows, layer.cols);
  FloatVector w = FloatVector::Zero(model.size()), s = w;
  layer.in(w.data()) = weights.cast<float>();
  layer.in(s.data()) = gradient.cast<float>();
  const Chunk chunk{0, 0, layer.rows};
  EXPECT_NEAR(metric.energy(chunk, w.data()) / (weights * gram).cwiseProduct(weights).sum(), 1, 1e-5);
  Matrix shifted = gram;
  shifted.diagonal().array() += 0.3 * gram.diagonal().mean();
  const Matrix step = 0.5 * gradient * shifted.inverse();
  EXPECT_NEAR(metric.propose(chunk, s.data(), 0.5) / (step * gram).cwiseProduct(step).sum(), 1, 1e-4);
  EXPECT_LT((layer.in(s.data()).cast<double>() - step).norm(), 1e-4 * step.norm());

  layer.in(w.data()).setZero();
  EXPECT_NEAR(metric.energy(chunk, w.data()), 1e-4 * static_cast<double>(layer.rows) * gram.diagonal().mean(), 1e-6);
}

TEST(LayerMetric, StepsByAShareOfKappa) {
  const OneStep step(0.1, 0.1);
  EXPECT_NEAR(step.metric.scale(step.change, step.energy, 0.25), 0.5 * step.scale, 1e-9) << "within the region";
  const OneStep far(10, 0.1);
  EXPECT_NEAR(far.metric.scale(far.change, far.energy, 0.25), 0.25 * far.scale, 1e-9) << "on its boundary";
}

TEST(LayerMetric, TakesNoLengthFromRounding) {
  // A gradient where C is next to nothing: the part of it that C sees is lost in single precision.
  const Model model(random_chain({5, 4}, Rng(1)));
  LayerMetric metric(model, {.momentum = 0, .damping = 0.05, .trust = 0.01});
  const Layer& layer = model.layers()[0];
  FloatVector sum = FloatVector::Zero(metric.gram_size());
  metric.gram_in(sum.data(), 0)(0, 0) = 1;
  metric.update(0, sum, 1, 1);
  FloatVector s = FloatVector::Zero(model.size());
  layer.in(s.data()).col(1).setOnes();
  const FloatVector gradient = s;
  const double change = metric.propose({0, 0, layer.rows}, s.data(), 1);
  EXPECT_NEAR(change / (1e-3 * static_cast<double>(gradient.dot(s))), 1, 1e-4);
}

TEST(LayerMetric, NeverMovesAnOutputBeyondItsTrustRegion) {
  for (const double length : {10.0, 1e6}) {
    const OneStep step(length, 0.1);
    EXPECT_NEAR(step.scale * std::sqrt(step.change) / (0.1 * std::sqrt(step.energy)), 1, 1e-6);
  }
  EXPECT_EQ(OneStep(0, 0.1).scale, 1) << "no gradient, no step";
}

// Its formula anew, in double, for three steps; chunks know nothing of one another.
TEST(Momentum, IsPolyaks) {
  const Model model(random_chain({3, 2}, Rng(1)));
  Momentum rule(model, 0.9);
  FloatVector weights = FloatVector::Zero(model.size());
  Vector w = Vector::Zero(model.size()), v = w;
  for (int t = 1; t <= 3; ++t) {
    FloatVector gradient = FloatVector::Zero(model.size());
    model.layers()[0].in(gradient.data()) = Rng(static_cast<unsigned>(t)).normal_matrix(2, 4).cast<float>();
    v = 0.9 * v - 0.1 * t * gradient.cast<double>();
    w += v;
    for (Index row = 0; row < 2; ++row) rule.step({0, row, 1}, gradient.data(), weights.data(), 0.1 * t);
    EXPECT_LT((weights.cast<double>() - w).norm(), 1e-6 * w.norm()) << t;
  }
}

TEST(Adam, IsKingmaAndBas) {
  const Model model(random_chain({3, 2}, Rng(1)));
  Adam rule(model);
  FloatVector weights = FloatVector::Zero(model.size());
  Vector w = Vector::Zero(model.size()), m = w, v = w;
  for (Index t = 1; t <= 3; ++t) {
    FloatVector gradient = FloatVector::Zero(model.size());
    // From 10⁻⁹ up: ε = 10⁻⁸ stands beside the root, not under it.
    model.layers()[0].in(gradient.data()) =
        (Rng(static_cast<unsigned>(t)).normal_matrix(2, 4) * std::pow(10, 3 * static_cast<double>(t) - 12))
            .cast<float>();
    const Vector g = gradient.cast<double>();
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g.cwiseAbs2();
    const Vector unbiased = m / (1 - std::pow(0.9, t)), square = v / (1 - std::pow(0.999, t));
    w.array() -= 0.01 * static_cast<double>(t) * unbiased.array() / (square.array().sqrt() + 1e-8);
    for (Index row = 0; row < 2; ++row)
      rule.step({0, row, 1}, gradient.data(), weights.data(), 0.01 * static_cast<double>(t), t);
    EXPECT_LT((weights.cast<double>() - w).norm(), 1e-5 * w.norm()) << t;
  }
}

// C ← eC + (1 − e) sum/rows, e = min(0.95, 1 − 1/k): the mean of the first calls, then a running one.
TEST(LayerMetric, RemembersItsGramByTheNumberOfTheCall) {
  const Model model(random_chain({2, 2}, Rng(1)));
  LayerMetric metric(model, {.momentum = 0.9, .damping = 0.3});
  const auto entry = [&](float value, Index rows, Index k) {
    FloatVector sum = FloatVector::Zero(metric.gram_size());
    metric.gram_in(sum.data(), 0).diagonal().setConstant(value);
    metric.update(0, sum, rows, k);
    return metric.gram_in(metric.grams().data(), 0)(1, 1);
  };
  EXPECT_FLOAT_EQ(entry(8, 4, 1), 2);
  EXPECT_FLOAT_EQ(entry(16, 4, 2), 3);
  EXPECT_FLOAT_EQ(entry(24, 4, 3), 4);
  EXPECT_FLOAT_EQ(entry(0, 4, 20), 0.95F * 4) << "1 − 1/20";
  EXPECT_FLOAT_EQ(entry(0, 4, 100), 0.95F * 0.95F * 4) << "no slower than 0.95";
}

TEST(LayerMetric, MovesByItsMomentumAndTheScaledStep) {
  const Model model(random_chain({2, 2}, Rng(1)));
  LayerMetric metric(model, {.momentum = 0.5, .damping = 0.3, .trust = 0});
  FloatVector step = FloatVector::Zero(model.size()), weights = step;
  model.layers()[0].in(step.data()).setOnes();
  const auto moved = [&](double scale) {
    metric.apply({0, 0, 2}, step.data(), scale, weights.data());
    return model.layers()[0].in(weights.data())(1, 2);
  };
  EXPECT_EQ(moved(2), -2) << "V = −2";
  EXPECT_EQ(moved(0), -3) << "V = −1";
  EXPECT_EQ(moved(1), -4.5) << "V = −1.5";
}

// The product with P belongs into backward() where there are no more rows than outputs, and nothing needs G itself.
TEST(LayerMetric, AppliesItsMetricEarlyWhereThatIsCheaper) {
  const Model model(random_chain({5, 4}, Rng(1)));
  LayerMetric plain(model, {.momentum = 0.9, .damping = 0.3, .trust = 0});
  EXPECT_EQ(plain.early(0, 4), plain.inverses().data());
  EXPECT_EQ(plain.early(0, 5), nullptr);
  const LayerMetric trusting(model, {.momentum = 0.9, .damping = 0.3, .trust = 0.1});
  EXPECT_EQ(trusting.early(0, 4), nullptr);
}

static_assert(!std::is_constructible_v<Momentum, Model, double> && !std::is_constructible_v<Adam, Model> &&
                  !std::is_constructible_v<LayerMetric, Model, LayerMetric::Options> &&
                  !std::is_constructible_v<Pass, Model, Index>,
              "what keeps a model by reference takes no temporary");

}  // namespace
}  // namespace unrect
