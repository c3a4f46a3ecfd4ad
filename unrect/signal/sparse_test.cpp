// Sparse solvers against scikit-learn's and scipy's answers, planted codes, and each other.
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/signal/basis_pursuit.hpp"
#include "unrect/signal/greedy.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/lista.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace unrect {
namespace {

#include "unrect/signal/sparse_golden.inc"

struct Problem {
  Matrix a;
  Vector x, y;
};

/// The one of tools/sparse_golden.py.
Problem golden_problem() {
  Problem p{Matrix(12, 30), Vector::Zero(30), Vector()};
  for (Index i = 0; i < 12; ++i) {
    for (Index j = 0; j < 30; ++j) p.a(i, j) = std::sin(double((i + 1) * (i + 1) * (j + 1)) * std::sqrt(2.0));
  }
  p.a.colwise().normalize();
  p.x(4) = 1.5;
  p.x(17) = -2;
  p.x(25) = 0.75;
  p.y = p.a * p.x;
  for (Index i = 0; i < 12; ++i) p.y(i) += 0.05 * std::cos(double(i));
  return p;
}

Problem planted(Index rows, Index cols, Index sparsity, Rng rng) {
  Problem p{gaussian_operator(rows, cols, rng.split(0)).to_matrix(), Vector::Zero(cols), Vector()};
  Rng values = rng.split(1);
  for (Index k = 0; k < sparsity; ++k) p.x(values.below(cols)) = (values.below(2) == 0 ? -1 : 1) * values.uniform(1, 2);
  p.y = p.a * p.x;
  return p;
}

void expect_golden(const Vector& x, const std::vector<std::pair<Index, double>>& golden, double tolerance) {
  Vector expected = Vector::Zero(x.size());
  for (const auto& [j, value] : golden) expected(j) = value;
  EXPECT_LT((x - expected).cwiseAbs().maxCoeff(), tolerance);
}

TEST(Omp, AgreesWithScikitLearn) {
  const Problem p = golden_problem();
  const SparseResult result = Omp(p.a).solve(p.y, {.sparsity = 5});
  expect_golden(result.x, kGoldenOmp, 1e-10);
  EXPECT_NEAR(result.residual, (p.a * result.x - p.y).norm(), 1e-14);
  EXPECT_EQ(result.status, SolverStatus::kConverged);
}

TEST(Omp, FindsPlantedCodesAndStops) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Problem p = planted(60, 200, 10, Rng(seed));
    p.a *= Vector::LinSpaced(200, 0.1, 7).asDiagonal();  // atoms of any length
    p.y = p.a * p.x;
    const SparseResult result = Omp(p.a).solve(p.y, {.sparsity = 30, .tolerance = 1e-6});
    EXPECT_LT((result.x - p.x).norm(), 1e-9) << seed;
    EXPECT_LE(result.iterations, 15);  // a wrong atom on the way is allowed
  }
}

TEST(Omp, RowsAreSignals) {
  const Problem p = planted(20, 50, 4, Rng(3));
  const Matrix signals = Rng(4).normal_matrix(5, 20);
  Omp omp(p.a);
  const Matrix codes = omp.solve_rows(signals, {.sparsity = 6});
  for (Index i = 0; i < 5; ++i) {
    const SparseResult alone = Omp(p.a).solve(signals.row(i).transpose(), {.sparsity = 6});
    EXPECT_LT((codes.row(i).transpose() - alone.x).norm(), 1e-12);
    // Orthogonal: the residual sees none of the chosen atoms.
    const Vector left = p.a.transpose() * (p.a * alone.x - signals.row(i).transpose());
    for (Index j = 0; j < 50; ++j) {
      EXPECT_TRUE(alone.x(j) == 0 || std::abs(left(j)) < 1e-12);
    }
  }
}

TEST(Omp, AnswersAnyNumberOfThreads) {
  const Matrix atoms = Rng(1).normal_matrix(12, 40), signals = Rng(2).normal_matrix(30, 12);
  const Matrix alone = Omp(atoms).solve_rows(signals, {.sparsity = 6});
  const Omp omp(atoms);
  std::vector<Matrix> codes(4);
  {
    std::vector<std::jthread> threads;
    for (Matrix& code : codes)
      threads.emplace_back([&code, &signals, copy = omp] { code = copy.solve_rows(signals, {.sparsity = 6}); });
  }
  for (const Matrix& code : codes) EXPECT_EQ(code, alone);
}

TEST(Omp, LeavesOutDependentAtoms) {
  Matrix a = Matrix::Zero(3, 4);
  a.row(0) << 1, 2, -1, 0;  // three atoms on one line
  a(1, 3) = 1;
  const SparseResult result = Omp(a).solve(Vector{{3, 1, 5}}, {.sparsity = 3});
  EXPECT_EQ(result.iterations, 2);
  EXPECT_EQ(result.status, SolverStatus::kIterationLimit);
  EXPECT_NEAR(result.residual, 5, 1e-14);
}

