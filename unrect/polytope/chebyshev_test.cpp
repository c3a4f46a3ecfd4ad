#include "unrect/polytope/chebyshev.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/exact.hpp"

namespace unrect {
namespace {

Box cube(Index n, double low, double high) { return {Vector::Constant(n, low), Vector::Constant(n, high)}; }

TEST(ChebyshevBall, UnitCubeHasRadiusHalf) {
  for (Index n = 1; n <= 12; ++n) {
    for (const Ball& ball : {chebyshev_ball(Halfspaces(cube(n, 0, 1))),
                             chebyshev_ball(Halfspaces(Matrix(0, n), Vector(0)), cube(n, 0, 1))}) {
      EXPECT_EQ(ball.status, BallStatus::kBall);
      EXPECT_NEAR(ball.radius, 0.5, 1e-12);
      EXPECT_TRUE(ball.center.isApprox(Vector::Constant(n, 0.5), 1e-12));
    }
  }
}

TEST(ChebyshevBall, StandardSimplex) {
  for (Index n = 1; n <= 12; ++n) {
    Matrix normals(n + 1, n);
    normals << -Matrix::Identity(n, n), Matrix::Ones(1, n);
    const double size = static_cast<double>(n);
    const Ball ball = chebyshev_ball(Halfspaces(normals, Vector::Unit(n + 1, n)));
    EXPECT_EQ(ball.status, BallStatus::kBall);
    EXPECT_NEAR(ball.radius, 1 / (size + std::sqrt(size)), 1e-12);
  }
}

TEST(ChebyshevBall, DoesNotDependOnTheRowsScale) {
  Halfspaces cell(cube(3, 0, 1));
  cell.normals.row(0) *= 1e6;
  cell.offsets[0] *= 1e6;
  cell.normals.row(1) *= 1e-6;
  cell.offsets[1] *= 1e-6;
  EXPECT_NEAR(chebyshev_ball(cell).radius, 0.5, 1e-9);
}

TEST(ChebyshevBall, UnboundedCells) {
  EXPECT_EQ(chebyshev_ball(Halfspaces(Matrix(0, 2), Vector(0))).status, BallStatus::kUnbounded);
  const Halfspaces far_cone(Matrix{{-1, 0}, {0, -1}}, Vector{{-1000, -1}});
  const Ball cone = chebyshev_ball(far_cone);
  EXPECT_EQ(cone.status, BallStatus::kUnbounded);
  EXPECT_TRUE(far_cone.contains(cone.center, -cone.radius * (1 - 1e-9)));
  const Ball strip = chebyshev_ball(Halfspaces(Matrix{{1, 0}, {-1, 0}}, Vector{{1, 1}}));
  EXPECT_EQ(strip.status, BallStatus::kBall);  // unbounded, but its balls are not
  EXPECT_NEAR(strip.radius, 1, 1e-12);
  EXPECT_LE(strip.center.norm(), 10);
}

TEST(ChebyshevBall, ZeroRows) {
  Halfspaces cell = intersect(Halfspaces(cube(2, 0, 1)), Halfspaces(Matrix{{0, 0}, {0, 0}}, Vector{{0, 3}}));
  EXPECT_NEAR(chebyshev_ball(cell).radius, 0.5, 1e-12);
  cell.offsets[5] = -1e-300;
  const Ball ball = chebyshev_ball(cell);
  EXPECT_EQ(ball.status, BallStatus::kEmpty);
  EXPECT_TRUE(verify_farkas(cell, ball.farkas));
}

TEST(ChebyshevBall, FlatAndNearlyFlatAreToldApartExactly) {
  const Matrix normals{{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  const double third = 1.0 / 3;
  const auto status = [&](double low, double high) {
    return chebyshev_ball(Halfspaces(normals, Vector{{high, -low, 1, 1}})).status;
  };
  EXPECT_EQ(status(third, third), BallStatus::kFlat);
  EXPECT_EQ(status(third, std::nextafter(third, 1)), BallStatus::kBall);
  EXPECT_EQ(status(std::nextafter(third, 1), third), BallStatus::kEmpty);
}

TEST(ChebyshevBall, EmptyCellsComeWithAProof) {
  // x ≥ 1, y ≥ 1, x + y ≤ 1: y = (1, 1, 1) by hand.
  const Halfspaces cell(Matrix{{-1, 0}, {0, -1}, {1, 1}}, Vector{{-1, -1, 1}});
  const Ball ball = chebyshev_ball(cell);
  ASSERT_EQ(ball.status, BallStatus::kEmpty);
  EXPECT_TRUE(verify_farkas(cell, ball.farkas));
  EXPECT_TRUE((ball.farkas / ball.farkas[0]).isApprox(Vector::Ones(3), 1e-9));
  // x + y ≥ 3 misses the unit square: the box's rows are part of the proof.
  const Halfspaces beyond(Matrix{{-1, -1}}, Vector{{-3}});
  const Ball boxed = chebyshev_ball(beyond, cube(2, 0, 1));
  ASSERT_EQ(boxed.status, BallStatus::kEmpty);
  EXPECT_TRUE(verify_farkas(intersect(beyond, Halfspaces(cube(2, 0, 1))), boxed.farkas));
}

TEST(VerifyFarkas, RepairsRoundingAndRefusesNonsense) {
  const Halfspaces cell(Matrix{{-1, 0}, {0, -1}, {1, 1}}, Vector{{-1, -1, 1}});
  EXPECT_TRUE(verify_farkas(cell, Vector{{1, 1, 1}}));
  EXPECT_TRUE(verify_farkas(cell, Vector{{0.3, 0.30000001, 0.29}}));
  EXPECT_FALSE(verify_farkas(cell, Vector{{1, 1, 0}}));
  Halfspaces open = cell;
  open.offsets[2] = 2;  // the point (1, 1) is left
  EXPECT_FALSE(verify_farkas(open, Vector{{1, 1, 1}}));
  EXPECT_THROW(verify_farkas(cell, Vector{{1, 1}}), Error);
  EXPECT_THROW(verify_farkas(cell, Vector{{1, -1, 1}}), Error);
}

TEST(SignOfAffine, FollowsTheExactValue) {
  const double third = 1.0 / 3;
  EXPECT_EQ(sign_of_affine(Vector{{3}}, -1, Vector{{third}}), -1);  // 3 · fl(1/3) < 1, though it rounds to 1
  EXPECT_EQ(sign_of_affine(Vector{{1, 1}}, -1, Vector{{0x1p-60, 1}}), 1);
  EXPECT_EQ(sign_of_affine(Vector{{1, -1}}, 0, Vector{{0.1, 0.1}}), 0);
  EXPECT_EQ(sign_of_affine(Vector{{1e-200}}, 0, Vector{{1e-200}}), 1);  // underflows in doubles
  EXPECT_EQ(sign_of_affine(Vector{{2, 3}}, -1, Vector{{1, 1}}), 1);
}

TEST(FarkasAlternative, EitherSideIsACertificate) {
  const Rng root(4);
  int inside = 0;
  for (int c = 0; c < 400; ++c) {
    Rng rng = root.split(static_cast<std::uint64_t>(c));
    const Index d = 1 + rng.below(6);
    const Index k = rng.below(12);
    Matrix g(k, d);
    Vector target(d);
    for (Index i = 0; i < g.size(); ++i) g.data()[i] = static_cast<double>(rng.below(7) - 3);
    for (double& t : target) t = static_cast<double>(rng.below(7) - 3);
    const FarkasAlternative answer = farkas_alternative(g, target);
    if (answer.in_cone) {
      ++inside;
      EXPECT_TRUE((answer.multipliers.array() >= 0).all());
      EXPECT_LE((g.transpose() * answer.multipliers - target).cwiseAbs().maxCoeff(), 1e-12);
    } else {
      EXPECT_GT(target.dot(answer.direction), 1e-9);
      EXPECT_TRUE(((g * answer.direction).array() <= 1e-12).all());
    }
  }
  EXPECT_GT(inside, 80);
  EXPECT_LT(inside, 320);
}

// Most walls are near, one is far: the first box holds no point of the cell.
TEST(ChebyshevBall, AFarConeIsNotTakenForEmpty) {
  const Halfspaces cell(Matrix{{-1, 0}, {0, -1}, {0, -1}, {0, -1}, {0, -1}}, Vector{{-1e6, 0, 1, 2, 1}});
  const Ball ball = chebyshev_ball(cell);
  EXPECT_EQ(ball.status, BallStatus::kUnbounded);
  EXPECT_GT(ball.radius, 0);
  EXPECT_TRUE(cell.contains(ball.center, -ball.radius * (1 - 1e-9)));
}

}  // namespace
}  // namespace unrect
