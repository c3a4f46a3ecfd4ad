// Every way to add columns gives the product.
#include "unrect/forms/internal/forms.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "unrect/base/internal/at.hpp"
#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

Link sparse_link(const Matrix& m) {
  Link link;
  link.start.push_back(0);
  for (Index j = 0; j < m.cols(); ++j) {
    for (Index i = 0; i < m.rows(); ++i) {
      if (m(i, j) == 0) continue;
      link.row.push_back(i);
      link.weight.push_back(m(i, j));
    }
    link.start.push_back(static_cast<Index>(link.row.size()));
  }
  link.tiles = Tiles(link.start, link.row, link.weight, m.rows());
  return link;
}

Link dense_link(const Matrix& m) {
  Link link;
  link.columns = Matrix::Zero(m.cols(), (m.rows() + Forms::kLane - 1) / Forms::kLane * Forms::kLane);
  link.columns.leftCols(m.rows()) = m.transpose();
  return link;
}

Forms random_forms(Index k, Index size, Rng& rng) {
  Forms forms(k, size);
  for (Index d = 0; d <= k; ++d) {
    for (Index i = 0; i < size; ++i) forms.row(d)[i] = rng.normal();
  }
  return forms;
}

std::vector<Index> shuffled(Index size, Rng& rng) {
  std::vector<Index> order(at(size));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index i = size; i > 1; --i) std::swap(order[at(i - 1)], order[at(rng.below(i))]);
  return order;
}

void expect_product(const Matrix& m, const Link& link, Rng& rng, const std::string& what) {
  for (Index k = 1; k <= 9; ++k) {
    LastProduct last;
    for (const Index count : {Index{0}, Index{3}, m.cols() / 2, m.cols()}) {
      std::vector<Index> active = shuffled(m.cols(), rng);
      active.resize(at(count));
      const Forms a = random_forms(k, m.cols(), rng);
      const Forms base = random_forms(k, m.rows(), rng);
      Forms out(k, m.rows());
      add_columns(link, active, a, base, out, last);
      Forms in_place = base;
      LastProduct none;
      add_columns(link, active, a, in_place, in_place, none);
      for (Index d = 0; d <= k; ++d) {
        for (Index i = 0; i < m.rows(); ++i) {
          double sum = base.row(d)[i];
          for (const Index j : active) sum += m(i, j) * a.row(d)[j];
          ASSERT_NEAR(out.row(d)[i], sum, 1e-12) << what << ", k " << k << ", " << count << " active";
          ASSERT_EQ(in_place.row(d)[i], out.row(d)[i]) << what;
        }
      }
    }
  }
}

TEST(AddColumns, DenseOfEveryWidth) {
  Rng rng(1);
  for (Index rows = 1; rows <= 150; rows += 7) {
    const Matrix m = rng.normal_matrix(rows, 20);
    expect_product(m, dense_link(m), rng, fmt::format("{} rows", rows));
  }
}

TEST(AddColumns, SparseWithoutStructure) {
  Rng rng(2);
  Matrix m = rng.normal_matrix(60, 90);
  for (double& w : m.reshaped()) w = rng.below(8) == 0 ? w : 0.0;
  const Link link = sparse_link(m);
  EXPECT_TRUE(link.tiles.empty());
  expect_product(m, link, rng, "scattered");
}

// Rows in groups that read the same columns, all of it in any order; some rows read nothing, some columns are unread.
TEST(AddColumns, TilesOfEveryWidth) {
  Rng rng(3);
  for (const Index width : {5, 8, 15, 16, 24, 31, 40, 64, 100}) {
    const Index groups = 4;
    const Index columns = 200;
    const std::vector<Index> row = shuffled(groups * width + 3, rng);
    const std::vector<Index> column = shuffled(columns, rng);
    Matrix m = Matrix::Zero(static_cast<Index>(row.size()), columns);
    for (Index g = 0; g < groups; ++g) {
      for (Index j = 30 * g; j < 30 * g + 80; ++j) {
        for (Index i = 0; i < width; ++i) m(row[at(g * width + i)], column[at(j)]) = rng.normal();
      }
    }
    const Link link = sparse_link(m);
    ASSERT_EQ(link.tiles.tiles.size(), at(groups));
    expect_product(m, link, rng, fmt::format("width {}", width));
  }
}

// From one product to the next a few columns come, go or change: what is left of the last one must not be seen.
TEST(AddColumns, TheLastProductDoesNotShow) {
  Rng rng(7);
  Matrix m = Matrix::Zero(160, 200);
  for (Index g = 0; g < 10; ++g) {
    m.block(16 * g, std::min<Index>(18 * g, 160), 16, 40) = rng.normal_matrix(16, 40);
  }
  const Link link = sparse_link(m);
  ASSERT_EQ(link.tiles.tiles.size(), 10U);
  const Forms base = random_forms(4, m.rows(), rng);
  Forms a = random_forms(4, m.cols(), rng);
  std::vector<char> on(at(m.cols()), 1);
  LastProduct last;
  for (int step = 0; step < 200; ++step) {
    const Index changed = rng.below(m.cols());
    on[at(changed)] ^= static_cast<char>(rng.below(2));
    a.row(rng.below(5))[rng.below(m.cols())] = rng.normal();
    std::vector<Index> active;
    for (Index j = 0; j < m.cols(); ++j) {
      if (on[at(j)] != 0) active.push_back(j);
    }
    Forms out(4, m.rows());
    Forms anew(4, m.rows());
    LastProduct none;
    add_columns(link, active, a, base, out, last);
    add_columns(link, active, a, base, anew, none);
    for (Index d = 0; d <= 4; ++d) {
      for (Index i = 0; i < m.rows(); ++i) ASSERT_EQ(out.row(d)[i], anew.row(d)[i]) << "step " << step;
    }
  }
}

// As a convolution's, of one pixel to a window.
Matrix repeated(const Matrix& kernel, Index count) {
  Matrix m = Matrix::Zero(kernel.rows() * count, kernel.cols() * count);
  for (Index p = 0; p < count; ++p) {
    m.block(p * kernel.rows(), p * kernel.cols(), kernel.rows(), kernel.cols()) = kernel;
  }
  return m;
}

TEST(Tiles, EqualWeightsAreKeptOnce) {
  const Matrix kernel = Rng(4).normal_matrix(8, 24);
  const Tiles tiles = sparse_link(repeated(kernel, 50)).tiles;
  EXPECT_EQ(tiles.tiles.size(), 50U);
  EXPECT_EQ(tiles.runs.size(), 50U);
  EXPECT_EQ(tiles.weights.size(), kernel.size());
}

TEST(Tiles, NoneWhereLanesWouldIdle) {
  EXPECT_TRUE(sparse_link(Matrix::Identity(100, 100)).tiles.empty());
  EXPECT_TRUE(sparse_link(repeated(Rng(5).normal_matrix(3, 100), 10)).tiles.empty());
  EXPECT_TRUE(sparse_link(repeated(Rng(6).normal_matrix(8, 4), 10)).tiles.empty());
}

}  // namespace
}  // namespace unrect
