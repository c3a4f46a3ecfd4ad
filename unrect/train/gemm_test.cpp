#include "unrect/train/internal/gemm.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/train/internal/convolution_pass.hpp"
#include "unrect/train/internal/forward.hpp"

extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);

namespace unrect {
namespace {

FloatMatrix normal(Index rows, Index cols, unsigned seed) { return Rng(seed).normal_matrix(rows, cols).cast<float>(); }

TEST(Gemm, IsTheProductForEveryTranspose) {
  const FloatMatrix a = normal(5, 7, 1), b = normal(7, 4, 2), start = normal(5, 4, 3);
  for (const Transpose of_a : {Transpose::kNo, Transpose::kYes}) {
    for (const Transpose of_b : {Transpose::kNo, Transpose::kYes}) {
      const FloatMatrix left = of_a == Transpose::kYes ? FloatMatrix(a.transpose()) : a;
      const FloatMatrix right = of_b == Transpose::kYes ? FloatMatrix(b.transpose()) : b;
      FloatMatrix c = start;
      gemm(left, of_a, right, of_b, c, 2, 0.5F);
      EXPECT_LT((c - (2 * a * b + 0.5F * start)).norm(), 1e-5F);
    }
  }
  FloatMatrix c(5, 4), empty(0, 4);
  EXPECT_THROW(gemm(a, Transpose::kYes, b, Transpose::kNo, c), Error);
  EXPECT_THROW(gemm(a, Transpose::kNo, b, Transpose::kNo, empty), Error);
}

// A program's own number of OpenMP threads is none of our business.
TEST(OnThisThread, LeavesTheCallersThreadsAsTheyWere) {
  std::jthread([] {
    omp_set_num_threads(3);
    FloatMatrix c(5, 4);
    gemm(normal(5, 7, 1), Transpose::kNo, normal(7, 4, 2), Transpose::kNo, c);
    EXPECT_EQ(omp_get_max_threads(), 3) << "after a product";
    const Network network = random_residual(2, 6, 3, Rng(1));
    Forward forward(network);
    EXPECT_EQ(omp_get_max_threads(), 3) << "after laying out a network";
    forward(FloatVector::Ones(network.input_size()));
    EXPECT_EQ(omp_get_max_threads(), 3) << "after a forward pass";
    const Window window{.channels = 1, .height = 4, .width = 4, .kernel_height = 3, .kernel_width = 3};
    ConvolutionPass pass(window, 2, 1, ConvolutionPass::Weights::kTrained, Products::kFloat32);
    EXPECT_EQ(omp_get_max_threads(), 3) << "after laying out a convolution";
    {
      const OnThisThread alone;
      EXPECT_EQ(omp_get_max_threads(), 1);
    }
    EXPECT_EQ(omp_get_max_threads(), 3);
    EXPECT_THROW(gemm(c, Transpose::kNo, c, Transpose::kNo, c), Error);
    EXPECT_EQ(omp_get_max_threads(), 3) << "after an error";
  });
}

}  // namespace
}  // namespace unrect
