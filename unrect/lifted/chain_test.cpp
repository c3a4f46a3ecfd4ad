#include "unrect/lifted/chain.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"

namespace unrect {
namespace {

TEST(Chain, IsTheNetworkItBecomes) {
  for (const bool relu_output : {false, true}) {
    const Chain chain = initial_chain({3, 5, 4, 2}, Vector::Constant(2, 0.25), relu_output, Rng(1));
    const Network network = to_network(chain);
    const Chain back = to_chain(network);
    EXPECT_EQ(back.relu_output, relu_output);
    ASSERT_EQ(back.layers.size(), chain.layers.size());
    for (std::size_t l = 0; l < chain.layers.size(); ++l) EXPECT_EQ(back.layers[l], chain.layers[l]);

    Vector a = Rng(2).normal_vector(3);
    const Vector y = evaluate(network, a);
    for (std::size_t l = 0; l < 3; ++l) {
      Vector with_one(a.size() + 1);
      with_one << a, 1;
      a = chain.layers[l] * with_one;
      if (l < 2 || relu_output) a = a.cwiseMax(0);
    }
    EXPECT_LT((a - y).norm(), 1e-12);
  }
}

TEST(Chain, StartsWithTheTargetsMean) {
  const Chain chain = initial_chain({3, 5, 2}, Vector{{0.5, 0.125}}, true, Rng(1));
  EXPECT_EQ(chain.layers[1].col(5), (Vector{{0.5, 0.125}}));
  EXPECT_EQ(chain.layers[0].col(3), Vector::Zero(5));
}

TEST(Chain, NamesTheNodeThatIsNoMatrix) {
  NetworkBuilder builder({2});
  const int dense = builder.add(Dense{Matrix::Identity(2, 2), Vector::Zero(2)}, {0}, "first");
  const int clipped = builder.add(clip(0, 1), {dense}, "clipped");
  const Network network = std::move(builder).build(clipped);
  try {
    to_chain(network);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("clipped"), std::string::npos);
  }
}

}  // namespace
}  // namespace unrect
