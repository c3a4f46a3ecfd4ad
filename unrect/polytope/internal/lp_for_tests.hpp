// What tests of linear programs share.
#pragma once

#include <gtest/gtest.h>

#include "unrect/polytope/halfspaces.hpp"
#include "unrect/polytope/lp.hpp"

namespace unrect {

/// |x_j| ≤ half.
inline Box box_of(Index n, double half) { return {Vector::Constant(n, -half), Vector::Constant(n, half)}; }

/// The multipliers of a program that is infeasible say so: y ≥ 0 and, for every x of the box, y·(G x − h) > 0.
inline void expect_farkas(const Halfspaces& rows, const Box& box, const LpResult& result) {
  ASSERT_EQ(result.status, LpStatus::kInfeasible);
  EXPECT_GE(result.row_duals.minCoeff(), 0);
  const Vector r = rows.normals.transpose() * result.row_duals;
  const double least = r.cwiseMax(0).dot(box.lower) + r.cwiseMin(0).dot(box.upper);
  EXPECT_GT(least, rows.offsets.dot(result.row_duals));
}

}  // namespace unrect
