// The bound of a vertex holds for whatever the walls may be in truth.
#include "unrect/partition/internal/vertex_solver.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

// Walls through one point, as they are in truth, and how wrong the solver is told that they are.
struct Walls {
  Vector meeting;
  Matrix normals;
  Doubt doubt;
};

Walls random_walls(Rng& rng, Index k, Index count, Doubt doubt) {
  Walls walls{Vector(k), rng.normal_matrix(count, k), doubt};
  for (double& t : walls.meeting) t = rng.uniform(-1, 1);
  return walls;
}

// Each form is handed in with an error of `share` of what the doubt allows, and solved from a point nearby.
double solve(VertexSolver& solver, const Walls& walls, double share, Rng& rng) {
  const Index k = walls.meeting.size();
  solver.begin(walls.normals.rows());
  for (Index i = 0; i < walls.normals.rows(); ++i) {
    // The gradient's error turns the wall about the meeting point; the value's moves it, to either side in turn.
    const double tilt = share * walls.doubt.gradient;
    const double shift = share * walls.doubt.error;
    double* form = solver.form(i);
    for (Index d = 0; d < k; ++d) form[d] = walls.normals(i, d);
    form[0] += tilt;
    form[k] = -walls.normals.row(i).dot(walls.meeting) - tilt * walls.meeting[0] + (i % 2 == 0 ? shift : -shift);
    solver.set_doubt(i, walls.doubt);
  }
  for (Index d = 0; d < k; ++d) solver.point()[d] = walls.meeting[d] + rng.uniform(-1e-5, 1e-5);
  return solver.solve();
}

TEST(VertexSolver, TheBoundHoldsForWallsThatAreAsWrongAsTheyMayBe) {
  Rng rng(1);
  int known = 0;
  for (int trial = 0; trial < 400; ++trial) {
    const Index k = 1 + trial % 5;
    const Index count = k + trial % 3;
    const Doubt doubt{std::pow(10.0, -6 - trial % 4), trial % 2 == 0 ? 0 : 1e-4};
    const Walls walls = random_walls(rng, k, count, doubt);
    VertexSolver solver(k, 1 + static_cast<double>(k));
    const double bound = solve(solver, walls, 1, rng);
    if (!std::isfinite(bound)) continue;
    ++known;
    const double off = (solver.point() - walls.meeting).cwiseAbs().maxCoeff();
    EXPECT_LE(off, bound) << trial;
    // On a line the bound is nearly what can happen: with less it would not hold.
    if (k == 1 && count == 1 && doubt.gradient == 0) {
      EXPECT_LE(bound, 1.02 * off + 1e-12) << trial;
    }
  }
  EXPECT_GT(known, 350);
}

TEST(VertexSolver, WhatIsExactIsFoundToAFewRoundings) {
  Rng rng(2);
  for (int trial = 0; trial < 200; ++trial) {
    const Index k = 1 + trial % 6;
    Walls walls = random_walls(rng, k, k, {0, 0});
    walls.normals += 3 * Matrix::Identity(k, k);  // far from parallel
    VertexSolver solver(k, 1 + static_cast<double>(k));
    const double bound = solve(solver, walls, 0, rng);
    const double off = (solver.point() - walls.meeting).cwiseAbs().maxCoeff();
    if (!std::isfinite(bound)) continue;
    EXPECT_LE(off, bound);
    EXPECT_GT(bound, 0);
    EXPECT_LE(off, 1e-11);
  }
}

// A wall twice, or as many times as there are dimensions, is one wall.
TEST(VertexSolver, DependentWallsHaveNoBound) {
  Rng rng(3);
  for (const Index k : {2, 3, 5}) {
    Walls walls = random_walls(rng, k, k, {1e-12, 0});
    walls.normals.row(k - 1) = -2 * walls.normals.row(0);
    VertexSolver solver(k, 1 + static_cast<double>(k));
    EXPECT_EQ(solve(solver, walls, 0, rng), std::numeric_limits<double>::infinity());
    // One more, in any direction, is enough.
    const Matrix last = rng.normal_matrix(1, k);
    walls.normals.conservativeResize(k + 1, k);
    walls.normals.row(k) = last;
    EXPECT_LT(solve(solver, walls, 0, rng), 1e-6);
  }
}

// Normals so wrong that the walls may be parallel have no meeting point that could be bounded.
TEST(VertexSolver, GradientsInDoubtHaveNoBound) {
  VertexSolver solver(1, 2);
  for (const double wrong : {0.4, 0.6}) {
    solver.begin(1);
    solver.form(0)[0] = 1;
    solver.form(0)[1] = 0;
    solver.set_doubt(0, {1e-9, wrong});
    solver.point()[0] = 0;
    EXPECT_EQ(std::isfinite(solver.solve()), wrong < 0.5);
  }
}

}  // namespace
}  // namespace unrect