TEST(Cosamp, FindsPlantedCodes) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Problem p = planted(80, 200, 10, Rng(seed));
    const SparseResult result = cosamp(p.a, p.y, 10);
    EXPECT_LT((result.x - p.x).norm(), 1e-9) << seed;
    EXPECT_EQ(result.status, SolverStatus::kConverged);
  }
}

TEST(Iht, FindsPlantedCodes) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Problem p = planted(100, 200, 10, Rng(seed));
    const LinearOperator a(p.a);
    const SparseResult normalised = iht(a, p.y, {.sparsity = 10});
    EXPECT_LT((normalised.x - p.x).norm(), 1e-7) << seed;
    EXPECT_EQ(normalised.status, SolverStatus::kConverged);
    const double step = 1 / gram_spectrum(a, Rng(0)).largest;
    const SparseResult constant = iht(a, p.y, {.sparsity = 10, .step = step, .max_iterations = 5000});
    EXPECT_LE(normalised.residual, constant.residual + 1e-9);
    EXPECT_LT(normalised.iterations, constant.iterations);
  }
}

TEST(Iht, TooLongAStepIsNoConvergence) {
  const Problem p = planted(20, 40, 5, Rng(1));
  const SparseResult result = iht(LinearOperator(p.a), p.y, {.sparsity = 5, .step = 100, .max_iterations = 500});
  EXPECT_EQ(result.status, SolverStatus::kIterationLimit);
  EXPECT_TRUE(result.x.allFinite());
}

TEST(Greedy, RefusesWhatIsNotFinite) {
  const Problem p = planted(20, 40, 5, Rng(1));
  Vector y = p.y;
  y(3) = std::nan("");
  Matrix a = p.a;
  a(2, 7) = std::nan("");
  EXPECT_THROW(Omp(p.a).solve(y, {.sparsity = 3}), Error);
  EXPECT_THROW(Omp(p.a).solve_rows(y.transpose(), {.sparsity = 3}), Error);
  EXPECT_THROW(cosamp(p.a, y, 3), Error);
  EXPECT_THROW(cosamp(a, p.y, 3), Error);
  EXPECT_THROW(iht(LinearOperator(p.a), y, {.sparsity = 3}), Error);
}

TEST(Iht, ConstantStepFindsPlantedCodesOfOrthonormalRows) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const LinearOperator a = orthonormal_operator(140, 200, Rng(seed));
    const Vector x = planted(1, 200, 8, Rng(seed + 100)).x;
    const SparseResult result = iht(a, a.apply(x), {.sparsity = 8, .step = 1});
    EXPECT_LT((result.x - x).norm(), 1e-7) << seed;
  }
}

TEST(Lasso, AgreesWithScikitLearn) {
  const Problem p = golden_problem();
  const SparseResult fista = lasso(LinearOperator(p.a), p.y, {.lambda = 0.1, .tolerance = 1e-14});
  expect_golden(fista.x, kGoldenLasso, 1e-6);
  EXPECT_EQ(fista.status, SolverStatus::kConverged);
  const LassoOptions plain{.lambda = 0.1, .accelerated = false, .max_iterations = 200000, .tolerance = 1e-12};
  const SparseResult ista = lasso(LinearOperator(p.a), p.y, plain);
  expect_golden(ista.x, kGoldenLasso, 1e-5);
  EXPECT_LT(fista.iterations, ista.iterations);
}

TEST(Lasso, GapBoundsTheDistanceToTheOptimum) {
  const Problem p = golden_problem();
  const LinearOperator a(p.a);
  const auto objective = [&](const Vector& x) { return 0.5 * (p.a * x - p.y).squaredNorm() + 0.1 * x.lpNorm<1>(); };
  const double best = objective(lasso(a, p.y, {.lambda = 0.1, .tolerance = 1e-14}).x);
  for (const int iterations : {10, 20, 50, 100}) {
    const SparseResult early = lasso(a, p.y, {.lambda = 0.1, .max_iterations = iterations, .tolerance = 0});
    EXPECT_GE(early.duality_gap, objective(early.x) - best - 1e-12);
    EXPECT_EQ(early.status, SolverStatus::kIterationLimit);
  }
}

