#include "unrect/learn/gauss_newton.hpp"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/learn/chain.hpp"
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

TEST(GaussNewton, RefusesWhatIsNoChain) {
  const Model model(random_residual(2, 6, 3, Rng(15)));
  EXPECT_THROW(GaussNewton(model, {}, 0), Error);
}

}  // namespace
}  // namespace unrect
