#include "unrect/bounds/internal/tournament.hpp"

#include <gtest/gtest.h>

#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/bounds/internal/relaxation.hpp"
#include "unrect/network/evaluate.hpp"

namespace unrect {
namespace {

// A point's bounds are its value: the graph without maxima is the network still.
TEST(Tournament, IsTheSameFunction) {
  Rng rng(1);
  int maxima = 0;
  for (std::uint64_t round = 0; round < 300; ++round) {
    Rng own = rng.split(round);
    const Network network = network_of_every_kind(own.split(1));
    const Stages stages = stages_of(network);
    const Stages without = without_maxima(stages);
    for (int s = 0; s < stages.size(); ++s) maxima += stages[s].maximum() != nullptr ? 1 : 0;
    for (int s = 0; s < without.size(); ++s) EXPECT_EQ(without[s].maximum(), nullptr);
    const BoundGraph graph(without);
    const Vector x = own.normal_vector(network.input_size());
    Relaxation relaxation(graph, Box(x, x));
    Minorants bound;
    const Index outputs = network.output_size();
    Objectives both{Matrix(2 * outputs, outputs), Vector::Zero(2 * outputs)};
    both.rows << Matrix::Identity(outputs, outputs), -Matrix::Identity(outputs, outputs);
    relaxation.minimize(relaxation.root(), both, bound);
    const Vector y = evaluate(network, x);
    const double doubt = 1e-10 * (1 + y.lpNorm<Eigen::Infinity>());
    for (Index i = 0; i < outputs; ++i) {
      EXPECT_NEAR(bound.value[i], y[i], doubt) << round;
      EXPECT_NEAR(-bound.value[outputs + i], y[i], doubt) << round;
    }
  }
  EXPECT_GT(maxima, 20);
}

}  // namespace
}  // namespace unrect
