#include "unrect/network/mean.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

TEST(Mean, AnswersWithTheMean) {
  const std::vector<Network> networks{random_chain({3, 8, 2}, Rng(1)), random_chain({3, 5, 6, 2}, Rng(2)),
                                      random_chain({3, 4, 2}, Rng(3))};
  Matrix x(20, 3), expected = Matrix::Zero(20, 2);
  Rng rng(4);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  for (const Network& network : networks) expected += Evaluator<double>(network)(x) / 3;
  const Network all = mean(networks);
  EXPECT_LT((Evaluator<double>(all)(x) - expected).cwiseAbs().maxCoeff(), 1e-14);
  EXPECT_EQ(all.widths(), (std::vector<Index>{8, 5, 6, 4}));
  EXPECT_EQ(mean({networks[1]}).nodes().size(), networks[1].nodes().size());
}

TEST(Mean, FoldedKeepsEqualMatricesOnce) {
  // Two that share no memory: one draw, made twice.
  const Network one = random_chain({3, 8, 2}, Rng(1)), other = random_chain({3, 8, 2}, Rng(1));
  const Network both = mean({one, other});
  EXPECT_EQ(both.parameters(), 2 * one.parameters());
  EXPECT_EQ(fold(both).parameters(), one.parameters());
  EXPECT_EQ(both.output_shape(), one.output_shape());
}

TEST(Mean, RefusesWhatHasNone) {
  EXPECT_THROW(mean({}), Error);
  EXPECT_THROW(mean({random_chain({3, 2}, Rng(1)), random_chain({2, 2}, Rng(1))}), Error);
  EXPECT_THROW(mean({random_chain({3, 2}, Rng(1)), random_chain({3, 1}, Rng(1))}), Error);
}

}  // namespace
}  // namespace unrect
