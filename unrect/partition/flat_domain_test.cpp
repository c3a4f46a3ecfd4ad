// Domains over their affine hull: regions counted once more with the substitution folded into the first layer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/partition/explore.hpp"

namespace unrect {
namespace {

Matrix whole_numbers(Rng& rng, Index rows, Index columns, Index most) {
  Matrix m(rows, columns);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) m(i, j) = static_cast<double>(rng.below(2 * most + 1) - most);
  }
  return m;
}

// Four inputs of which two are one, and an order between the others.
TEST(FlatDomain, TiedInputsOfAMonotonePair) {
  const Matrix weight = (Matrix(3, 4) << 1, 2, -1, 1, 2, -1, -1, 0, -1, 1, 2, -2).finished();
  const Network network = Network::chain({weight, Matrix::Ones(2, 3)}, {Vector::Constant(3, -0.25), Vector::Zero(2)});
  Matrix rows = Matrix::Zero(3, 4);
  rows.row(0) << -1, 0, 1, 0;
  rows.row(1) << 0, 1, 0, -1;
  rows.row(2) << 0, -1, 0, 1;
  const Box box(Vector::Zero(4), Vector::Ones(4));
  const Domain tied(box, Halfspaces(rows, Vector::Zero(3)));
  ASSERT_EQ(tied.dimension(), 3);

  Matrix folded = weight.leftCols(3);
  folded.col(1) += weight.col(3);
  Domain three(Box(Vector::Zero(3), Vector::Ones(3)));
  three.constraints = Halfspaces(rows.topLeftCorner(1, 3), Vector::Zero(1));
  const std::uint64_t expected = count_regions(Refinement(Network::chain({folded, Matrix::Ones(2, 3)},
                                                                         {Vector::Constant(3, -0.25), Vector::Zero(2)}),
                                                          three))
                                     .regions;
  EXPECT_GT(expected, 3u);
  EXPECT_EQ(count_regions(Refinement(network, tied)).regions, expected);
  EXPECT_EQ(oracle::partition_of(network, tied).configurations.size(), expected);
}

TEST(FlatDomain, CountsAreThoseOfTheFoldedNetwork) {
  Rng rng(21);
  std::uint64_t most = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const Index k = trial % 20 == 0 ? 7 : 1 + rng.below(4);
    const Index tied = 1 + rng.below(3);
    const Index n = k + tied;
    SCOPED_TRACE(fmt::format("trial {}: {} inputs, {} dimensions", trial, n, k));
    // x_tied = substitution x_free + shift
    const Matrix substitution = whole_numbers(rng, tied, k, 2);
    const Vector shift = whole_numbers(rng, tied, 1, 3) / 4;
    const Matrix weight = whole_numbers(rng, 4, n, 3), next = whole_numbers(rng, 4, 4, 3);
    const Vector bias = whole_numbers(rng, 4, 1, 7) / 8, next_bias = whole_numbers(rng, 4, 1, 7) / 8;
    const auto network = [&](const Matrix& w, const Vector& b) {
      return Network::chain({w, next, Matrix::Ones(1, 4)}, {b, next_bias, Vector::Zero(1)});
    };

    Domain free(Box(Vector::Constant(k, -1), Vector::Ones(k)));
    Matrix sides(2 * tied, k);
    sides << substitution, -substitution;
    Vector room(2 * tied);
    room << Vector::Ones(tied) - shift, Vector::Ones(tied) + shift;
    free.constraints = Halfspaces(sides, room);
    const Network folded =
        network(weight.leftCols(k) + weight.rightCols(tied) * substitution, bias + weight.rightCols(tied) * shift);

    std::vector<Index> place(static_cast<std::size_t>(n));
    std::iota(place.begin(), place.end(), Index{0});
    for (std::size_t i = place.size(); i > 1; --i) {
      std::swap(place[i - 1], place[static_cast<std::size_t>(rng.below(static_cast<Index>(i)))]);
    }
    Matrix equal(tied, n);
    equal << substitution, -Matrix::Identity(tied, tied);
    Vector right = -shift;
    for (Index e = 1; e < tied; ++e) {  // none of them stands alone
      equal.row(e) = 2 * equal.row(e) + 3 * equal.row(e - 1);
      right[e] = 2 * right[e] + 3 * right[e - 1];
    }
    Matrix rows(2 * tied, n);
    rows << equal, -equal;
    Vector offsets(2 * tied);
    offsets << right, -right;
    Matrix mixed_rows(rows.rows(), n), mixed_weight(4, n);
    mixed_rows(Eigen::all, place) = rows;
    mixed_weight(Eigen::all, place) = weight;
    const Domain flat(Box(Vector::Constant(n, -1), Vector::Ones(n)), Halfspaces(mixed_rows, offsets));
    ASSERT_EQ(flat.dimension(), k);
    ASSERT_EQ(flat.rounding, 0);

    const RegionCounts expected = count_regions(Refinement(folded, free));
    const RegionCounts found = count_regions(Refinement(network(mixed_weight, bias), flat));
    EXPECT_EQ(found.per_layer, expected.per_layer);
    EXPECT_EQ(found.active, expected.active);
    most = std::max(most, found.regions);
  }
  EXPECT_GT(most, 50u);
}

}  // namespace
}  // namespace unrect