TEST(Lasso, WeightsRowsAndContinuationGiveTheSameOptimum) {
  Rng rng(6);
  const Problem p = golden_problem();
  const Vector weights = rng.uniform_vector(30, 0.5, 2);
  Matrix signals(2, 12);
  signals << p.y.transpose(), -2 * p.y.transpose();
  const LassoOptions options{
      .lambda = 0.05, .continuation = 4, .max_iterations = 100000, .tolerance = 1e-12, .step = 0, .weights = weights};
  const auto rows = lasso_rows(LinearOperator(p.a), signals, options);
  for (std::size_t i = 0; i < 2; ++i) {
    // Optimality: Aᵀr = λ w sign(x) on the support, |Aᵀr| ≤ λ w off it.
    const Vector score = p.a.transpose() * (signals.row(Index(i)).transpose() - p.a * rows[i].x);
    for (Index j = 0; j < 30; ++j) {
      EXPECT_LE(std::abs(score(j)), 0.05 * weights(j) + 1e-5);
      if (std::abs(rows[i].x(j)) > 1e-4) {
        EXPECT_NEAR(score(j), std::copysign(0.05 * weights(j), rows[i].x(j)), 1e-5);
      }
    }
  }
  // Without weights, scaling x by a diagonal is the same problem: A W⁻¹.
  const Matrix scaled = p.a * weights.cwiseInverse().asDiagonal();
  const Vector u = lasso(LinearOperator(scaled), p.y, {.lambda = 0.05, .max_iterations = 100000, .tolerance = 1e-12}).x;
  EXPECT_LT((rows[0].x - u.cwiseQuotient(weights)).norm(), 1e-4);
}

TEST(Lista, UntrainedIsIsta) {
  const Problem p = golden_problem();
  const double step = 1 / gram_spectrum(LinearOperator(p.a), Rng(0)).largest;
  const LassoOptions options{.lambda = 0.1, .accelerated = false, .max_iterations = 25, .tolerance = 0, .step = step};
  const Vector expected = lasso(LinearOperator(p.a), p.y, options).x;
  const Matrix codes = lista_codes(ista_phases(p.a, 0.1, 25), p.y.transpose());
  EXPECT_LT((codes.row(0).transpose() - expected).norm(), 1e-9);
}

TEST(Lista, IsAReluChain) {
  Rng rng(9);
  std::vector<ListaPhase> phases = ista_phases(rng.normal_matrix(5, 8), 0.3, 4);
  for (ListaPhase& phase : phases) phase.threshold = rng.uniform_vector(8, 0, 0.2);  // as training would leave them
  const LayerChain chain = lista_chain(phases);
  ASSERT_EQ(chain.weights.size(), 5u);
  const Matrix signals = rng.normal_matrix(20, 5);
  const Matrix codes = lista_codes(phases, signals);
  for (Index i = 0; i < 20; ++i) {
    Vector x = signals.row(i).transpose();
    for (std::size_t l = 0; l < chain.weights.size(); ++l) {
      x = chain.weights[l] * x + chain.biases[l];
      if (l + 1 < chain.weights.size()) x = x.cwiseMax(0);
    }
    EXPECT_LT((x - codes.row(i).transpose()).norm(), 1e-12);
  }
  EXPECT_GT((codes.array() == 0).count(), 0);
  phases[1].threshold.resize(3);
  EXPECT_THROW(lista_chain(phases), Error);
  EXPECT_THROW(lista_codes({}, signals), Error);
  EXPECT_THROW(ista_phases(Matrix::Ones(2, 2), 0, 1), Error);
}

TEST(BasisPursuit, AgreesWithScipy) {
  const Problem p = golden_problem();
  const SparseResult vertex = basis_pursuit_lp(p.a, p.y);
  expect_golden(vertex.x, kGoldenBasisPursuit, 1e-8);
  EXPECT_EQ(vertex.status, SolverStatus::kConverged);
  EXPECT_LT(std::abs(vertex.duality_gap), 1e-9);
  const SparseResult admm = basis_pursuit_admm(p.a, p.y, {.tolerance = 1e-10});
  expect_golden(admm.x, kGoldenBasisPursuit, 1e-6);
  EXPECT_EQ(admm.status, SolverStatus::kConverged);
  EXPECT_LT(admm.residual, 1e-12);
}

