#include "unrect/sensing/consistency.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect {
namespace {

// x = c + 0 y: a decoder that does not look.
Network constant(Index inputs, const Vector& c) { return Network::chain({Matrix::Zero(c.size(), inputs)}, {c}); }

TEST(Consistency, IsTheNearestPointThatMeetsWhatWasMeasured) {
  const Matrix phi = Rng(1).normal_matrix(3, 8) / 3;
  const Vector truth = Vector::Constant(8, 0.5) + 0.05 * Rng(2).normal_vector(8), guess = Vector::Constant(8, 0.5);
  const Vector y = phi * truth;
  const Vector found = evaluate(consistent(constant(3, guess), phi), y);
  EXPECT_LT((phi * found - y).norm(), 1e-12);
  // Nearest: what was added is in the range of Φᵀ, so nothing that Φ does not see has changed.
  const Vector unseen = (truth - guess) - phi.transpose() * (phi * phi.transpose()).ldlt().solve(phi * (truth - guess));
  EXPECT_NEAR(unseen.dot(found - guess), 0, 1e-12);
  EXPECT_GT((found - guess).norm(), 1e-3);
}

TEST(Consistency, CutsToPixels) {
  const Matrix phi = Matrix::Identity(2, 3);
  const Vector found = evaluate(consistent(constant(2, Vector::Zero(3)), phi), Eigen::Vector2d(2, -1));
  EXPECT_EQ(found, Eigen::Vector3d(1, 0, 0));
}

TEST(Consistency, RoundsComeNearerToBoth) {
  const Matrix phi = Rng(4).normal_matrix(3, 8) / 3;
  const Vector truth = (Rng(5).normal_vector(8).array() > 0).cast<double>();  // cuts at both ends
  const Vector y = phi * truth;
  const Network guess = constant(3, Vector::Constant(8, 0.5));
  const double once = (phi * evaluate(consistent(guess, phi), y) - y).norm();
  const double often = (phi * evaluate(consistent(guess, phi, 20), y) - y).norm();
  EXPECT_GT(once, 1e-3);
  EXPECT_LT(often, 0.1 * once);
  EXPECT_THROW(consistent(guess, phi, 0), Error);
}

TEST(Consistency, NamesWhatKnowsTheOperator) {
  const Matrix phi = Rng(1).normal_matrix(3, 8);
  const Network plain = constant(3, Vector::Zero(8));
  EXPECT_TRUE(consistency_nodes(plain, phi).empty());
  const Network met = consistent(plain, phi);
  EXPECT_EQ(consistency_nodes(met, phi).size(), 2U);
  EXPECT_TRUE(consistency_nodes(met, 1.001 * phi).empty());
  // As they come back from a file.
  const Network again = parse_onnx(format_onnx(met, ExportPrecision::kFloat32), "met", {.fold = false});
  EXPECT_EQ(consistency_nodes(again, phi).size(), 2U);
  EXPECT_THROW(consistent(plain, phi.transpose()), Error);
}

}  // namespace
}  // namespace unrect
