#include "unrect/bounds/internal/relaxation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unrect/bounds/internal/dual_ascent.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

// Small networks of every kind of node, and a residual convolutional one now and then.
Network random_network(Rng& rng, int round) {
  return round % 8 == 7 ? random_residual(2, 6, 3, rng.split(7)) : network_of_every_kind(rng.split(11));
}

Box random_box(Index inputs, double reach, Rng& rng) {
  Vector low(inputs), high(inputs);
  for (Index j = 0; j < inputs; ++j) {
    const double a = rng.uniform(-reach, reach), b = rng.uniform(-reach, reach);
    low[j] = std::min(a, b);
    high[j] = rng.below(8) == 0 ? low[j] : std::max(a, b);
  }
  return Box(low, high);
}

Vector random_point(const Box& box, Rng& rng) {
  Vector x(box.dimension());
  for (Index j = 0; j < x.size(); ++j) {
    const Index where = rng.below(4);
    x[j] = where == 0 ? box.lower[j] : where == 1 ? box.upper[j] : rng.uniform(box.lower[j], box.upper[j]);
  }
  return x;
}

Objectives random_objectives(Index count, Index outputs, Rng& rng) {
  return {rng.normal_matrix(count, outputs), rng.normal_vector(count)};
}

TEST(BoundGraph, IsTheNetworksFunction) {
  Rng rng(1);
  for (int round = 0; round < 60; ++round) {
    Rng own = rng.split(static_cast<std::uint64_t>(round));
    const Network network = random_network(own, round);
    const BoundGraph graph(stages_of(network));
    EXPECT_EQ(graph.inputs(), network.input_size());
    EXPECT_EQ(graph.outputs(), network.output_size());
    const Box box = random_box(network.input_size(), 2, own);
    const Vector x = random_point(box, own);
    Relaxation relaxation(graph, Box(x, x));
    NodeBatch node = relaxation.root();
    Objectives identity{Matrix::Identity(graph.outputs(), graph.outputs()), Vector::Zero(graph.outputs())};
    Minorants bound;
    relaxation.minimize(node, identity, bound);
    const Vector y = evaluate(network, x);
    for (Index i = 0; i < y.size(); ++i)
      EXPECT_NEAR(bound.value[i], y[i], 1e-9 * (1 + y.cwiseAbs().maxCoeff())) << round;
  }
}

TEST(Relaxation, CutsOffNoValueOfTheNetwork) {
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    Rng own = rng.split(static_cast<std::uint64_t>(round));
    const Network network = random_network(own, round);
    const BoundGraph graph(stages_of(network));
    const Box domain = random_box(network.input_size(), 2, own);
    Relaxation relaxation(graph, domain);
    // The domain, and a part of it that inherits its ranges.
    NodeBatch nodes = relaxation.root();
    for (Matrix& m : nodes.low) m = m.replicate(m.size() > 0 ? 2 : 1, 1).eval();
    for (Matrix& m : nodes.high) m = m.replicate(m.size() > 0 ? 2 : 1, 1).eval();
    nodes.empty.assign(2, 0);
    const Vector corner = random_point(domain, own);
    nodes.low[0].row(1) = nodes.low[0].row(1).cwiseMax(0.5 * (domain.lower + corner).transpose());
    nodes.high[0].row(1) = nodes.high[0].row(1).cwiseMax(nodes.low[0].row(1));
    relaxation.tighten(nodes);
    EXPECT_FALSE(nodes.empty[0] != 0 || nodes.empty[1] != 0);
    const Objectives objectives = random_objectives(3, graph.outputs(), own);
    Minorants bound;
    relaxation.minimize(nodes, objectives, bound);
    for (int sample = 0; sample < 100; ++sample) {
      for (Index n = 0; n < 2; ++n) {
        const Vector x = random_point(Box(nodes.low[0].row(n).transpose(), nodes.high[0].row(n).transpose()), own);
        const Vector value = objectives.rows * evaluate(network, x) + objectives.offsets;
        const double rounding = 1e-11 * (1 + value.cwiseAbs().maxCoeff());  // of this evaluation
        for (Index i = 0; i < 3; ++i) {
          ASSERT_LE(bound.value[n * 3 + i], value[i] + rounding) << "round " << round;
          ASSERT_LE(bound.slope.row(n * 3 + i).dot(x) + bound.constant[n * 3 + i], value[i] + rounding);
        }
      }
    }
  }
}

