#include "unrect/lifted/explicit_al.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/internal/polish.hpp"
#include "unrect/lifted/internal/slopes_for_tests.hpp"
#include "unrect/lifted/pattern_oracle.hpp"

namespace unrect {
namespace {

using Blocks = ExplicitAlOptions::Blocks;

Chain random_chain(const std::vector<Index>& widths, bool relu_output, Rng rng) {
  Chain chain = initial_chain(widths, Vector::Zero(widths.back()), relu_output, rng);
  for (std::size_t l = 0; l < chain.layers.size(); ++l)
    chain.layers[l] = rng.split(50 + l).normal_matrix(widths[l + 1], widths[l] + 1) / std::sqrt(double(widths[l]));
  return chain;
}

struct Data {
  Matrix inputs, targets;
};

Data taught(const Chain& teacher, Index samples, double noise, Rng rng) {
  Data data{rng.split(1).normal_matrix(samples, teacher.input_size()), {}};
  data.targets = split_output(teacher, lift(teacher, {}, data.inputs, Matrix::Zero(samples, teacher.output_size())));
  data.targets += noise * rng.split(2).normal_matrix(samples, teacher.output_size());
  return data;
}

// A lifted point with nothing in it special.
LiftedSamples disturbed(const Chain& chain, const Loss& loss, const Data& data, double rho, Rng rng) {
  LiftedSamples samples = lift(chain, loss, data.inputs, data.targets, rho);
  for (std::size_t l = 0; l < samples.layers.size(); ++l) {
    LiftedLayer& layer = samples.layers[l];
    const auto noise = [&](unsigned k) {
      return Matrix(0.5 * rng.split(10 * l + k).normal_matrix(layer.z.rows(), layer.z.cols()));
    };
    layer.z += noise(0);
    layer.a += noise(1);
    layer.d = (layer.d + noise(2)).cwiseMax(0).cwiseMin(1);
    layer.s_plus = (layer.s_plus + noise(3)).cwiseMax(0);
    layer.s_minus = (layer.s_minus + noise(4)).cwiseMax(0);
    for (unsigned k = 0; k < 4; ++k) layer.u[k] += noise(5 + k);
    layer.rho = rho * static_cast<double>(l + 1);
  }
  return samples;
}

double largest_slope(Matrix& block, const std::function<double()>& value) {
  return slopes(block, value).cwiseAbs().maxCoeff();
}

TEST(ExplicitAlBlocks, WeightsAndOutputsAreStationary) {
  for (const bool relu_output : {false, true}) {
    Chain chain = random_chain({3, 4, 3, 2}, relu_output, Rng(1));
    const Data data = taught(random_chain({3, 4, 3, 2}, relu_output, Rng(2)), 9, 0.3, Rng(3));
    ExplicitAlOptions options;
    options.objective.ridge = 0.4;
    options.proximal = 1e-12;
    for (const Loss loss : {Loss{}, Loss{Loss::Kind::kHuber, 0.2}}) {
      if (loss.kind == Loss::Kind::kHuber && !relu_output) continue;
      options.objective.loss = loss;
      std::vector<LiftedSamples> blocks = {disturbed(chain, loss, data, 0.7, Rng(4))};
      LiftedSamples& samples = blocks[0];
      const auto value = [&] { return augmented_lagrangian(chain, options.objective, samples); };
      for (std::size_t l = 0; l < samples.layers.size(); ++l) {
        update_outputs(chain, loss, l, samples);
        EXPECT_LT(largest_slope(samples.layers[l].a, value), 1e-6);
      }
      for (std::size_t l = 0; l < chain.layers.size(); ++l) {
        EXPECT_GT(largest_slope(chain.layers[l], value), 1e-2);
        update_weights(chain, options, l, blocks);
        EXPECT_LT(largest_slope(chain.layers[l], value), 1e-6);
      }
    }
  }
}

// One unit, one sample: the augmented Lagrangian's own terms, on grids.
double terms(const LiftedLayer& layer, double v) {
  const double t = layer.d(0) * layer.z(0);
  return std::pow(layer.z(0) - v + layer.u[0](0), 2) + std::pow(layer.a(0) - t + layer.u[1](0), 2) +
         std::pow(t - layer.s_plus(0) + layer.u[2](0), 2) +
         std::pow(layer.z(0) - t + layer.s_minus(0) + layer.u[3](0), 2);
}

LiftedLayer one_unit(Rng rng) {
  LiftedLayer layer;
  for (Matrix* m : {&layer.z, &layer.a, &layer.d, &layer.s_plus, &layer.s_minus, &layer.u[0], &layer.u[1], &layer.u[2],
                    &layer.u[3]})
    *m = rng.normal_matrix(1, 1);
  layer.d = layer.d.cwiseAbs().cwiseMin(1);
  return layer;
}

TEST(ExplicitAlBlocks, LiteralActivationsBeatEveryGridPoint) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    LiftedLayer layer = one_unit(Rng(seed));
    const Matrix v = Rng(seed + 1000).normal_matrix(1, 1);
    const double z = layer.z(0);
    update_activations(Blocks::kLiteral, v, layer);
    LiftedLayer at_old = layer;  // (d, s±) were chosen at the old z
    at_old.z(0) = z;
    const double chosen = terms(at_old, v(0));
    for (int i = 0; i <= 50; ++i)
      for (int j = 0; j <= 60; ++j)
        for (const bool plus : {false, true}) {
          LiftedLayer other = at_old;
          other.d(0) = i / 50.0;
          (plus ? other.s_plus : other.s_minus)(0) = j / 20.0;
          ASSERT_GE(terms(other, v(0)), chosen - 1e-12);
          other.s_plus(0) = std::max(0.0, other.d(0) * z + other.u[2](0));
          other.s_minus(0) = std::max(0.0, (other.d(0) - 1) * z - other.u[3](0));
          ASSERT_GE(terms(other, v(0)), chosen - 1e-12);
        }
    const double after = terms(layer, v(0));  // z is free
    for (int i = -300; i <= 300; ++i) {
      LiftedLayer other = layer;
      other.z(0) = i / 60.0;
      ASSERT_GE(terms(other, v(0)), after - 1e-12);
    }
  }
}

