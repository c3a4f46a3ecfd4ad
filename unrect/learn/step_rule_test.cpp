#include "unrect/learn/step_rule.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/network/random_network.hpp"

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

TEST(LayerMetric, NeverMovesAnOutputBeyondItsTrustRegion) {
  for (const double length : {10.0, 1e6}) {
    const OneStep step(length, 0.1);
    EXPECT_NEAR(step.scale * std::sqrt(step.change) / (0.1 * std::sqrt(step.energy)), 1, 1e-6);
  }
  EXPECT_EQ(OneStep(0, 0.1).scale, 1) << "no gradient, no step";
}

}  // namespace
}  // namespace unrect
