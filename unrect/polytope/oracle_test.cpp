// Balls, emptiness and facets of thousands of random cells against Clp and cddlib; rationals settle what differs.
#include <gmp.h>

#include <ClpSimplex.hpp>
#include <CoinPackedMatrix.hpp>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#define GMPRATIONAL
#include <cddlib/setoper.h>

#include <cddlib/cdd.h>
#include <cddlib/cdd_f.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unrect/base/rng.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/polytope/facets.hpp"

namespace unrect {
namespace {

enum class Kind { kRandom, kInteger, kCopies, kZeroRows, kCone, kTouching, kEmpty, kFlat, kCount };

Matrix integers(Rng& rng, Index rows, Index cols, Index largest) {
  return Matrix::NullaryExpr(rows, cols, [&] { return static_cast<double>(rng.below(2 * largest + 1) - largest); });
}

void append(Halfspaces& cell, const VectorRef& normal, double offset) {
  Matrix row(1, cell.dimension());
  row.row(0) = normal.transpose();
  cell = intersect(cell, Halfspaces(std::move(row), Vector::Constant(1, offset)));
}

Halfspaces random_cell(Rng& rng, Index n, Index m) {
  const Vector center = rng.normal_vector(n);
  Matrix normals = rng.normal_matrix(m, n);
  Vector offsets = normals * center;
  for (Index i = 0; i < m; ++i) offsets[i] += normals.row(i).norm() * rng.uniform(0.1, 1.0);
  return {normals, offsets};
}

Halfspaces integer_cell(Rng& rng, Index n, Index m) {
  Vector offsets(m);
  for (Index i = 0; i < m; ++i) offsets[i] = static_cast<double>(rng.below(4));
  return {integers(rng, m, n, 2), offsets};
}

Halfspaces make(Kind kind, Rng& rng, Index n, Index m) {
  const Index half = std::max<Index>(1, m / 2);
  switch (kind) {
    case Kind::kInteger:
      return integer_cell(rng, n, m);
    case Kind::kCopies: {
      Halfspaces cell = rng.below(2) == 0 ? random_cell(rng, n, half) : integer_cell(rng, n, half);
      while (cell.size() < m) {
        const Index i = rng.below(half);
        const double scale = std::ldexp(1.0, static_cast<int>(rng.below(7)) - 3);
        const double slack = rng.below(2) == 0 ? 0 : 1;
        append(cell, scale * cell.normals.row(i).transpose(), scale * (cell.offsets[i] + slack));
      }
      return cell;
    }
    case Kind::kZeroRows: {
      Halfspaces cell = random_cell(rng, n, m);
      for (Index i = 0; i < m; i += 3) {
        cell.normals.row(i).setZero();
        cell.offsets[i] = static_cast<double>(rng.below(2));
      }
      if (rng.below(8) == 0) cell.offsets[0] = -1;
      return cell;
    }
    case Kind::kCone: {
      const Vector inside = rng.normal_vector(n);
      Matrix normals = rng.below(2) == 0 ? integers(rng, m, n, 2) : rng.normal_matrix(m, n);
      for (Index i = 0; i < m; ++i) {
        if (normals.row(i).dot(inside) > 0) normals.row(i) *= -1;
      }
      return {normals, Vector::Zero(m)};
    }
    case Kind::kTouching: {
      Halfspaces cell(Box(Vector::Constant(n, -1), Vector::Ones(n)));
      while (cell.size() < std::max(m, 2 * n)) {  // through a face of the cube, from a vertex up to a facet
        Vector normal = integers(rng, 1, n, 1).row(0).transpose();
        append(cell, normal, normal.lpNorm<1>());
      }
      return cell;
    }
    case Kind::kEmpty: {
      Halfspaces cell = integer_cell(rng, n, half);
      const Vector weights = integers(rng, half, 1, 1).cwiseAbs().col(0);
      append(cell, -(cell.normals.transpose() * weights), -cell.offsets.dot(weights) - 1);
      while (cell.size() < m) append(cell, rng.normal_vector(n), rng.uniform(0, 2));
      return cell;
    }
    case Kind::kFlat: {
      Halfspaces cell = integer_cell(rng, n, half);
      const Vector weights = integers(rng, half, 1, 1).cwiseAbs().col(0);
      append(cell, -(cell.normals.transpose() * weights), -cell.offsets.dot(weights));
      while (cell.size() < m) append(cell, integers(rng, 1, n, 1).row(0).transpose(), 1);
      return cell;
    }
    default:
      return random_cell(rng, n, m);
  }
}

// max r by Clp, r ≤ 1e6: NaN if infeasible.
double clp_radius(const Halfspaces& cell) {
  const Index n = cell.dimension();
  const Index m = cell.size();
  CoinPackedMatrix matrix(false, 0, 0);
  matrix.setDimensions(0, static_cast<int>(n + 1));
  std::vector<int> index(n + 1);
  for (Index j = 0; j <= n; ++j) index[j] = static_cast<int>(j);
  for (Index i = 0; i < m; ++i) {
    Vector row(n + 1);
    row << cell.normals.row(i).transpose(), cell.normals.row(i).norm();
    matrix.appendRow(static_cast<int>(n + 1), index.data(), row.data());
  }
  Vector lower = Vector::Constant(n + 1, -COIN_DBL_MAX);
  Vector upper = Vector::Constant(n + 1, COIN_DBL_MAX);
  lower[n] = 0;
  upper[n] = 1e6;
  const Vector cost = -Vector::Unit(n + 1, n);
  const Vector row_lower = Vector::Constant(m, -COIN_DBL_MAX);
  ClpSimplex clp;
  clp.setLogLevel(0);
  clp.setPrimalTolerance(1e-9);
  clp.loadProblem(matrix, lower.data(), upper.data(), cost.data(), row_lower.data(), cell.offsets.data());
  clp.dual();
  if (clp.status() != 0) clp.primal();
  return clp.status() == 0 ? clp.primalColumnSolution()[n] : std::nan("");
}

// cddlib's irredundant rows, in floating point.
std::vector<Index> cdd_facets(const Halfspaces& cell) {
  ddf_MatrixPtr matrix = ddf_CreateMatrix(cell.size(), cell.dimension() + 1);
  matrix->representation = ddf_Inequality;
  for (Index i = 0; i < cell.size(); ++i) {
    ddf_set_d(matrix->matrix[i][0], cell.offsets[i]);
    for (Index j = 0; j < cell.dimension(); ++j) ddf_set_d(matrix->matrix[i][j + 1], -cell.normals(i, j));
  }
  ddf_ErrorType error = ddf_NoError;
  ddf_rowset redundant = ddf_RedundantRows(matrix, &error);
  std::vector<Index> rows;
  for (Index i = 0; i < cell.size(); ++i) {
    if (!set_member(i + 1, redundant)) rows.push_back(i);
  }
  set_free(redundant);
  ddf_FreeMatrix(matrix);
  return error == ddf_NoError ? rows : std::vector<Index>{};
}

dd_MatrixPtr rational_matrix(const Halfspaces& cell, const std::vector<Index>& rows) {
  dd_MatrixPtr matrix = dd_CreateMatrix(static_cast<dd_rowrange>(rows.size()), cell.dimension() + 1);
  matrix->representation = dd_Inequality;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    dd_set_d(matrix->matrix[i][0], cell.offsets[rows[i]]);
    for (Index j = 0; j < cell.dimension(); ++j) dd_set_d(matrix->matrix[i][j + 1], -cell.normals(rows[i], j));
  }
  return matrix;
}

// Whether row i of those listed is redundant, by cddlib in rationals.
bool is_redundant_exactly(const Halfspaces& cell, const std::vector<Index>& rows, Index i) {
  dd_MatrixPtr matrix = rational_matrix(cell, rows);
  dd_Arow certificate;
  dd_InitializeArow(cell.dimension() + 1, &certificate);
  dd_ErrorType error = dd_NoError;
  const bool redundant = dd_Redundant(matrix, i + 1, certificate, &error) != 0;
  EXPECT_EQ(error, dd_NoError);
  dd_FreeArow(cell.dimension() + 1, certificate);
  dd_FreeMatrix(matrix);
  return redundant;
}

// Empty, flat or with an interior, by cddlib in rationals.
BallStatus status_exactly(const Halfspaces& cell) {
  std::vector<Index> rows(cell.size());
  for (Index i = 0; i < cell.size(); ++i) rows[i] = i;
  dd_MatrixPtr matrix = rational_matrix(cell, rows);
  dd_rowset implicit = nullptr, basis = nullptr;
  dd_ErrorType error = dd_NoError;
  BallStatus status = BallStatus::kBall;
  dd_LPSolutionPtr solution = nullptr;
  dd_rowset equalities;
  set_initialize(&equalities, cell.size());
  if (!dd_ExistsRestrictedFace(matrix, equalities, equalities, &error)) {
    status = BallStatus::kEmpty;
  } else if (dd_FindRelativeInterior(matrix, &implicit, &basis, &solution, &error)) {
    status = BallStatus::kBall;
    for (Index i = 0; i < cell.size(); ++i) {  // a zero row with b = 0 is an equality that bounds nothing
      if (implicit != nullptr && set_member(i + 1, implicit) && !cell.normals.row(i).isZero(0)) {
        status = BallStatus::kFlat;
      }
    }
  }
  if (implicit != nullptr) set_free(implicit);
  if (basis != nullptr) set_free(basis);
  set_free(equalities);
  if (solution != nullptr) dd_FreeLPSolution(solution);
  dd_FreeMatrix(matrix);
  return status;
}

class Oracle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dd_set_global_constants();
    ddf_set_global_constants();
  }
};