TEST(ExplicitAlBlocks, JointActivationsBeatEveryGridPointOnTheGraph) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    LiftedLayer layer = one_unit(Rng(seed));
    const Matrix v = Rng(seed + 1000).normal_matrix(1, 1);
    update_activations(Blocks::kJoint, v, layer);
    const auto cost = [&](double z) {
      return std::pow(z - v(0) + layer.u[0](0), 2) + std::pow(layer.a(0) - std::max(0.0, z) + layer.u[1](0), 2);
    };
    for (int i = -4000; i <= 4000; ++i) ASSERT_GE(cost(i / 1000.0), cost(layer.z(0)) - 1e-12);
    EXPECT_EQ(layer.d(0) * layer.z(0), layer.s_plus(0));
    EXPECT_EQ(layer.s_plus(0) - layer.s_minus(0), layer.z(0));
  }
}

// A unit that no sample switches on, though the targets are its to fit.
TEST(ExplicitAlBlocks, JointOnesReviveADeadUnitLiteralOnesDoNot) {
  const Matrix inputs = Vector::LinSpaced(12, -1, 1);
  const Matrix targets = (2 * inputs.array()).max(0);
  for (const Blocks blocks : {Blocks::kJoint, Blocks::kLiteral}) {
    ExplicitAlOptions options;
    options.blocks = blocks;
    options.rounds = 1;
    options.max_outer = 60;
    options.polish_steps = 0;
    options.log_every = 0;
    const Chain dead{{Matrix{{0.5, -1.5}}, Matrix{{1.0, 0.5}}}, false};
    const ExplicitAlResult result = explicit_al(dead, inputs, targets, options);
    const bool alive = lift(result.chain, {}, inputs, targets).layers[0].a.maxCoeff() > 0;
    EXPECT_EQ(alive, blocks == Blocks::kJoint);
    if (alive) {
      EXPECT_LT(result.log.back().residuals.true_loss, 0.05);
    }
  }
}

TEST(ExplicitAl, EndsAtKktPointsAndMostlyAtTheOptimum) {
  int found = 0;
  int smooth = 0;
  for (unsigned seed = 0; seed < 10; ++seed) {
    const Data data = taught(random_chain({2, 4, 1}, false, Rng(seed)), 30, 0, Rng(seed + 100));
    ExplicitAlOptions options;
    options.tolerance = 1e-8;
    options.rounds = 24;
    const ExplicitAlResult result =
        explicit_al(random_chain({2, 4, 1}, false, Rng(seed + 200)), data.inputs, data.targets, options);
    const KktResiduals& c = result.log.back().residuals;
    EXPECT_EQ(result.status, TrainingStatus::kConverged);
    EXPECT_LT(c.kkt(), 1e-6);
    // Off the kinks that is the gradient of the true loss.
    const LiftedSamples samples = lift(result.chain, {}, data.inputs, data.targets);
    if (samples.layers[0].z.cwiseAbs().minCoeff() > 1e-7) {
      ++smooth;
      EXPECT_LT(c.gradient_norm(), 1e-6);
    }
    const double scale = (data.targets.array() - data.targets.mean()).square().sum() / 2;
    found += c.true_loss < 1e-3 * scale;
  }
  EXPECT_GE(found, 7);
  EXPECT_GE(smooth, 5);
}

