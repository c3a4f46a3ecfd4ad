// A walk on random cells: slacks stay those of the walls, wherever it goes.
#include "unrect/partition/internal/vertex_dictionary.hpp"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <algorithm>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

// Rows n·t + c ≥ 0 with 0 inside: the positive orthant's first, then the unit box's other sides, then random ones.
struct Cell {
  Matrix normals;
  Vector constants;
};

Cell random_cell(Rng& rng, Index k, Index more) {
  Cell cell{Matrix::Zero(2 * k + more, k), Vector::Ones(2 * k + more)};
  for (Index d = 0; d < k; ++d) {
    cell.normals(d, d) = 1;
    cell.constants[d] = 0;
    cell.normals(k + d, d) = -1;
  }
  for (Index i = 2 * k; i < 2 * k + more; ++i) {
    cell.normals.row(i) = rng.normal_vector(k).normalized().transpose();
    cell.constants[i] = rng.uniform(0.1, 0.8);
  }
  return cell;
}

Index padded(Index rows) {
  return (rows + VertexDictionary::kLanes - 1) / VertexDictionary::kLanes * VertexDictionary::kLanes;
}

// At the corner 0, where the first k rows vanish.
VertexDictionary at_corner(const Cell& cell, Index k) {
  VertexDictionary dictionary;
  dictionary.reset(k, padded(cell.constants.size()));
  for (Index i = 0; i < cell.constants.size(); ++i) {
    dictionary.slack(i) = cell.constants[i];
    for (Index b = 0; b < k; ++b) dictionary.column(b)[i] = cell.normals(i, b);
  }
  for (Index b = 0; b < k; ++b) dictionary.set_wall(b, b);
  return dictionary;
}

// The point where the walls of the columns meet.
Vector vertex_of(const VertexDictionary& dictionary, const Cell& cell, Index k) {
  Eigen::MatrixXd system(k, k);
  Vector right(k);
  for (Index b = 0; b < k; ++b) {
    system.row(b) = cell.normals.row(dictionary.wall(b));
    right[b] = -cell.constants[dictionary.wall(b)];
  }
  return system.partialPivLu().solve(right);
}

TEST(VertexDictionary, SlacksAreThoseOfTheWallsAtEveryVertexOfAWalk) {
  Rng rng(1);
  int least = 0;
  for (Index k = 2; k <= 10; ++k) {
    for (int round = 0; round < 10; ++round) {
      const Cell cell = random_cell(rng, k, 2 * k);
      VertexDictionary dictionary = at_corner(cell, k);
      for (Index target = 0; target < cell.constants.size(); ++target) {
        for (int step = 0; step < 200 && !dictionary.vanishes(target); ++step) {
          const Index edge = dictionary.falling(target);
          if (edge == VertexDictionary::kNone) break;
          const double before = dictionary.slack(target);
          const Index hit = dictionary.first_hit(edge);
          ASSERT_NE(hit, VertexDictionary::kNone) << "an edge of a bounded cell ends";
          ASSERT_LT(hit, cell.constants.size()) << "padding is no wall";
          dictionary.pivot(edge, hit);
          EXPECT_TRUE(dictionary.vanishes(hit));
          EXPECT_LE(dictionary.slack(target), before + 1e-12);
        }
        const Vector vertex = vertex_of(dictionary, cell, k);
        const Vector slacks = cell.normals * vertex + cell.constants;
        for (Index i = 0; i < slacks.size(); ++i) {
          EXPECT_NEAR(dictionary.slack(i), slacks[i], 1e-8);
          EXPECT_GE(slacks[i], -1e-8);
        }
        if (dictionary.vanishes(target)) continue;
        // Least here: the normal is a combination of those that vanish, with the row's entries, none negative.
        Vector normal = cell.normals.row(target).transpose();
        for (Index b = 0; b < k; ++b) {
          EXPECT_GE(dictionary.entry(target, b), -1e-9);
          normal -= dictionary.entry(target, b) * cell.normals.row(dictionary.wall(b)).transpose();
        }
        EXPECT_LT(normal.norm(), 1e-8);
        ++least;
      }
    }
  }
  EXPECT_GT(least, 100);
}

TEST(VertexDictionary, RoomIsWhatTheOtherWallsLeave) {
  Rng rng(2);
  for (Index k = 2; k <= 6; ++k) {
    const Cell cell = random_cell(rng, k, k);
    VertexDictionary dictionary = at_corner(cell, k);
    const double room = dictionary.room();
    ASSERT_GT(room, 0);
    double tightest = 1;
    for (int round = 0; round < 200; ++round) {
      Vector u(k);
      for (double& x : u) x = rng.uniform(0, 1) < 0.5 ? room : -room;
      const Vector slacks = cell.normals * u + cell.constants;
      tightest = std::min(tightest, slacks.tail(slacks.size() - k).minCoeff());
    }
    EXPECT_GE(tightest, -1e-12);
    EXPECT_LT(tightest, 0.2) << "and no less room than there is";
  }
}

}  // namespace
}  // namespace unrect