// ‖Ax − y‖ ≤ ε: Lasso's answer for some λ, and the optimum is certified by the gap.
TEST(BasisPursuit, WithinNoiseIsLasso) {
  const Problem p = planted(30, 60, 5, Rng(3));
  const Vector y = p.y + 0.05 * Rng(4).normal_vector(30);
  const SparseResult lasso_code =
      lasso(LinearOperator(p.a), y, {.lambda = 0.1, .max_iterations = 100000, .tolerance = 1e-13});
  const SparseResult found = basis_pursuit_admm(p.a, y, {.residual = lasso_code.residual, .tolerance = 1e-9});
  EXPECT_EQ(found.status, SolverStatus::kConverged);
  EXPECT_NEAR(found.residual, lasso_code.residual, 1e-9);
  EXPECT_LT((found.x - lasso_code.x).norm(), 1e-4);
  // All of y is within ε of 0.
  EXPECT_LT(basis_pursuit_admm(p.a, y, {.residual = 2 * y.norm()}).x.norm(), 1e-6);
  // Two equal rows that disagree: no x for 0, one for what they are apart.
  Matrix twice(2, 3);
  twice << 1, 0, 2, 1, 0, 2;
  const Eigen::Vector2d apart(1, 1.2);
  EXPECT_EQ(basis_pursuit_admm(twice, apart).status, SolverStatus::kInfeasible);
  const SparseResult near = basis_pursuit_admm(twice, apart, {.residual = 0.2});
  EXPECT_EQ(near.status, SolverStatus::kConverged);
  EXPECT_LE(near.residual, 0.2 * (1 + 1e-9));
  EXPECT_LT((basis_pursuit_admm(twice, apart, {.residual = 1e-200}).x - basis_pursuit_admm(twice, apart).x).norm(),
            1e-12);
  EXPECT_THROW(basis_pursuit_admm(twice, apart, {.residual = -1}), Error);
  EXPECT_EQ(basis_pursuit_admm(Matrix::Zero(2, 3), apart).status, SolverStatus::kInfeasible);
  EXPECT_EQ(basis_pursuit_admm(Matrix::Zero(2, 3), apart, {.residual = 2}).x, Vector::Zero(3));
}

TEST(BasisPursuit, FindsPlantedCodes) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Problem p = planted(40, 100, 8, Rng(seed));
    const SparseResult vertex = basis_pursuit_lp(p.a, p.y);
    EXPECT_LT((vertex.x - p.x).norm(), 1e-7) << seed;
    const SparseResult admm = basis_pursuit_admm(p.a, p.y);
    EXPECT_LT((admm.x - p.x).norm(), 1e-5) << seed;
    EXPECT_LT(admm.iterations, 2000);
  }
}

TEST(BasisPursuit, SaysThatEquationsDisagree) {
  Matrix a = Matrix::Ones(2, 3);
  EXPECT_EQ(basis_pursuit_lp(a, Vector{{1, 2}}).status, SolverStatus::kInfeasible);
  EXPECT_EQ(basis_pursuit_admm(a, Vector{{1, 2}}).status, SolverStatus::kInfeasible);
  EXPECT_NEAR(basis_pursuit_admm(a, Vector{{1, 1}}).x.lpNorm<1>(), 1, 1e-7);  // redundant ones do no harm
}

TEST(SparseSolvers, TakeAZeroSignal) {
  const Matrix a = Rng(7).normal_matrix(6, 9);
  const Vector zero = Vector::Zero(6);
  EXPECT_EQ(Omp(a).solve(zero, {.sparsity = 2}).x.norm(), 0);
  EXPECT_EQ(cosamp(a, zero, 2).x.norm(), 0);
  EXPECT_EQ(iht(LinearOperator(a), zero, {.sparsity = 2}).x.norm(), 0);
  EXPECT_EQ(lasso(LinearOperator(a), zero, {.lambda = 1}).x.norm(), 0);
  EXPECT_EQ(lasso(LinearOperator(Matrix::Zero(6, 9)), Vector::Ones(6), {.lambda = 1}).x.norm(), 0);
  EXPECT_EQ(basis_pursuit_lp(a, zero).x.norm(), 0);
  EXPECT_EQ(basis_pursuit_admm(a, zero).x.norm(), 0);
}

TEST(SparseSolvers, RefuseBadInput) {
  const Matrix a = Rng(8).normal_matrix(6, 9);
  const Vector y = Vector::Ones(6), wrong = Vector::Ones(5);
  EXPECT_THROW(Omp(Matrix::Zero(2, 2)), Error);
  EXPECT_THROW(Omp(a).solve(wrong, {.sparsity = 2}), Error);
  EXPECT_THROW(Omp(a).solve(y, {.sparsity = 7}), Error);
  EXPECT_THROW(cosamp(a, y, 3), Error);
  EXPECT_THROW(cosamp(a, wrong, 1), Error);
  EXPECT_THROW(iht(LinearOperator(a), y, {.sparsity = 0}), Error);
  EXPECT_THROW(lasso(LinearOperator(a), y, {.lambda = 0}), Error);
  EXPECT_THROW(lasso(LinearOperator(a), y, {.lambda = 1, .weights = wrong}), Error);
  EXPECT_THROW(basis_pursuit_lp(a, wrong), Error);
  EXPECT_THROW(basis_pursuit_admm(a, Vector::Constant(6, NAN)), Error);
}

}  // namespace
}  // namespace unrect