TEST(ExplicitAl, IsNeverBelowTheBruteForceOptimumAndReachesIt) {
  int found = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    const Data data = taught(random_chain({1, 2, 1}, false, Rng(seed)), 8, 0.2, Rng(seed + 100));
    const double optimum = shallow_optimum(data.inputs, data.targets, 2).loss;
    ExplicitAlOptions options;
    options.rounds = 100;
    const double loss = explicit_al(random_chain({1, 2, 1}, false, Rng(seed + 200)), data.inputs, data.targets, options)
                            .log.back()
                            .residuals.true_loss;
    EXPECT_GE(loss, optimum - 1e-9);
    found += loss < optimum + 1e-6;
  }
  EXPECT_GE(found, 5);
}

// Σ (relu(w x + b) − y)²/2 whose least squares lie on a kink of one sample.
TEST(Polish, EndsOnAKinkWithASlopeBetweenZeroAndOne) {
  int on_kink = 0;
  for (unsigned seed = 0; seed < 30; ++seed) {
    const Data data = taught(random_chain({1, 3, 1}, false, Rng(seed)), 10, 0.5, Rng(seed + 1));
    const Polished end =
        polish(random_chain({1, 3, 1}, false, Rng(seed + 2)), {}, data.inputs, data.targets, 500, 1e-9);
    const KktResiduals c = kkt_residuals(end.chain, {}, {end.samples});
    EXPECT_LT(c.kkt(), 1e-6) << seed;
    const Matrix& d = end.samples.layers[0].d;
    on_kink += (d.array() * (1 - d.array())).maxCoeff() > 0.01;
    // A local minimum: no small step in any direction lowers the loss by its first order.
    for (unsigned k = 0; k < 50; ++k) {
      Chain near = end.chain;
      for (Matrix& layer : near.layers) layer += 1e-5 * Rng(k).normal_matrix(layer.rows(), layer.cols());
      EXPECT_GT(kkt_residuals(near, {}, {lift(near, {}, data.inputs, data.targets)}).true_loss, c.true_loss - 1e-7);
    }
  }
  EXPECT_GE(on_kink, 5);
}

void expect_equal(const Chain& a, const Chain& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t l = 0; l < a.layers.size(); ++l) EXPECT_EQ(a.layers[l], b.layers[l]);
}

TEST(ExplicitAl, HasTheSameBitsForAnyNumberOfThreadsAndHolders) {
  const Data data = taught(random_chain({4, 6, 5, 3}, true, Rng(1)), 256, 0.1, Rng(2));
  const Chain start = random_chain({4, 6, 5, 3}, true, Rng(3));
  ExplicitAlOptions options;
  options.rounds = 2;
  options.polish_parameters = 0;
  Context context;
  const ExplicitAlResult alone = explicit_al(start, data.inputs, data.targets, options, context);
  context.threads = 3;
  const ExplicitAlResult crew = explicit_al(start, data.inputs, data.targets, options, context);
  expect_equal(alone.chain, crew.chain);
  ASSERT_EQ(alone.log.size(), crew.log.size());
  for (std::size_t i = 0; i < alone.log.size(); ++i)
    EXPECT_EQ(alone.log[i].residuals.split_loss, crew.log[i].residuals.split_loss);

  // Nor does the log decide anything.
  ExplicitAlOptions silent = options;
  silent.log_every = 0;
  expect_equal(explicit_al(start, data.inputs, data.targets, silent).chain, alone.chain);

  // Two holders of half of the samples each meet in `reduce`.
  std::barrier meet(2);
  std::array<std::vector<double>, 2> sums, maxima;
  std::array<ExplicitAlResult, 2> half;
  {
    std::vector<std::jthread> holders;
    for (std::size_t h = 0; h < 2; ++h)
      holders.emplace_back([&, h] {
        ExplicitAlOptions mine = options;
        mine.reduce = [&, h](std::span<double> sum, std::span<double> most) {
          sums[h].assign(sum.begin(), sum.end());
          maxima[h].assign(most.begin(), most.end());
          meet.arrive_and_wait();
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = sums[0][i] + sums[1][i];
          for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(maxima[0][i], maxima[1][i]);
          meet.arrive_and_wait();
        };
        half[h] = explicit_al(start, data.inputs.middleRows(128 * static_cast<Index>(h), 128),
                              data.targets.middleRows(128 * static_cast<Index>(h), 128), mine);
      });
  }
  expect_equal(half[0].chain, alone.chain);
  expect_equal(half[1].chain, alone.chain);
  EXPECT_EQ(half[0].log.back().residuals.true_loss, alone.log.back().residuals.true_loss);
}

