#include "unrect/train/internal/spectral_ball.hpp"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <utility>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

TEST(SpectralBall, ClipsTheSingularValuesOfAMatrixThatItHasFollowed) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{30, 40}, {40, 30}, {3, 50}, {50, 3}}) {
    const Matrix inside = Rng(1).normal_matrix(rows, cols);
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(inside, Eigen::ComputeThinU | Eigen::ComputeThinV);
    const double bound = 1.01 * svd.singularValues()[0];
    FloatMatrix w = inside.cast<float>(), velocity = FloatMatrix::Zero(rows, cols);
    SpectralBall ball(cols, bound);
    for (int i = 0; i < 200; ++i) ball.project(w, velocity);
    EXPECT_EQ(w, inside.cast<float>().eval());
    w *= 1.3F;
    ball.project(w, velocity);
    const Matrix clipped =
        svd.matrixU() * (1.3 * svd.singularValues()).cwiseMin(bound).asDiagonal() * svd.matrixV().transpose();
    EXPECT_LT((w.cast<double>() - clipped).norm(), 1e-3 * clipped.norm()) << rows << " × " << cols;
    EXPECT_LT((velocity.cast<double>() - (clipped - 1.3 * inside)).norm(), 1e-3 * clipped.norm());
    ball.finish(w);
    EXPECT_LE(w.cast<double>().eval().jacobiSvd().singularValues()[0], bound);
  }
}

TEST(SpectralBall, GrowsWhereManyValuesReachTheBound) {
  FloatMatrix w = (3 * FloatMatrix::Identity(70, 70)), none;
  SpectralBall ball(70, 1);
  for (int i = 0; i < 40; ++i) ball.project(w, none);
  EXPECT_LT((w - FloatMatrix::Identity(70, 70)).norm(), 1e-3);
}

TEST(SpectralBall, LeavesAMatrixInsideAlone) {
  FloatMatrix w = FloatMatrix::Identity(5, 5), none;
  SpectralBall ball(5, 1.5);
  for (int i = 0; i < 5; ++i) ball.project(w, none);
  ball.finish(w);
  EXPECT_EQ(w, FloatMatrix::Identity(5, 5));
}

}  // namespace
}  // namespace unrect
