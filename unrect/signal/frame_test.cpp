#include "unrect/signal/frame.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/signal/wavelet.hpp"

namespace unrect {
namespace {

/// Three unit vectors at 120°: tight with bound 3/2.
Matrix mercedes() {
  const double s = std::sqrt(3.0) / 2;
  return Matrix{{0, 1}, {-s, -0.5}, {s, -0.5}};
}

TEST(FrameBounds, OfTheMercedesFrame) {
  const FrameBounds bounds = frame_bounds(mercedes());
  EXPECT_NEAR(bounds.lower, 1.5, 1e-15);
  EXPECT_NEAR(bounds.upper, 1.5, 1e-15);
  EXPECT_TRUE(bounds.tight());
  EXPECT_LT((canonical_dual(mercedes()) - mercedes() / 1.5).norm(), 1e-15);
}

TEST(FrameBounds, HoldForEveryVectorAndAreAttained) {
  const Matrix frame = random_frame(20, 6, Rng(1));
  const FrameBounds bounds = frame_bounds(frame);
  EXPECT_LT((frame.rowwise().norm() - Vector::Ones(20)).norm(), 1e-14);
  Rng rng(2);
  for (int k = 0; k < 100; ++k) {
    const Vector x = rng.normal_vector(6).normalized();
    EXPECT_GE((frame * x).squaredNorm(), bounds.lower);
    EXPECT_LE((frame * x).squaredNorm(), bounds.upper);
  }
  const FrameBounds lanczos = frame_bounds(LinearOperator(frame), Rng(3));
  EXPECT_NEAR(lanczos.lower, bounds.lower, 1e-10);
  EXPECT_NEAR(lanczos.upper, bounds.upper, 1e-10);
  EXPECT_FALSE(bounds.tight());
  EXPECT_GE(bounds.upper, 20.0 / 6);  // the trace is 20 = Σ of six eigenvalues
  EXPECT_LE(bounds.lower, 20.0 / 6);
}

TEST(FrameBounds, AreTightOnlyWhereTheyAreKnown) {
  // After one step of Lanczos' method both bounds are one number, and nothing is known.
  const LinearOperator frame(random_frame(20, 6, Rng(5)));
  EXPECT_FALSE(frame_bounds(frame, Rng(1), 1).tight());
  EXPECT_FALSE(FrameBounds{}.tight());
}

TEST(FrameBounds, OfTooFewVectorsAreZeroBelow) {
  EXPECT_EQ(frame_bounds(random_frame(3, 5, Rng(4))).lower, 0);
  EXPECT_THROW(canonical_dual(random_frame(3, 5, Rng(4))), Error);
  EXPECT_THROW(canonical_dual(Matrix::Ones(5, 2)), Error);
  EXPECT_THROW(frame_bounds(Matrix(0, 2)), Error);
}

TEST(Duals, Reconstruct) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Rng rng(seed);
    const Matrix frame = rng.normal_matrix(11, 4), free = rng.normal_matrix(11, 4);
    const Vector x = rng.normal_vector(4);
    const Matrix canonical = canonical_dual(frame);
    const Matrix other = other_dual(frame, free);
    for (const Matrix& dual : {canonical, other}) {
      EXPECT_LT((dual.transpose() * (frame * x) - x).norm(), 1e-12);
      EXPECT_LT((frame.transpose() * (dual * x) - x).norm(), 1e-12);
    }
    EXPECT_GT((canonical - other).norm(), 0.1);
    // Among all coefficients that give x, the canonical dual's are the shortest.
    EXPECT_LT((canonical * x).norm(), (other * x).norm());
    // Every dual is its own: with Z the dual itself, nothing changes.
    EXPECT_LT((other_dual(frame, other) - other).norm(), 1e-12);
    EXPECT_LT((reconstruct(LinearOperator(frame), frame * x) - x).norm(), 1e-10);
    // The dual's bounds are the inverses.
    const FrameBounds bounds = frame_bounds(frame), inverse = frame_bounds(canonical);
    EXPECT_NEAR(inverse.lower * bounds.upper, 1, 1e-12);
    EXPECT_NEAR(inverse.upper * bounds.lower, 1, 1e-12);
  }
  EXPECT_THROW(other_dual(mercedes(), Matrix::Ones(2, 2)), Error);
}