TEST_F(Oracle, BallsAndFacetsOfRandomCells) {
  const char* wanted = std::getenv("UNRECT_ORACLE_CASES");
  const Index cases = wanted != nullptr ? std::atol(wanted) : 2000;
  std::map<std::string, int> count;
  const Rng root(20240607);
  for (Index c = 0; c < cases; ++c) {
    Rng rng = root.split(static_cast<std::uint64_t>(c));
    const Index n = 1 + rng.below(20);
    const double largest = std::log(n <= 10 ? 300.0 : 100.0);
    const Index m = static_cast<Index>(std::exp(rng.uniform(std::log(2.0), c % 100 == 0 ? std::log(300.0) : largest)));
    const Kind kind = rng.below(3) != 0 ? Kind::kRandom : static_cast<Kind>(1 + rng.below(7));
    const std::string name = fmt::format("case {}: n = {}, m = {}, kind {}", c, n, m, static_cast<int>(kind));
    SCOPED_TRACE(name);
    const Halfspaces open = make(kind, rng, n, m);
    std::optional<Box> box;
    if (rng.below(2) == 0) box.emplace(Vector::Constant(n, -3), Vector::Constant(n, 3));
    const Halfspaces cell = box ? intersect(open, Halfspaces(*box)) : open;

    const Ball ball = box ? chebyshev_ball(open, *box) : chebyshev_ball(open);
    ++count[std::string(to_string(ball.status))];
    const double radius = clp_radius(cell);
    bool agrees = false;
    switch (ball.status) {
      case BallStatus::kBall:
        agrees = std::abs(radius - ball.radius) <= 1e-7 * (1 + ball.radius);
        EXPECT_TRUE(cell.contains(ball.center, -ball.radius * (1 - 1e-6)));
        break;
      case BallStatus::kUnbounded:
        agrees = radius > 1e5;
        break;
      case BallStatus::kFlat:
        agrees = radius < 1e-7;
        break;
      case BallStatus::kEmpty:
        agrees = std::isnan(radius);
        EXPECT_TRUE(verify_farkas(cell, ball.farkas));
        break;
    }
    if (!agrees) {
      ++count["ball settled in rationals"];
      const BallStatus exact = status_exactly(cell);
      EXPECT_EQ(exact, ball.status == BallStatus::kUnbounded ? BallStatus::kBall : ball.status)
          << to_string(ball.status) << ", radius " << ball.radius << ", Clp " << radius;
      if (exact == BallStatus::kBall && ball.status == BallStatus::kBall) {
        EXPECT_GE(ball.radius, radius * (1 - 1e-7)) << radius;
      }
    }
    if (ball.status != BallStatus::kBall && ball.status != BallStatus::kUnbounded) continue;

    FacetOptions options;
    options.box = box;
    options.box_faces = true;
    const std::vector<Facet> ours = facets(open, ball.center, options);
    count["facets"] += static_cast<int>(ours.size());
    std::vector<Index> group(cell.size(), -1);
    std::vector<Index> representatives;
    for (const Facet& facet : ours) {
      for (const Index row : facet.rows) group[row] = static_cast<Index>(representatives.size());
      representatives.push_back(facet.rows.front());
      const Vector slack = cell.slacks(facet.witness);
      for (Index i = 0; i < cell.size(); ++i) {
        if (group[i] == static_cast<Index>(representatives.size()) - 1) {
          EXPECT_LE(std::abs(slack[i]), 1e-9 * (1 + facet.witness.norm()) * (1 + cell.normals.row(i).norm()));
        } else if (!cell.normals.row(i).isZero(0)) {
          EXPECT_GT(slack[i], 0) << "row " << i << " at the witness of facet " << facet.rows.front();
        }
      }
    }
    std::set<Index> theirs;
    bool same = true;
    for (const Index row : cdd_facets(cell)) {
      same = same && group[row] >= 0 && theirs.insert(group[row]).second;
    }
    if (same && theirs.size() == ours.size()) continue;
    ++count["facets settled in rationals"];
    for (std::size_t i = 0; i < representatives.size(); ++i) {
      EXPECT_FALSE(is_redundant_exactly(cell, representatives, static_cast<Index>(i)))
          << "row " << representatives[i] << " is no facet";
    }
    for (Index row = 0; row < cell.size(); ++row) {
      if (group[row] >= 0) continue;
      std::vector<Index> rows = representatives;
      rows.push_back(row);
      EXPECT_TRUE(is_redundant_exactly(cell, rows, static_cast<Index>(rows.size()) - 1)) << "row " << row;
    }
  }
  std::string summary = fmt::format("{} cells", cases);
  for (const auto& [what, times] : count) summary += fmt::format(", {} {}", times, what);
  fmt::print("{}\n", summary);
  RecordProperty("summary", summary);
}

}  // namespace
}  // namespace unrect
