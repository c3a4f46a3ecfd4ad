#include "unrect/train/internal/pass.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/lifted/loss.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

std::vector<Index> all_rows(Index count) {
  std::vector<Index> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), Index{0});
  return rows;
}

// ½‖M(X) − T‖² in double with the weights of the buffer.
double loss_at(const Model& model, const FloatVector& weights, const Matrix& x, const Matrix& targets) {
  return 0.5 * (Evaluator<double>(model.with(weights))(x) - targets).squaredNorm();
}

struct Gradients {
  FloatVector by_pass;
  double by_differences = 0, along_pass = 0;  // of a random direction
};

// The pass's gradient against a central difference of the double network along random directions.
void check_gradient(const Network& network, Index rows, std::uint64_t seed) {
  const Model model(network);
  Pass pass(model, rows);
  const Matrix x = Rng(seed).normal_matrix(rows, network.input_size()).cast<float>().cast<double>();
  const Matrix targets = Rng(seed + 1).normal_matrix(rows, network.output_size()).cast<float>().cast<double>();
  const FloatVector weights = model.weights();
  const FloatMatrix xf = x.cast<float>();
  pass.load(xf, all_rows(rows));
  const FloatMatrix y = pass.forward(weights.data());
  const Matrix expected = Evaluator<double>(network)(x);
  EXPECT_LT((y.cast<double>() - expected).norm(), 1e-5 * (1 + expected.norm()));
  pass.output_cotangent() = y - targets.cast<float>();
  FloatVector gradient = FloatVector::Zero(model.size());
  pass.backward(weights.data(), gradient.data());
  for (const Layer& layer : model.layers()) {
    FloatVector direction = FloatVector::Zero(model.size());
    layer.in(direction.data()) = Rng(seed + 2).normal_matrix(layer.rows, layer.cols).cast<float>();
    const float step = 1e-3F / direction.norm();
    const double slope = (loss_at(model, weights + step * direction, x, targets) -
                          loss_at(model, weights - step * direction, x, targets)) /
                         (2 * static_cast<double>(step));
    const double ours = gradient.cast<double>().dot(direction.cast<double>());
    EXPECT_NEAR(ours, slope,
                2e-3 * gradient.cast<double>().norm() * direction.cast<double>().norm() /
                    std::sqrt(static_cast<double>(layer.rows * layer.cols)))
        << network.node(layer.node).name;
  }
}

TEST(Pass, GradientOfAChainIsTheSlope) {
  check_gradient(random_chain({5, 20, 17, 3}, Rng(1)), 7, 10);
  check_gradient(to_network(initial_chain({5, 20, 17, 3}, Vector::Constant(3, 0.5), true, Rng(2))), 33, 20);
}

TEST(Pass, GradientOfAResidualConvolutionalNetworkIsTheSlope) {
  check_gradient(random_residual(3, 12, 4, Rng(3)), 5, 30);
}

TEST(Pass, GradientThroughEveryOp) {
  NetworkBuilder b({4});
  Rng rng(5);
  const auto dense = [&](Index out, Index in) { return Dense{rng.normal_matrix(out, in), rng.normal_vector(out)}; };
  const int scaled = b.add(Scale{rng.normal_vector(4), rng.normal_vector(4)}, {0}, "scale");
  const Dense shared = dense(6, 4);
  const int left = b.add(shared, {scaled}, "left");
  const int leaky = b.add(leaky_relu(0.25), {left}, "leaky");
  const int picked = b.add(Select{{5, 0, -1, 0, 3}, Vector{{0, 0, 2, 0, 0}}}, {leaky}, "select");
  const int joined = b.add(Concat{}, {picked, left, scaled}, "concat");
  const int hidden = b.add(dense(5, 15), {joined}, "hidden");
  const int bent = b.add(clip(-1, 1), {hidden}, "clip");
  const int top = b.add(Maximum{2, {0, 1, 2, 3, 4, -1}}, {hidden}, "max");
  const int one = b.add(dense(3, 5), {bent}, "one");
  const int relu_of_input = b.add(relu(), {0}, "relu_of_input");
  const int other = b.add(dense(3, 4), {relu_of_input}, "other");
  const int sum = b.add(Sum{{1.0, -0.5, 2.0}}, {one, top, other}, "sum");
  check_gradient(std::move(b).build(sum), 9, 40);
}

