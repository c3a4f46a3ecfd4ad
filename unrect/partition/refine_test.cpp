#include "unrect/partition/explore.hpp"

#include <gtest/gtest.h>

namespace unrect {
namespace {

// Two lines that cross inside the square.
TEST(CountRegions, TwoCrossingLinesMakeFour) {
  const Network network =
      Network::chain({Matrix::Identity(2, 2), Matrix::Ones(1, 2)}, {Vector::Zero(2), Vector::Zero(1)});
  const Refinement refinement(network, Domain(Box(Vector::Constant(2, -1.0), Vector::Constant(2, 2.0))));
  EXPECT_EQ(count_regions(refinement).regions, 4u);
}

}  // namespace
}  // namespace unrect