TEST(Relaxation, LinesHoldAtEveryBreakAndBetween) {
  Rng rng(3);
  const std::vector<Piecewise> kinds{relu(),     leaky_relu(0.1),        leaky_relu(-0.5),   clip(-1, 0.7),
                                     absolute(), hard_sigmoid(0.2, 0.5), soft_threshold(0.4)};
  for (const Piecewise& f : kinds) {
    for (int round = 0; round < 300; ++round) {
      double low = rng.uniform(-4, 4), high = rng.uniform(-4, 4);
      if (low > high) std::swap(low, high);
      if (round % 10 == 0) high = low;
      if (round % 10 == 1) low = 0 > high ? high : 0;
      const UnitLines lines = lines_of(f, 0, low, high);
      for (int i = 0; i <= 50; ++i) {
        double z = std::clamp(low + (high - low) * i / 50, low, high);
        if (i % 10 == 5 && f.breaks.cols() > 0) z = std::clamp(f.breaks(0, i / 10 % f.breaks.cols()), low, high);
        const Index p = f.piece(0, z);
        const double value = f.slopes(0, p) * z + f.offsets(0, p);
        EXPECT_LE(lines.low_slope * z + lines.low_offset, value + 1e-15)
            << f.kind << " [" << low << ", " << high << "] at " << z;
        EXPECT_GE(lines.high_slope * z + lines.high_offset, value - 1e-15)
            << f.kind << " [" << low << ", " << high << "] at " << z;
      }
    }
  }
}

// 1e-170 · relu(1e-170 x) at x = 1e290: the coefficient 1e-340 is 0 in doubles, and what it multiplies is not small.
TEST(Relaxation, CoefficientsThatUnderflowArePaidFor) {
  const Matrix tiny = Matrix::Constant(1, 1, 1e-170);
  const BoundGraph graph(stages_of(Network::chain({tiny, tiny}, {Vector::Zero(1), Vector::Zero(1)})));
  Relaxation relaxation(graph, Box(Vector::Ones(1), Vector::Constant(1, 1e290)));
  ASSERT_TRUE(relaxation.finite());
  Minorants minorants;
  relaxation.minimize(relaxation.root(), {Matrix::Constant(1, 1, -1), Vector::Zero(1)}, minorants);
  EXPECT_LE(minorants.value[0], -1e-50);  // the least value of −y
  EXPECT_LE(minorants.slope(0, 0) * 1e290 + minorants.constant[0], -1e-50);
}

TEST(Relaxation, AnEmptyNodeIsSeen) {
  // z = x on [0, 1]; a node that says z ≥ 2 holds no input.
  const Network network =
      Network::chain({Matrix::Identity(1, 1), Matrix::Identity(1, 1)}, {Vector::Zero(1), Vector::Zero(1)});
  const BoundGraph graph(stages_of(network));
  Relaxation relaxation(graph, Box(Vector::Zero(1), Vector::Ones(1)));
  NodeBatch node = relaxation.root();
  node.low[1](0, 0) = 2;
  node.high[1](0, 0) = 3;
  relaxation.tighten(node);
  EXPECT_TRUE(node.empty[0]);
}

TEST(DualAscent, RaisesBoundsThatStillHold) {
  Rng rng(4);
  double gain = 0;
  for (int round = 0; round < 60; ++round) {
    Rng own = rng.split(static_cast<std::uint64_t>(round));
    const Network network = random_chain({4, 12, 12, 2}, own.split(1));
    const BoundGraph graph(stages_of(network));
    const Box domain = random_box(4, 1, own);
    Relaxation relaxation(graph, domain);
    AscentRows rows;
    rows.stage = graph.size() - 1;
    rows.nodes = relaxation.root();
    rows.objectives = {random_objectives(1 + round % 3, 2, own)};
    // Half of the domain: one undecided unit on one side.
    std::vector<Split> splits;
    for (Index i = 0; i < 12 && splits.empty(); ++i) {
      if (rows.nodes.low[1](0, i) < 0 && rows.nodes.high[1](0, i) > 0) {
        splits.push_back({1, i, 0, round % 2 == 0 ? 1 : -1});
        (round % 2 == 0 ? rows.nodes.low : rows.nodes.high)[1](0, i) = 0;
      }
    }
    rows.splits = {splits};
    start_ascent(relaxation, rows);
    AscentOptions options;
    options.enough = std::numeric_limits<double>::infinity();
    options.steps = 1;
    ascend(relaxation, rows, options);
    const double first = rows.value[0];
    options.steps = 40;
    ascend(relaxation, rows, options);
    EXPECT_GE(rows.value[0], first);
    gain += rows.value[0] - first;
    for (int sample = 0; sample < 200; ++sample) {
      const Vector x = random_point(domain, own);
      if (!splits.empty()) {
        const double z = std::get<Dense>(*network.node(1).op).weight.row(splits[0].unit) * x +
                         std::get<Dense>(*network.node(1).op).bias[splits[0].unit];
        if (splits[0].sign * z < 0) continue;
      }
      const Vector value = rows.objectives[0].rows * evaluate(network, x) + rows.objectives[0].offsets;
      ASSERT_LE(rows.value[0], rows.lambda[0].dot(value) + 1e-11 * (1 + value.cwiseAbs().maxCoeff())) << round;
    }
  }
  EXPECT_GT(gain, 0.1);
}

}  // namespace
}  // namespace unrect