TEST(Gabor, FrameOperatorIsDiagonal) {
  const Gabor gabor{60, 5, 16, hann_window(13)};
  const LinearOperator frame = gabor_frame(gabor);
  ASSERT_EQ(frame.rows(), 12 * 16);
  EXPECT_LT(adjoint_defect(frame, Rng(5)), 1e-14);
  const Matrix f = frame.to_matrix();
  const Matrix s = f.transpose() * f;
  const Vector weights = gabor_weights(gabor);
  for (Index i = 0; i < 60; ++i) {
    for (Index j = 0; j < 60; ++j) EXPECT_NEAR(s(i, j), i == j ? weights(i % 5) : 0, 1e-13);
  }
  const FrameBounds bounds = frame_bounds(frame, Rng(6));
  EXPECT_NEAR(bounds.lower, weights.minCoeff(), 1e-9);
  EXPECT_NEAR(bounds.upper, weights.maxCoeff(), 1e-9);
}

TEST(Gabor, DualWindowReconstructs) {
  const Gabor gabor{64, 8, 32, hann_window(24)};
  const LinearOperator frame = gabor_frame(gabor), dual = gabor_frame(gabor_dual(gabor));
  const Vector x = Rng(7).normal_vector(64);
  EXPECT_LT((dual.adjoint(frame.apply(x)) - x).norm(), 1e-13);
  EXPECT_LT((frame.adjoint(dual.apply(x)) - x).norm(), 1e-13);
  EXPECT_LT((dual.to_matrix() - canonical_dual(frame.to_matrix())).norm(), 1e-12);
}

TEST(Gabor, RootOfHannAtHalfItsLengthIsTight) {
  const Gabor gabor{128, 16, 32, hann_window(32).cwiseSqrt()};
  EXPECT_TRUE(frame_bounds(gabor_frame(gabor).to_matrix()).tight());
}

TEST(Gabor, RefusesWhatIsNoFrame) {
  EXPECT_THROW(gabor_frame({60, 7, 16, hann_window(13)}), Error);   // hop does not divide
  EXPECT_THROW(gabor_frame({60, 5, 12, hann_window(13)}), Error);   // window longer than the transform
  EXPECT_THROW(gabor_frame({60, 20, 16, hann_window(13)}), Error);  // samples between windows
  EXPECT_THROW(hann_window(0), Error);
}

TEST(UndecimatedWavelets, AreATightFrameWithBoundOne) {
  const FrameBounds bounds = frame_bounds(undecimated_wavelet(16, 16, Wavelet::kDaubechies4, 2), Rng(8));
  EXPECT_TRUE(bounds.tight(1e-10));
  EXPECT_NEAR(bounds.upper, 1, 1e-12);
}

TEST(LayerFrame, InvertsActiveRows) {
  Rng rng(9);
  const Matrix weights = rng.normal_matrix(12, 4);
  const Vector bias = rng.normal_vector(12), x = rng.normal_vector(4);
  const Vector z = weights * x + bias;
  std::vector<bool> active(12);
  std::vector<Index> rows;
  for (Index i = 0; i < 12; ++i) {
    active[std::size_t(i)] = z(i) > 0;
    if (z(i) > 0) rows.push_back(i);
  }
  ASSERT_GE(rows.size(), 4u);
  const LayerFrame frame = layer_frame(weights, active);
  ASSERT_TRUE(frame.invertible);
  const Vector seen = (z.cwiseMax(0) - bias)(rows);
  EXPECT_LT((frame.inverse * seen - x).norm(), 1e-12);
  EXPECT_GT(frame.bounds.lower, 0);
}

TEST(LayerFrame, SaysWhatIsLost) {
  const Matrix weights = Rng(10).normal_matrix(6, 4);
  const LayerFrame three = layer_frame(weights, {true, false, true, true, false, false});
  EXPECT_FALSE(three.invertible);
  EXPECT_EQ(three.bounds.lower, 0);
  EXPECT_EQ(three.inverse.size(), 0);
  EXPECT_FALSE(layer_frame(weights, std::vector<bool>(6, false)).invertible);
  EXPECT_THROW(layer_frame(weights, {true}), Error);
}

}  // namespace
}  // namespace unrect
