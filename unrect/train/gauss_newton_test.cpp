#include "unrect/train/internal/gauss_newton.hpp"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

// One mini-batch and everything that a step on it needs.
struct Batch {
  Model model;
  Loss loss;
  GaussNewton rule;
  Pass pass;
  FloatMatrix targets;
  FloatVector weights, gradient;
  std::vector<Chunk> chunks;
  Team team{1};

  Batch(const Network& network, const FloatMatrix& x, FloatMatrix t, const Loss& kind = {})
      : model(network),
        loss(kind),
        rule(model, kind, 0),
        pass(model, x.rows()),
        targets(std::move(t)),
        weights(model.weights()),
        gradient(FloatVector::Zero(model.size())),
        chunks(chunks_of(model)) {
    std::vector<Index> rows(static_cast<std::size_t>(x.rows()));
    std::iota(rows.begin(), rows.end(), Index{0});
    pass.load(x, rows);
  }

  // The mean loss; its gradient too.
  double evaluate() {
    const double n = static_cast<double>(pass.rows());
    const double sum = unrect::loss<float>(loss, pass.forward(weights.data()), targets, pass.output_cotangent());
    pass.backward(weights.data(), gradient.data());
    gradient /= static_cast<float>(n);
    return sum / n;
  }
  FloatRef outputs() const { return pass.value(model.network().output()); }
  void renew_curvature() {
    FloatVector sums = FloatVector::Zero(rule.moment_size());
    rule.moments(pass, outputs(), targets, sums.data());
    for (std::size_t l = 0; l < model.layers().size(); ++l) {
      const Index begin = rule.moment_offsets()[l];
      rule.update(static_cast<int>(l), sums.segment(begin, rule.moment_offsets()[l + 1] - begin), pass.rows(), 1);
    }
    rule.invert(weights.data(), team);
  }
  void find_direction() {
    for (const Chunk& chunk : chunks) rule.scale_inputs(chunk, gradient.data());
    for (const Chunk& chunk : chunks) rule.scale_outputs(chunk);
  }
  void plan() {
    GaussNewton::Products sum{};
    for (const Chunk& chunk : chunks) {
      const GaussNewton::Products part = rule.products(chunk, gradient.data());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    rule.plan(rule.curvatures(pass, outputs(), targets, weights.data()), sum, pass.rows());
  }
  void step() {
    find_direction();
    plan();
    for (const Chunk& chunk : chunks) rule.apply(chunk, weights.data());
  }
};

FloatMatrix normal(Index rows, Index cols, std::uint64_t seed) {
  return Rng(seed).normal_matrix(rows, cols).cast<float>();
}

TEST(GaussNewton, DirectionSolvesTheDampedSystemOfALinearLayer) {
  const FloatMatrix x = normal(50, 6, 1), t = normal(50, 4, 2);
  Batch batch(to_network(initial_chain({6, 4}, Vector::Zero(4), false, Rng(3))), x, t);
  batch.evaluate();
  batch.renew_curvature();
  batch.find_direction();
  // (1 + g/π) D (C + gπ) = −G with C = X̃ᵀX̃/n: the ridge-regularised least-squares Newton step, in double.
  Matrix with_one(50, 7);
  with_one << x.cast<double>(), Vector::Ones(50);
  const Matrix c = with_one.transpose() * with_one / 50;
  const double g = std::sqrt(batch.rule.damping()), pi = std::sqrt(c.diagonal().mean());
  const Layer& layer = batch.model.layers()[0];
  const Matrix w = layer.in(batch.weights.data()).cast<double>();
  const Matrix slope = (with_one * w.transpose() - t.cast<double>()).transpose() * with_one / 50;
  const Matrix shifted = c + g * pi * Matrix::Identity(7, 7);
  const Matrix newton = -shifted.ldlt().solve(slope.transpose()).transpose();
  const Matrix d = layer.in(batch.rule.direction().data()).cast<double>();
  EXPECT_LT(((1 + g / pi) * d - newton).norm(), 1e-4 * newton.norm());
}

TEST(GaussNewton, DirectionOfADeeperChainIsThatOfTheKroneckerFactors) {
  // All of formula 3.3 anew, in double, for a chain with a ReLU output.
  const FloatMatrix x = normal(40, 5, 4), t = normal(40, 3, 5);
  Batch batch(to_network(initial_chain({5, 8, 7, 3}, Vector::Constant(3, 0.1), true, Rng(6))), x, t);
  batch.evaluate();
  batch.renew_curvature();
  batch.find_direction();
  std::vector<Matrix> inputs{x.cast<double>()}, patterns;
  std::vector<Matrix> w;
  for (const Layer& layer : batch.model.layers()) {
    w.push_back(layer.in(batch.weights.data()).cast<double>());
    const Index n = layer.cols - 1;
    const Matrix z = (inputs.back() * w.back().leftCols(n).transpose()).rowwise() + w.back().col(n).transpose();
    patterns.push_back((z.array() > 0).cast<double>());
    inputs.push_back(z.cwiseMax(0));
  }
  std::vector<Matrix> delta(3), h(3);
  delta[2] = (inputs[3] - t.cast<double>()).cwiseProduct(patterns[2]);
  h[2] = Matrix(patterns[2].colwise().mean().asDiagonal());
  for (std::size_t l = 2; l-- > 0;) {
    const Matrix up = w[l + 1].leftCols(w[l + 1].cols() - 1);
    delta[l] = (delta[l + 1] * up).cwiseProduct(patterns[l]);
    h[l] = (up.transpose() * h[l + 1] * up).cwiseProduct(patterns[l].transpose() * patterns[l] / 40);
  }
  const double g = std::sqrt(batch.rule.damping());
  for (std::size_t l = 0; l < 3; ++l) {
    Matrix a(40, inputs[l].cols() + 1);
    a << inputs[l], Vector::Ones(40);
    const Matrix c = a.transpose() * a / 40, slope = delta[l].transpose() * a / 40;
    const double pi = std::sqrt(c.diagonal().mean() / h[l].diagonal().mean());
    const Matrix left = h[l] + g / pi * Matrix::Identity(h[l].rows(), h[l].cols());
    const Matrix right = c + g * pi * Matrix::Identity(c.rows(), c.cols());
    const Matrix expected = -left.inverse() * slope * right.inverse();
    const Matrix d = batch.model.layers()[l].in(batch.rule.direction().data()).cast<double>();
    EXPECT_LT((d - expected).norm(), 1e-3 * expected.norm()) << "layer " << l;
  }
}

TEST(GaussNewton, ModelOfALinearNetworkIsExact) {
  Batch batch(to_network(initial_chain({6, 4}, Vector::Zero(4), false, Rng(7))), normal(60, 6, 8), normal(60, 4, 9));
  double before = batch.evaluate();
  batch.renew_curvature();
  const double damping = batch.rule.damping();
  for (int i = 0; i < 6; ++i) {
    batch.renew_curvature();
    batch.step();
    const double predicted = batch.rule.predicted_decrease();
    const double after = batch.evaluate();
    EXPECT_GT(predicted, 0);
    EXPECT_NEAR(before - after, predicted, 1e-4 * predicted + 1e-6 * before) << "step " << i;
    EXPECT_TRUE(batch.rule.judge(before - after));
    before = after;
  }
  EXPECT_NEAR(batch.rule.damping(), std::pow(0.95, 6) * damping, 1e-9 * damping)
      << "a model that keeps its word is trusted more";
}

TEST(GaussNewton, ModelTakesCrossEntropysCurvature) {
  // Along a short step ½ uᵀBu is what the loss adds to its slope.
  FloatMatrix labels = FloatMatrix::Zero(30, 3);
  for (Index i = 0; i < 30; ++i) labels(i, i % 3) = 1;
  const Loss kind{.kind = Loss::Kind::kCrossEntropy};
  Batch batch(to_network(initial_chain({4, 3}, Vector::Zero(3), false, Rng(10))), normal(30, 4, 11), labels, kind);
  const double before = batch.evaluate();
  batch.renew_curvature();
  batch.find_direction();
  const GaussNewton::Curvatures sums =
      batch.rule.curvatures(batch.pass, batch.outputs(), batch.targets, batch.weights.data());
  const float length = 0.05F / batch.rule.direction().norm();
  const FloatVector at = batch.weights, slope = batch.gradient;
  batch.weights = at + length * batch.rule.direction();
  const double forth = batch.evaluate();
  batch.weights = at - length * batch.rule.direction();
  const double back = batch.evaluate();
  const double measured = (forth - 2 * before + back) / static_cast<double>(length * length);
  EXPECT_NEAR(sums[0] / 30, measured, 0.02 * measured);
  EXPECT_LT(slope.dot(batch.rule.direction()), 0);
}

TEST(GaussNewton, TakesBackAStepThatDidHarm) {
  Batch batch(to_network(initial_chain({6, 5, 4}, Vector::Zero(4), false, Rng(12))), normal(60, 6, 13),
              normal(60, 4, 14));
  batch.evaluate();
  batch.renew_curvature();
  const FloatVector start = batch.weights;
  batch.step();
  EXPECT_GT((batch.weights - start).norm(), 0.01F);
  const double damping = batch.rule.damping();
  EXPECT_FALSE(batch.rule.judge(-batch.rule.predicted_decrease()));
  EXPECT_DOUBLE_EQ(batch.rule.damping(), 4 * damping);
  for (const Chunk& chunk : batch.chunks) batch.rule.take_back(chunk, batch.weights.data());
  EXPECT_EQ(batch.weights, start);
}

// One step whose promise is known; what is kept of it decides the damping at 0.75, 0.25 and −0.5.
TEST(GaussNewton, TrustsItsModelByTheShareOfItsPromiseThatIsKept) {
  Batch batch(to_network(initial_chain({6, 5, 4}, Vector::Zero(4), false, Rng(12))), normal(60, 6, 13),
              normal(60, 4, 14));
  batch.evaluate();
  batch.renew_curvature();
  batch.step();
  const auto change = [&](double share) {
    const double before = batch.rule.damping();
    const bool kept = batch.rule.judge(share * batch.rule.predicted_decrease());
    EXPECT_EQ(kept, share >= -0.5) << share;
    return batch.rule.damping() / before;
  };
  EXPECT_DOUBLE_EQ(change(0.751), 0.95);
  EXPECT_DOUBLE_EQ(change(0.749), 1);
  EXPECT_DOUBLE_EQ(change(0.251), 1);
  EXPECT_DOUBLE_EQ(change(0.249), 1 / 0.95);
  EXPECT_DOUBLE_EQ(change(-0.499), 1 / 0.95);
  EXPECT_DOUBLE_EQ(change(-0.501), 4);
  EXPECT_DOUBLE_EQ(change(std::nan("")), 4) << "a loss that is no number";
}

// Where D and V are one direction the step goes along D alone, and its length is the minimum's.
TEST(GaussNewton, PlansTheMinimumOfItsModel) {
  Batch batch(to_network(initial_chain({3, 2}, Vector::Zero(2), false, Rng(1))), normal(20, 3, 2), normal(20, 2, 3));
  batch.evaluate();
  batch.renew_curvature();
  const double lambda = batch.rule.damping();
  const auto value = [&](double a, double m, const GaussNewton::Curvatures& c, const GaussNewton::Products& p,
                         double damping) {
    return a * p[0] + m * p[1] +
           0.5 * (a * a * (c[0] / 20 + damping * p[2]) + 2 * a * m * (c[1] / 20 + damping * p[3]) +
                  m * m * (c[2] / 20 + damping * p[4]));
  };
  const GaussNewton::Products p{-2, -0.5, 3, 0.4, 2, 2, 0.3, 1.5};
  const GaussNewton::Curvatures c{40, 6, 30};
  batch.rule.plan(c, p, 20);
  const double alpha = batch.rule.alpha(), mu = batch.rule.numbers()[2];
  const double least = value(alpha, mu, c, p, lambda);
  for (const double h : {-1e-3, 1e-3}) {
    EXPECT_GT(value(alpha + h, mu, c, p, lambda), least);
    EXPECT_GT(value(alpha, mu + h, c, p, lambda), least);
    EXPECT_GT(value(alpha + h, mu - h, c, p, lambda), least);
  }
  EXPECT_NEAR(batch.rule.predicted_decrease(), -value(alpha, mu, c, p, 0), 1e-12);
  batch.rule.plan({40, 80, 160 * (1 + 1e-7)}, {-2, -4.1, 3, 6, 12 * (1 + 1e-7), 3, 6, 12}, 20);  // V = 2D, nearly
  EXPECT_DOUBLE_EQ(batch.rule.alpha(), 2 / (2 + 3 * lambda));
  EXPECT_EQ(batch.rule.numbers()[2], 0);
}

// Decay adds r ‖W‖² without the biases to the model that makes a promise, and r to what shifts both factors.
TEST(GaussNewton, CountsItsDecayInThePromise) {
  const Model model(to_network(initial_chain({3, 2}, Vector::Zero(2), false, Rng(1))));
  GaussNewton rule(model, {}, 0.5);
  const GaussNewton::Products p{-2, 0, 3, 0, 0, 2, 0, 0};
  rule.plan({40, 0, 0}, p, 20);  // λ = 0 before the first curvature
  const double alpha = 2 / (2 + 0.5 * 2);
  EXPECT_DOUBLE_EQ(rule.alpha(), alpha);
  EXPECT_DOUBLE_EQ(rule.predicted_decrease(), 2 * alpha - 0.5 * alpha * alpha * 3);
}

TEST(GaussNewton, NeverTrustsItsModelWholly) {
  Batch batch(to_network(initial_chain({6, 4}, Vector::Zero(4), false, Rng(7))), normal(60, 6, 8), normal(60, 4, 9));
  batch.evaluate();
  batch.renew_curvature();
  const double scale = batch.rule.damping() / 20;
  batch.step();
  for (int i = 0; i < 1000; ++i) batch.rule.judge(batch.rule.predicted_decrease());
  EXPECT_LT(batch.rule.damping(), 1e-6 * scale);
  batch.renew_curvature();
  EXPECT_NEAR(batch.rule.damping() / (1e-5 * scale), 1, 1e-6);
}

TEST(GaussNewton, RemembersItsMomentsByTheNumberOfTheCall) {
  const Model model(to_network(initial_chain({3, 2}, Vector::Zero(2), false, Rng(1))));
  GaussNewton rule(model, {}, 0);
  const auto entry = [&](float value, Index k) {
    rule.update(0, FloatVector::Constant(rule.moment_size(), value), 4, k);
    return rule.moments()(0);
  };
  EXPECT_FLOAT_EQ(entry(8, 1), 2);
  EXPECT_FLOAT_EQ(entry(16, 2), 3);
  EXPECT_FLOAT_EQ(entry(0, 100), 0.95F * 3);
}

static_assert(!std::is_constructible_v<GaussNewton, Model, Loss, double>, "it keeps its model by reference");

TEST(GaussNewton, RefusesWhatIsNoChain) {
  const Model model(random_residual(2, 6, 3, Rng(15)));
  EXPECT_THROW(GaussNewton(model, {}, 0), Error);
}

}  // namespace
}  // namespace unrect