TEST(ExplicitAl, WarmIsStable) {
  const Chain teacher = random_chain({10, 20, 20, 8}, true, Rng(1));
  const Data data = taught(teacher, 400, 0.2, Rng(2));
  Chain start = teacher;
  for (Matrix& layer : start.layers) layer += 0.02 * Rng(3).normal_matrix(layer.rows(), layer.cols());
  ExplicitAlOptions options;
  options.warm_start = true;
  options.rho_max = 1000;
  options.rho = 1;
  options.growth = 1.3;
  options.rounds = 1;
  options.max_outer = 12;
  options.polish_parameters = 0;
  const ExplicitAlResult result = explicit_al(start, data.inputs, data.targets, options);
  for (std::size_t i = 1; i < result.log.size(); ++i)
    EXPECT_LE(result.log[i].residuals.true_loss, result.log[i - 1].residuals.true_loss);
  // The infeasibility halves at least every four sweeps.
  for (std::size_t i = 5; i + 1 < result.log.size(); ++i)
    EXPECT_LE(result.log[i].residuals.primal,
              result.log[1].residuals.primal * std::exp2(-(static_cast<double>(i) - 1) / 4))
        << i;
}

// ρ ← γρ after an update whose infeasibility is above τ times the one before, and never above rho_max.
TEST(ExplicitAl, RaisesItsPenaltyByItsRule) {
  const Data data = taught(random_chain({2, 4, 1}, false, Rng(1)), 30, 0.1, Rng(2));
  const Chain start = random_chain({2, 4, 1}, false, Rng(3));
  ExplicitAlOptions options;
  options.rounds = 1;
  options.max_outer = 8;
  options.rho = 0.01;
  options.rho_max = 0.05;
  options.growth = 1.5;
  options.polish_steps = 0;
  const auto penalties = [&](double tau) {
    options.tau = tau;
    std::vector<double> result;
    for (const ExplicitAlEntry& entry : explicit_al(start, data.inputs, data.targets, options).log)
      result.push_back(entry.rho);
    result.pop_back();  // of the end, where the constraints hold
    return result;
  };
  const std::vector<double> always = penalties(0), once = penalties(1e9);
  ASSERT_EQ(always.size(), 9U);
  ASSERT_EQ(once.size(), 9U);
  for (std::size_t i = 0; i < 9; ++i) {  // entry 0 is the start, entry 1 is before the first rise
    const int rises = std::max(0, static_cast<int>(i) - 1);
    EXPECT_NEAR(always[i], std::min(0.05, 0.01 * std::pow(1.5, rises)), 1e-15) << i;
    EXPECT_NEAR(once[i], i < 2 ? 0.01 : 0.015, 1e-15) << i << ": only the first is above a billion times none";
  }
}

TEST(ExplicitAl, IsNotConvergedShortOfAKktPoint) {
  const Data data = taught(random_chain({2, 4, 1}, false, Rng(1)), 30, 0.1, Rng(2));
  ExplicitAlOptions options;
  options.rounds = 1;
  options.max_outer = 1;
  options.polish_steps = 0;
  const ExplicitAlResult result =
      explicit_al(random_chain({2, 4, 1}, false, Rng(3)), data.inputs, data.targets, options);
  EXPECT_EQ(result.status, TrainingStatus::kIterationLimit);
  EXPECT_GT(result.log.back().residuals.kkt(), options.tolerance);
}

TEST(ExplicitAl, StopsWhenToldAndSaysWhatIsWrong) {
  const Data data = taught(random_chain({2, 4, 1}, false, Rng(1)), 30, 0.1, Rng(2));
  const Chain start = random_chain({2, 4, 1}, false, Rng(3));
  ExplicitAlOptions options;
  options.rounds = 1000000;
  Context context;
  context.progress = [](const Progress&) { return false; };
  const ExplicitAlResult stopped = explicit_al(start, data.inputs, data.targets, options, context);
  EXPECT_EQ(stopped.status, TrainingStatus::kCancelled);
  EXPECT_LE(stopped.log.back().residuals.true_loss, stopped.log.front().residuals.true_loss);

  options.rho = -1;
  EXPECT_THROW(explicit_al(start, data.inputs, data.targets, options), Error);
  Matrix broken = data.inputs;
  broken(3, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(explicit_al(start, broken, data.targets, {}), Error);
}

}  // namespace
}  // namespace unrect
