#include "unrect/signal/dictionary.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/signal/frame.hpp"

namespace unrect {
namespace {

/// Samples with three atoms each out of `atoms`.
Matrix planted_samples(const Matrix& atoms, Index count, Rng rng) {
  Matrix samples = Matrix::Zero(count, atoms.cols());
  for (Index i = 0; i < count; ++i) {
    for (int k = 0; k < 3; ++k) samples.row(i) += rng.normal() * atoms.row(rng.below(atoms.rows()));
  }
  return samples;
}

/// Part of the true atoms that some learned one agrees with, up to sign, to |⟨·,·⟩| > 0.99 (Aharon et al.'s test).
double found_part(const Matrix& truth, const Matrix& learned) {
  const Vector best = (truth * learned.transpose()).cwiseAbs().rowwise().maxCoeff();
  return double((best.array() > 0.99).count()) / double(truth.rows());
}

TEST(Ksvd, FindsThePlantedDictionary) {
  const Matrix truth = random_frame(30, 16, Rng(1));
  const Matrix samples = planted_samples(truth, 1500, Rng(2));
  for (const bool approximate : {false, true}) {
    KsvdOptions options;
    options.atoms = 30;
    options.code.sparsity = 3;
    options.iterations = 60;
    options.approximate = approximate;
    const Dictionary learned = learn_dictionary(samples, options);
    EXPECT_GE(found_part(truth, learned.atoms), 0.85) << approximate;
    EXPECT_LT(learned.mean_square.back(), 0.2 * learned.mean_square.front());
    EXPECT_LT((learned.atoms.rowwise().norm() - Vector::Ones(30)).norm(), 1e-12);
    EXPECT_LE((learned.codes.array() != 0).rowwise().count().maxCoeff(), 3);
    const double square = (samples - learned.codes * learned.atoms).squaredNorm() / 1500;
    EXPECT_NEAR(square, learned.mean_square.back(), 1e-12);
  }
}

TEST(Ksvd, OneAtomIsTheFirstPrincipalDirection) {
  const Matrix samples = Rng(3).normal_matrix(200, 5) * Vector{{3, 1, 1, 1, 1}}.asDiagonal();
  KsvdOptions options;
  options.atoms = 1;
  options.code.sparsity = 1;
  options.approximate = false;
  const Dictionary learned = learn_dictionary(samples, options);
  // The best line leaves the trace without the largest eigenvalue.
  const Vector sigma = Vector::Constant(1, std::sqrt(frame_bounds(samples).upper));
  EXPECT_NEAR(learned.mean_square.back() * 200, samples.squaredNorm() - sigma(0) * sigma(0), 1e-8);
  options.approximate = true;
  options.iterations = 200;
  EXPECT_NEAR(learn_dictionary(samples, options).mean_square.back(), learned.mean_square.back(), 1e-8);
}

TEST(Ksvd, StopsWhenToldToAndRefusesBadInput) {
  KsvdOptions options;
  options.atoms = 4;
  options.code.sparsity = 2;
  EXPECT_THROW(learn_dictionary(Matrix::Zero(5, 3), options), Error);
  EXPECT_THROW(learn_dictionary(Matrix(0, 3), options), Error);
  options.atoms = 0;
  EXPECT_THROW(learn_dictionary(Matrix::Ones(5, 3), options), Error);
  options.atoms = 8;  // more than samples
  const Dictionary learned = learn_dictionary(Rng(4).normal_matrix(5, 3), options);
  EXPECT_LT(learned.mean_square.back(), 1e-20);
  EXPECT_TRUE(learned.atoms.allFinite());
}

TEST(ImagePatches, AreCutInReadingOrderWithoutTheirMeans) {
  Matrix image(4, 5);
  for (Index i = 0; i < 20; ++i) image.data()[i] = double(i);
  const Matrix patches = image_patches(image, 2, 2);
  ASSERT_EQ(patches.rows(), 4);
  for (Index i = 0; i < 4; ++i) EXPECT_LT((patches.row(i) - Matrix{{-3, -2, 2, 3}}).norm(), 1e-14);
  EXPECT_THROW(image_patches(image, 5, 1), Error);
}

}  // namespace
}  // namespace unrect
