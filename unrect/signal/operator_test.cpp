#include "unrect/signal/operator.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace unrect {
namespace {

double identity_defect(const Matrix& a) { return (a - Matrix::Identity(a.rows(), a.cols())).cwiseAbs().maxCoeff(); }

TEST(LinearOperator, IsItsMatrixOnVectorsAndRows) {
  Rng rng(1);
  const Matrix a = rng.normal_matrix(3, 5);
  const LinearOperator op(a);
  const Vector x = rng.normal_vector(5), y = rng.normal_vector(3);
  EXPECT_LT((op.apply(x) - a * x).norm(), 1e-14);
  EXPECT_LT((op.adjoint(y) - a.transpose() * y).norm(), 1e-14);
  EXPECT_LT((transpose(op).apply(y) - a.transpose() * y).norm(), 1e-14);
  EXPECT_LT((op.to_matrix() - a).norm(), 1e-14);
  const Matrix b = rng.normal_matrix(5, 4);
  EXPECT_LT((compose(op, LinearOperator(b)).to_matrix() - a * b).norm(), 1e-13);
}

TEST(LinearOperator, RefusesWrongShapes) {
  const LinearOperator op(Matrix::Ones(3, 5));
  EXPECT_THROW(op.apply(Vector::Ones(3)), Error);
  EXPECT_THROW(op.adjoint(Vector::Ones(5)), Error);
  EXPECT_THROW(LinearOperator(Matrix(0, 3)), Error);
  EXPECT_THROW(LinearOperator(Matrix::Constant(1, 1, NAN)), Error);
  EXPECT_THROW(compose(op, op), Error);
}

TEST(LinearOperator, SeparableIsColumnsTimesImageTimesRows) {
  Rng rng(2);
  const Matrix c = rng.normal_matrix(2, 3), r = rng.normal_matrix(5, 4), x = rng.normal_matrix(3, 4);
  const LinearOperator op = separable(LinearOperator(c), LinearOperator(r));
  const Vector y = op.apply(Eigen::Map<const Vector>(x.data(), 12));
  const Matrix expected = c * x * r.transpose();
  EXPECT_LT((y - Eigen::Map<const Vector>(expected.data(), 10)).norm(), 1e-13);
  EXPECT_LT(adjoint_defect(op, Rng(3)), 1e-15);
}

TEST(AdjointDefect, SeesAWrongAdjoint) {
  const Matrix a = Rng(4).normal_matrix(4, 4);
  const LinearOperator wrong(
      4, 4, [a](const MatrixRef& x) -> Matrix { return x * a.transpose(); },
      [a](const MatrixRef& y) -> Matrix { return y * a.transpose(); });
  EXPECT_GT(adjoint_defect(wrong, Rng(5)), 1e-3);
}

TEST(GramSpectrum, AgreesWithEigenvalues) {
  for (const Index n : {1, 7, 60, 150}) {
    const Matrix a = Rng(6).normal_matrix(2 * n, n);
    const Vector expected = Eigen::SelfAdjointEigenSolver<Matrix>(a.transpose() * a).eigenvalues();
    const GramSpectrum found = gram_spectrum(LinearOperator(a), Rng(7));
    EXPECT_NEAR(found.smallest, expected(0), 1e-9 * expected(n - 1)) << n;
    EXPECT_NEAR(found.largest, expected(n - 1), 1e-9 * expected(n - 1)) << n;
  }
}

TEST(GramSpectrum, SurvivesRepeatedEigenvalues) {
  Vector diagonal = Vector::Constant(40, 2);
  diagonal(3) = 5;
  diagonal(30) = 0;
  const GramSpectrum found = gram_spectrum(LinearOperator(Matrix(diagonal.asDiagonal())), Rng(8));
  EXPECT_NEAR(found.smallest, 0, 1e-9);
  EXPECT_NEAR(found.largest, 25, 1e-9);
}

TEST(SensingOperator, AdjointsAreAdjoint) {
  const Rng rng(9);
  for (const LinearOperator& op :
       {gaussian_operator(20, 64, rng), bernoulli_operator(20, 64, rng), orthonormal_operator(20, 64, rng),
        hadamard_operator(20, 64, rng), partial_dct_operator(20, 64, rng), partial_dct_operator(50, 300, rng),
        partial_fourier_operator(50, 300, rng)}) {
    EXPECT_LT(adjoint_defect(op, Rng(10)), 1e-14);
  }
}

TEST(SensingOperator, RowsAreOrthonormalWherePromised) {
  const Rng rng(11);
  for (const LinearOperator& op :
       {orthonormal_operator(20, 64, rng), hadamard_operator(20, 64, rng), partial_dct_operator(20, 64, rng),
        partial_dct_operator(50, 300, rng), partial_fourier_operator(50, 300, rng)}) {
    const Matrix a = op.to_matrix();
    EXPECT_LT(identity_defect(a * a.transpose()), 1e-13);
  }
}

TEST(SensingOperator, OrthonormalRowsSpanTheGaussianOnes) {
  const Rng rng(12);
  const Matrix q = orthonormal_operator(5, 9, rng).to_matrix();
  const Matrix g = gaussian_operator(5, 9, rng).to_matrix();
  const Matrix r = g * q.transpose();  // lower triangular with a positive diagonal
  EXPECT_LT((r * q - g).norm(), 1e-13);
  for (Index i = 0; i < 5; ++i) {
    EXPECT_GT(r(i, i), 0);
    for (Index j = i + 1; j < 5; ++j) EXPECT_NEAR(r(i, j), 0, 1e-13);
  }
}

TEST(SensingOperator, FourierRowsAreCosinesAndSines) {
  const Index n = 12;
  const Matrix rows = partial_fourier_operator(n, n, Rng(5)).to_matrix();
  const Vector signs = rows.row(0).transpose() * std::sqrt(static_cast<double>(n));  // of the constant, X_0
  EXPECT_TRUE((signs.cwiseAbs().array() - 1).isZero(1e-14));
  for (Index j = 0; j < n; ++j) {
    const double angle = 2 * std::numbers::pi * 3 * static_cast<double>(j) / static_cast<double>(n);
    EXPECT_NEAR(rows(3, j), signs(j) * std::sqrt(2.0 / n) * std::cos(angle), 1e-14);
    EXPECT_NEAR(rows(n - 3, j), -signs(j) * std::sqrt(2.0 / n) * std::sin(angle), 1e-14);
  }
}

TEST(SensingOperator, VarianceIsOneOverRows) {
  EXPECT_NEAR(gaussian_operator(100, 400, Rng(13)).to_matrix().squaredNorm(), 400, 8);
  const Matrix signs = bernoulli_operator(16, 64, Rng(14)).to_matrix();
  EXPECT_EQ(signs.cwiseAbs(), Matrix::Constant(16, 64, 0.25));
  EXPECT_LT(std::abs(signs.sum()), 40);
}

TEST(SensingOperator, SameSeedSameBitsAlsoThroughAFile) {
  const LinearOperator first = gaussian_operator(7, 11, Rng(15));
  EXPECT_EQ(first.to_matrix(), gaussian_operator(7, 11, Rng(15)).to_matrix());
  EXPECT_NE(first.to_matrix(), gaussian_operator(7, 11, Rng(16)).to_matrix());
  const auto path = std::filesystem::path(testing::TempDir()) / "unrect_operator.npy";
  write_operator(path, first);
  EXPECT_EQ(read_operator(path).to_matrix(), first.to_matrix());
  std::filesystem::remove(path);
  EXPECT_THROW(read_operator(path), Error);
}

TEST(SensingOperator, RefusesWhatCannotBe) {
  EXPECT_THROW(gaussian_operator(0, 3, Rng(1)), Error);
  EXPECT_THROW(orthonormal_operator(4, 3, Rng(1)), Error);
  EXPECT_THROW(hadamard_operator(2, 12, Rng(1)), Error);
  EXPECT_THROW(partial_dct_operator(13, 12, Rng(1)), Error);
  EXPECT_THROW(partial_fourier_operator(13, 12, Rng(1)), Error);
  EXPECT_THROW(add_noise(Matrix::Ones(1, 2), -1, Rng(1)), Error);
  EXPECT_THROW(quantize(Matrix::Ones(1, 2), 0), Error);
}

TEST(Noise, HasItsDeviation) {
  const Matrix y = Matrix::Zero(100, 100);
  EXPECT_NEAR(add_noise(y, 0.3, Rng(17)).norm() / 100, 0.3, 0.01);
}

TEST(Noise, QuantisationErrsByHalfAStepAtMost) {
  const Matrix y = Rng(18).normal_matrix(30, 30);
  const Matrix q = quantize(y, 0.25);
  EXPECT_LE((q - y).cwiseAbs().maxCoeff(), 0.125);
  EXPECT_GT((q - y).cwiseAbs().maxCoeff(), 0.12);
  EXPECT_EQ(quantize(q, 0.25), q);
}

TEST(Blocks, RoundTripAndPadding) {
  const Matrix image = Rng(19).normal_matrix(7, 10);
  const Matrix blocks = to_blocks(image, 4);
  ASSERT_EQ(blocks.rows(), 6);
  EXPECT_EQ(from_blocks(blocks, 7, 10, 4), image);
  EXPECT_EQ(blocks(1, 5), image(1, 5));        // second block, row 1, column 1
  EXPECT_EQ(blocks.row(5).tail(4).norm(), 0);  // below the lower edge
  EXPECT_EQ(blocks.norm(), image.norm());
  EXPECT_THROW(from_blocks(blocks, 9, 10, 4), Error);
  EXPECT_THROW(to_blocks(image, 0), Error);
}

TEST(Blocks, GroupsAreTheEdgesTheyReachBeyond) {
  const auto groups = block_groups(7, 11, 4);
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].blocks, (std::vector<Index>{0, 1}));
  EXPECT_EQ(groups[1].blocks, std::vector<Index>{2});
  EXPECT_EQ(groups[2].blocks, (std::vector<Index>{3, 4}));
  EXPECT_EQ(groups[3].rows, 3);
  EXPECT_EQ(groups[3].cols, 3);
  EXPECT_EQ(block_groups(8, 12, 4).size(), 1U);
  EXPECT_EQ(block_groups(3, 3, 4).at(0).rows, 3);
  EXPECT_EQ(block_side(1089), 33);
  EXPECT_EQ(block_side(1090), 0);
  EXPECT_EQ(block_side(0), 0);
}

TEST(Blocks, SamplingMeasuresEveryBlock) {
  const LinearOperator phi = gaussian_operator(3, 16, Rng(20));
  const LinearOperator sampling = block_sampling(phi, 7, 10, 4);
  EXPECT_LT(adjoint_defect(sampling, Rng(21)), 1e-15);
  const Matrix image = Rng(22).normal_matrix(7, 10);
  const Vector y = sampling.apply(Eigen::Map<const Vector>(image.data(), 70));
  EXPECT_LT((y.segment(12, 3) - phi.apply(to_blocks(image, 4).row(4).transpose())).norm(), 1e-14);
  EXPECT_THROW(block_sampling(phi, 7, 10, 5), Error);
}

}  // namespace
}  // namespace unrect
