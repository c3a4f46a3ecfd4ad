#include "unrect/polytope/facets.hpp"

#include <gmpxx.h>
#include <gtest/gtest.h>

#include <Eigen/LU>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/internal/lp_for_tests.hpp"

namespace unrect {
namespace {

using Rows = std::vector<Index>;

std::vector<Rows> rows_of(const std::vector<Facet>& facets) {
  std::vector<Rows> result;
  result.reserve(facets.size());
  for (const Facet& facet : facets) result.push_back(facet.rows);
  return result;
}

TEST(Facets, RowsThatOnlyTouchAreNone) {
  // The square, a row through its vertex (1, 1), one along its side x = 1, one far off and one that is zero.
  const Halfspaces cell =
      intersect(Halfspaces(box_of(2, 1)), Halfspaces(Matrix{{1, 1}, {3, 0}, {1, 2}, {0, 0}}, Vector{{2, 3, 9, 0}}));
  EXPECT_EQ(rows_of(facets(cell, Vector{{0.2, -0.1}})), (std::vector<Rows>{{0, 5}, {1}, {2}, {3}}));
}

TEST(Facets, ParallelRowsKeepTheNearest) {
  const Halfspaces cell(Matrix{{1, 0}, {2, 0}, {1, 0}, {-1, 0}}, Vector{{1, 1, 1.0 + 1e-15, 0}});
  EXPECT_EQ(rows_of(facets(cell, Vector{{0.25, 7}})), (std::vector<Rows>{{1}, {3}}));
}

TEST(Facets, OfUnboundedCellsNearAndFar) {
  const Halfspaces half_line(Matrix{{-1}}, Vector{{0}});
  EXPECT_EQ(rows_of(facets(half_line, Vector{{1}})), (std::vector<Rows>{{0}}));
  // y ≥ 0 and two rows that meet it at x = 1e7: the second cuts, the third touches there exactly.
  const Halfspaces wedge(Matrix{{0, -1}, {1, 1}, {1, 2}}, Vector{{0, 1e7, 1e7}});
  EXPECT_EQ(rows_of(facets(wedge, Vector{{0, 1}})), (std::vector<Rows>{{0}, {2}}));
  // Slope 1e-7: crosses y = 0 far beyond what floating point is asked to look at.
  const Halfspaces slow(Matrix{{0, -1}, {1e-9, -1}}, Vector{{0, 1}});
  EXPECT_EQ(rows_of(facets(slow, Vector{{0, 1}})), (std::vector<Rows>{{0}, {1}}));
  EXPECT_TRUE(facets(Halfspaces(Matrix(0, 2), Vector(0)), Vector{{0, 0}}).empty());
}

TEST(Facets, ConesThroughTheOrigin) {
  const Index n = 4;
  Rng rng(8);
  // The positive orthant and sums of its rows: all through the origin, none of the sums a facet.
  Matrix normals(44, n);
  normals.topRows(n) = -Matrix::Identity(n, n);
  for (Index i = n; i < normals.rows(); ++i) normals.row(i) = -rng.uniform_vector(n, 0.1, 1).transpose();
  normals.row(10) << -1, -1, 0, 0;  // touches along a face
  const std::vector<Facet> found = facets(Halfspaces(normals, Vector::Zero(44)), Vector{{1, 2, 3, 4}});
  EXPECT_EQ(rows_of(found), (std::vector<Rows>{{0}, {1}, {2}, {3}}));
}

TEST(Facets, BoxFacesOnlyIfAsked) {
  const Halfspaces cell(Matrix{{1, 1}, {1, 0}}, Vector{{1, 1}});
  FacetOptions options;
  options.box = box_of(2, 1);
  EXPECT_EQ(rows_of(facets(cell, Vector{{-0.5, -0.5}}, options)), (std::vector<Rows>{{0}, {1}}));
  options.box_faces = true;
  EXPECT_EQ(rows_of(facets(cell, Vector{{-0.5, -0.5}}, options)), (std::vector<Rows>{{0}, {1, 2}, {3}, {4}, {5}}));
}

TEST(Facets, WitnessesAreInTheRelativeInterior) {
  Rng rng(21);
  const Halfspaces cell(rng.normal_matrix(120, 6), rng.uniform_vector(120, 0.5, 3));
  for (const Facet& facet : facets(cell, Vector::Zero(6))) {
    const Vector slack = cell.slacks(facet.witness);
    for (Index i = 0; i < cell.size(); ++i) {
      if (i == facet.rows.front()) {
        EXPECT_NEAR(slack[i], 0, 1e-12);
      } else {
        EXPECT_GT(slack[i], 0);
      }
    }
  }
}

TEST(Facets, NeedAnInteriorPoint) {
  EXPECT_THROW(facets(Halfspaces(box_of(2, 1)), Vector{{1, 0}}), Error);
  EXPECT_THROW(facets(Halfspaces(box_of(2, 1)), Vector{{0, 0, 0}}), Error);
}

// {y ≥ 0, 10⁻¹² x − y ≤ 1}: the second wall cuts off a wedge that begins at x = 10¹².
TEST(Facets, AFarFacetOfAnUnboundedCellIsFound) {
  const Halfspaces cell((Matrix(2, 2) << 0, -1, 1e-12, -1).finished(), Eigen::Vector2d(0, 1));
  EXPECT_EQ(facets(cell, Eigen::Vector2d(0, 1)).size(), 2u);
}

// {x, y, z ≥ 0} and x + y ≥ ε z: for every ε > 0 a facet, that cuts off the edge x = y = 0; for ε ≤ 0 none.
TEST(Facets, OfAConeAreToldFromTouchingRowsExactly) {
  for (const double tilt : {1e-15, 1e-30, 1e-300, 0.0, -1e-15}) {
    Halfspaces cone(Matrix{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}, {-1, -1, tilt}}, Vector::Zero(4));
    EXPECT_EQ(facets(cone, Vector{{1, 1, 1}}).size(), tilt > 0 ? 4u : 3u) << tilt;
  }
}

// The square's corner (1, 1) is cut off by next to nothing, after a row that is behind that corner has been decided.
TEST(Facets, ARowThatCutsALittleIsNotBehindTheBasisOfAnother) {
  for (const double depth : {1e-9, 1e-12, 4e-16, 0.0}) {
    const Halfspaces cell =
        intersect(Halfspaces(box_of(2, 1)), Halfspaces(Matrix{{1, 0.5}, {1, 1}}, Vector{{1.501, 2 - depth}}));
    EXPECT_EQ(facets(cell, Vector{{0.2, -0.1}}).size(), depth > 0 ? 5u : 4u) << depth;
  }
}

// Three walls of a cone, and a fourth row that is the sum of two of them but for its rounding: it cuts off the edge of
// those two where the third wall's share of it is below 0, be it by 10⁻¹⁷.
TEST(Facets, OfAConeAreToldFromRowsThatTouchWithinRounding) {
  const auto triple = [](const Matrix& m, Index i, Index j, Index k) -> mpq_class {  // the determinant
    const auto at = [&](Index row, Index column) { return mpq_class(m(row, column)); };
    return at(i, 0) * (at(j, 1) * at(k, 2) - at(j, 2) * at(k, 1)) -
           at(i, 1) * (at(j, 0) * at(k, 2) - at(j, 2) * at(k, 0)) +
           at(i, 2) * (at(j, 0) * at(k, 1) - at(j, 1) * at(k, 0));
  };
  int cut = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    Matrix normals(4, 3);
    normals.topRows(3) = rng.normal_matrix(3, 3);
    normals.row(3) = rng.uniform(0.1, 1) * normals.row(0) + rng.uniform(0.1, 1) * normals.row(1);
    const bool facet = triple(normals, 0, 1, 3) * triple(normals, 0, 1, 2) < 0;
    const Vector inside = normals.topRows(3).partialPivLu().solve(-Vector::Ones(3));
    EXPECT_EQ(facets(Halfspaces(normals, Vector::Zero(4)), inside).size(), facet ? 4u : 3u) << "seed " << seed;
    cut += facet;
  }
  EXPECT_GT(cut, 20);
}

// x ≥ 1 and x ≥ 2, seen from 4·10¹⁵ where doubles are one apart: the second is the facet.
TEST(Facets, ParallelRowsAreToldApartFromAFarInteriorPoint) {
  const Halfspaces cell(Matrix{{-0.1, 0}, {-0.1, 0}, {0.2, -0.2}}, Vector{{-0.1, -0.2, -0.4}});
  const Vector far{{0x1p52, 0x1p53 + 0x1p51}};
  ASSERT_GT(cell.slacks(far).minCoeff(), 0);
  std::vector<Index> rows;
  for (const Facet& facet : facets(cell, far)) {
    ASSERT_EQ(facet.rows.size(), 1U);
    rows.push_back(facet.rows[0]);
  }
  EXPECT_EQ(rows, (std::vector<Index>{1, 2}));
}

}  // namespace
}  // namespace unrect