TEST(Pass, TangentIsTheDifferenceQuotient) {
  for (const bool relu_output : {false, true}) {
    const Network network = to_network(initial_chain({5, 20, 17, 3}, Vector::Constant(3, 0.5), relu_output, Rng(60)));
    const Model model(network);
    Pass pass(model, 9);
    const FloatMatrix x = Rng(61).normal_matrix(9, 5).cast<float>();
    const FloatVector weights = model.weights();
    FloatVector direction = FloatVector::Zero(model.size());
    for (const Layer& layer : model.layers())
      layer.in(direction.data()) = Rng(62).normal_matrix(layer.rows, layer.cols).cast<float>();
    pass.load(x, all_rows(9));
    pass.forward(weights.data());
    const FloatMatrix tangent = pass.tangent(weights.data(), direction.data());
    const float step = 1e-3F / direction.norm();
    const Matrix quotient = (Evaluator<double>(model.with(weights + step * direction))(x.cast<double>()) -
                             Evaluator<double>(model.with(weights - step * direction))(x.cast<double>())) /
                            (2 * static_cast<double>(step));
    EXPECT_GT(quotient.norm(), 1);
    EXPECT_LT((tangent.cast<double>() - quotient).norm(), 2e-3 * quotient.norm());
  }
  // 〈Λ, JD〉 = 〈JᵀΛ, D〉: forward and backward are each other's transpose.
  const Model model(random_chain({4, 9, 8, 3}, Rng(63)));
  Pass pass(model, 6);
  pass.load(Rng(64).normal_matrix(6, 4).cast<float>(), all_rows(6));
  const FloatVector weights = model.weights();
  pass.forward(weights.data());
  const FloatMatrix cotangent = Rng(65).normal_matrix(6, 3).cast<float>();
  pass.output_cotangent() = cotangent;
  FloatVector gradient = FloatVector::Zero(model.size()), direction = gradient;
  pass.backward(weights.data(), gradient.data());
  for (const Layer& layer : model.layers())
    layer.in(direction.data()) = Rng(66).normal_matrix(layer.rows, layer.cols).cast<float>();
  const float along = pass.tangent(weights.data(), direction.data()).cwiseProduct(cotangent).sum();
  EXPECT_NEAR(along, gradient.dot(direction), 1e-4F * gradient.norm() * direction.norm());
}

TEST(Pass, TangentRefusesOtherNodes) {
  const Model model(random_residual(2, 6, 3, Rng(67)));
  Pass pass(model, 2);
  pass.load(FloatMatrix::Ones(2, model.network().input_size()), all_rows(2));
  const FloatVector weights = model.weights();
  pass.forward(weights.data());
  EXPECT_THROW(pass.tangent(weights.data(), weights.data()), Error);
}

TEST(Pass, SharedWeightsGetTheSumOfTheirGradients) {
  Rng rng(6);
  NetworkBuilder b({4});
  const int first = b.add(Dense{rng.normal_matrix(4, 4), rng.normal_vector(4)}, {0}, "first");
  const int bent = b.add(relu(), {first}, "relu");
  const int second = b.add(Dense{Matrix::Zero(4, 4), Vector::Zero(4)}, {bent}, "second");
  Network apart = std::move(b).build(second);
  std::vector<Node> nodes = apart.nodes();
  nodes[static_cast<std::size_t>(second)].op = nodes[static_cast<std::size_t>(first)].op;
  const Network tied(std::move(nodes), apart.output(), apart.input_shape(), apart.output_shape());
  EXPECT_EQ(Model(tied).layers().size(), 1U);
  check_gradient(tied, 6, 50);
}

