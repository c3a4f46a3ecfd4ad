#include "unrect/sensing/deformation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/sensing/datasets.hpp"

namespace unrect {
namespace {

constexpr Index kSide = DigitSet::kSide;

struct Ink {
  double mass = 0, row = 0, col = 0;  // its sum and its centre
};

Ink ink_of(const MatrixOf<float>& pictures, Index which) {
  Ink ink;
  for (Index p = 0; p < pictures.cols(); ++p) {
    const double value = pictures(which, p);
    ink.mass += value;
    const Index row = p / kSide, col = p % kSide;
    ink.row += value * static_cast<double>(row);
    ink.col += value * static_cast<double>(col);
  }
  ink.row /= ink.mass;
  ink.col /= ink.mass;
  return ink;
}

// A smooth spot: bending it by a known map can be written down.
MatrixOf<float> spots(Index count) {
  MatrixOf<float> pictures(count, kSide * kSide);
  for (Index i = 0; i < count; ++i) {
    for (Index p = 0; p < kSide * kSide; ++p) {
      const Index row = p / kSide, col = p % kSide;
      const double y = static_cast<double>(row) - 12.3, x = static_cast<double>(col) - 14.6;
      pictures(i, p) = static_cast<float>(0.7 * std::exp(-(x * x + y * y) / 18));
    }
  }
  return pictures;
}

TEST(Deformation, NoneChangesNothing) {
  const MatrixOf<float> digits = draw_digits(20, 3).images;
  EXPECT_LT((deformed(digits, kSide, kSide, {.affine = 0, .elastic = 0}, Rng(1)) - digits).cwiseAbs().maxCoeff(), 1e-5);
}

TEST(Deformation, EveryRowHasNumbersOfItsOwn) {
  const MatrixOf<float> digits = draw_digits(20, 3).images;
  const MatrixOf<float> bent = deformed(digits, kSide, kSide, {}, Rng(1));
  EXPECT_EQ(deformed(digits, kSide, kSide, {}, Rng(1)), bent);
  EXPECT_EQ(deformed(digits.topRows(5), kSide, kSide, {}, Rng(1)), bent.topRows(5));
  EXPECT_NE(deformed(digits, kSide, kSide, {}, Rng(2)), bent);
  const MatrixOf<float> twins = deformed(digits.topRows(1).replicate(2, 1), kSide, kSide, {}, Rng(1));
  EXPECT_NE(twins.row(0), twins.row(1));
}

TEST(Deformation, InkStaysWhereItIsAndWithinItsRange) {
  const Index count = 300;
  const MatrixOf<float> digits = draw_digits(count, 5).images;
  const MatrixOf<float> bent = deformed(digits, kSide, kSide, {}, Rng(4));
  double moved = 0, changed = 0;
  for (Index i = 0; i < count; ++i) {
    EXPECT_GE(bent.row(i).minCoeff(), 0);
    EXPECT_LE(bent.row(i).maxCoeff(), digits.row(i).maxCoeff());
    const Ink before = ink_of(digits, i), after = ink_of(bent, i);
    moved += std::hypot(after.row - before.row, after.col - before.col) / static_cast<double>(count);
    changed += (bent.row(i) - digits.row(i)).squaredNorm() / digits.row(i).squaredNorm() / static_cast<double>(count);
  }
  EXPECT_LT(moved, 0.2);
  // Bent, and still the same digit.
  EXPECT_GT(changed, 0.03);
  EXPECT_LT(changed, 0.3);
}

// q ↦ c + (I + E)(q − c) turns a round spot's second moments s² I into s² (I + E)⁻¹(I + E)⁻ᵀ: over many draws the mean
// mass is mass · E|det (I + E)|⁻¹, and its deviation to first order mass · √2 · affine.
TEST(Deformation, AffinePartHasTheStrengthThatWasAskedFor) {
  const Index count = 4000;
  const MatrixOf<float> round = spots(count);
  const double mass = ink_of(round, 0).mass;
  for (const double affine : {0.02, 0.05}) {
    const MatrixOf<float> bent = deformed(round, kSide, kSide, {.affine = affine, .elastic = 0}, Rng(9));
    double square = 0;
    for (Index i = 0; i < count; ++i) {
      const Ink ink = ink_of(bent, i);
      square += std::pow(ink.mass / mass - 1, 2) / static_cast<double>(count);
      EXPECT_NEAR(ink.row, 12.3, 0.05);
      EXPECT_NEAR(ink.col, 14.6, 0.05);
    }
    EXPECT_NEAR(std::sqrt(square), std::sqrt(2.0) * affine, 0.1 * affine);
  }
}

TEST(Deformation, EmptyAndNarrowPicturesAndWrongSizes) {
  const MatrixOf<float> empty = MatrixOf<float>::Zero(2, 12);
  EXPECT_EQ(deformed(empty, 3, 4, {}, Rng(1)), empty);
  const MatrixOf<float> thin = MatrixOf<float>::Constant(2, 5, 0.5F);
  EXPECT_TRUE(deformed(thin, 1, 5, {.affine = 3, .elastic = 30}, Rng(1)).allFinite());
  EXPECT_THROW(deformed(empty, 3, 5, {}, Rng(1)), Error);
  EXPECT_THROW(deformed(empty, 3, 4, {.affine = -1}, Rng(1)), Error);
  EXPECT_THROW(deformed(empty, 3, 4, {.lattice = 3}, Rng(1)), Error);
}

}  // namespace
}  // namespace unrect