TEST(Pass, FixedNodesKeepTheirWeightsAndHandTheGradientOn) {
  const Network network = random_chain({5, 8, 3}, Rng(7));
  const Model model(network, {1});
  ASSERT_EQ(model.layers().size(), 1U);
  EXPECT_EQ(model.layers()[0].node, 3);
  const Matrix x = Rng(8).normal_matrix(4, 5).cast<float>().cast<double>();
  Pass pass(model, 4);
  const FloatMatrix xf = x.cast<float>();
  pass.load(xf, all_rows(4));
  const FloatVector weights = model.weights();
  EXPECT_LT((pass.forward(weights.data()).cast<double>() - Evaluator<double>(network)(x)).norm(), 1e-5);
}

TEST(Pass, GradientInAMetricIsTheGradientTimesTheMetric) {
  const Model model(random_chain({5, 40, 3}, Rng(13)));
  Pass pass(model, 6);
  const FloatMatrix x = Rng(14).normal_matrix(6, 5).cast<float>();
  const FloatVector weights = model.weights();
  pass.load(x, all_rows(6));
  const FloatMatrix y = pass.forward(weights.data());
  FloatVector plain = FloatVector::Zero(model.size()), transformed = plain;
  pass.output_cotangent() = y;
  pass.backward(weights.data(), plain.data());
  FloatMatrix metric = FloatMatrix::Zero(6, 16);
  metric.leftCols(6) = Rng(15).normal_matrix(6, 6).cast<float>();
  pass.output_cotangent() = y;
  pass.backward(weights.data(), transformed.data(), {metric.data(), nullptr});
  const Layer& first = model.layers()[0];
  const FloatMatrix expected = first.in(std::as_const(plain).data()) * metric.leftCols(6);
  EXPECT_LT((first.in(std::as_const(transformed).data()) - expected).norm(), 1e-4F * expected.norm());
  const Layer& second = model.layers()[1];
  EXPECT_EQ(FloatMatrix(second.in(std::as_const(transformed).data())),
            FloatMatrix(second.in(std::as_const(plain).data())));
}

TEST(Pass, GramOfADenseLayerIsThatOfItsInputs) {
  const Model model(random_chain({5, 8, 3}, Rng(9)));
  Pass pass(model, 6);
  const FloatMatrix x = Rng(10).normal_matrix(6, 5).cast<float>();
  pass.load(x, all_rows(6));
  const FloatVector weights = model.weights();
  pass.forward(weights.data());
  FloatMatrix with_one(6, 6);
  with_one << x, FloatVector::Ones(6);
  FloatMatrix gram(6, 6);
  pass.gram(0, gram);
  EXPECT_LT((gram - with_one.transpose() * with_one).norm(), 1e-5);
}

TEST(Pass, GramOfAConvolutionReproducesItsOutputsEnergy) {
  // ‖[K, b] p‖² summed over all patches p is ‖y‖²: with few positions every patch is in the sample.
  const Network network = random_residual(2, 6, 3, Rng(11));
  const Model model(network);
  Pass pass(model, 4);
  const FloatMatrix x = Rng(12).normal_matrix(4, network.input_size()).cast<float>();
  pass.load(x, all_rows(4));
  const FloatVector weights = model.weights();
  pass.forward(weights.data());
  int checked = 0;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const Layer& layer = model.layers()[l];
    if (!std::holds_alternative<Convolution>(*network.node(layer.node).op)) continue;
    FloatMatrix gram(layer.cols, layer.cols);
    const FloatMatrix w = layer.in(weights.data());
    pass.gram(static_cast<int>(l), gram);
    const double energy = static_cast<double>((w * gram * w.transpose()).trace());
    // The value itself may have been rectified in place: compute the layer's output anew, in double.
    const int in = network.node(layer.node).inputs[0];
    NetworkBuilder b({network.node(in).size});
    const int y = b.add(*network.node(layer.node).op, {0}, "conv");
    const double expected = Evaluator<double>(std::move(b).build(y))(pass.value(in).cast<double>()).squaredNorm();
    EXPECT_NEAR(energy, expected, 1e-4 * expected);
    ++checked;
  }
  EXPECT_GE(checked, 3);
}

}  // namespace
}  // namespace unrect
