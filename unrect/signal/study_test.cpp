// Phase transitions and signs: what theory and experiment say of the solvers.
#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/signal/basis_pursuit.hpp"
#include "unrect/signal/phase_retrieval.hpp"
#include "unrect/signal/phase_transition.hpp"

namespace unrect {
namespace {

TEST(WeakThreshold, HasItsKnownValues) {
  // Donoho and Tanner 2009; Donoho, Maleki, Montanari 2009.
  EXPECT_NEAR(weak_threshold(0.5), 0.386, 1e-3);
  EXPECT_NEAR(weak_threshold(0.1), 0.189, 1e-3);
  EXPECT_NEAR(weak_threshold(0.25), 0.267, 1e-3);
  // ρ ~ 1 / (2 ln(1/δ)) as δ → 0, ρ → 1 as δ → 1.
  EXPECT_NEAR(weak_threshold(1e-30) * 2 * std::log(1e30), 1, 0.1);
  EXPECT_GT(weak_threshold(0.999), 0.9);
  double before = 0;
  for (double delta = 0.01; delta < 1; delta += 0.01) {
    EXPECT_GT(weak_threshold(delta), before);
    before = weak_threshold(delta);
  }
  EXPECT_THROW(weak_threshold(0), Error);
  EXPECT_THROW(weak_threshold(1), Error);
}

TEST(WeakThreshold, IsTheMinimaxRiskOfSoftThresholds) {
  // M(ε) = min_τ ε(1 + τ²) + 2(1 − ε)((1 + τ²)Φ(−τ) − τφ(τ)) equals δ at ε = ρδ.
  for (const double delta : {0.05, 0.3, 0.5, 0.8, 0.97}) {
    const double epsilon = delta * weak_threshold(delta);
    double risk = 1;
    for (double t = 0; t < 5; t += 1e-4) {
      const double tail = 0.5 * std::erfc(t / std::sqrt(2.0)), density = std::exp(-t * t / 2) / std::sqrt(2 * M_PI);
      risk = std::min(risk, epsilon * (1 + t * t) + 2 * (1 - epsilon) * ((1 + t * t) * tail - t * density));
    }
    EXPECT_NEAR(risk, delta, 1e-7);
  }
}

TEST(TransitionMap, OfBasisPursuitTurnsAtTheThreshold) {
  const double threshold = weak_threshold(0.5);
  const auto solver = [](const Matrix& a, const Vector& y, Index) -> Vector { return basis_pursuit_lp(a, y).x; };
  const TransitionMap map = transition_map(solver, 120, Vector{{0.5}}, Vector{{0.7 * threshold, 1.35 * threshold}}, 20);
  EXPECT_GE(map.success(0, 0), 0.95);
  EXPECT_LE(map.success(0, 1), 0.05);
  EXPECT_EQ(map.success, transition_map(solver, 120, map.deltas, map.rhos, 20).success);
  EXPECT_THROW(transition_map(solver, 10, Vector{{0.5}}, Vector{{1.5}}, 1), Error);
  EXPECT_THROW(transition_map(solver, 0, Vector{{0.5}}, Vector{{0.5}}, 1), Error);
}

TEST(TransitionMap, EverySolverByNameFindsFewEntriesAndNotTooMany) {
  Context threads;
  threads.threads = 3;
  for (const std::string_view name : sparse_solver_names()) {
    const SparseSolver solver = sparse_solver_named(name);
    const TransitionMap map = transition_map(solver, 60, Vector{{0.6}}, Vector{{0.08, 0.9}}, 6);
    EXPECT_GE(map.success(0, 0), 0.8) << name;
    EXPECT_EQ(map.success(0, 1), 0) << name;
    EXPECT_EQ(map.success, transition_map(solver, 60, map.deltas, map.rhos, 6, threads).success) << name;
    EXPECT_TRUE(solver(Matrix::Ones(1, 2), Vector::Zero(1), 1).allFinite()) << name;
  }
  EXPECT_THROW(sparse_solver_named("magic"), Error);
}

struct Phaseless {
  Matrix a;
  Vector x, y;
};

Phaseless phaseless(Index m, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Phaseless p{rng.normal_matrix(m, n), rng.normal_vector(n), Vector()};
  p.y = (p.a * p.x).cwiseAbs();
  return p;
}

double up_to_sign(const Vector& x, const Vector& truth) {
  return std::min((x - truth).norm(), (x + truth).norm()) / truth.norm();
}

TEST(SpectralStart, PointsTowardsTheSignal) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Phaseless p = phaseless(800, 40, seed);
    const Vector start = spectral_start(p.a, p.y);
    EXPECT_LT(up_to_sign(start, p.x), 0.6) << seed;
    EXPECT_NEAR(start.norm(), p.x.norm(), 0.1 * p.x.norm());
  }
}

TEST(PhaseRetrieval, MultipliersFindWhatProjectionsMiss) {
  int by_multipliers = 0, by_projections = 0;
  constexpr int kTrials = 20;
  for (std::uint64_t seed = 0; seed < kTrials; ++seed) {
    const Phaseless p = phaseless(90, 32, seed);
    const Vector start = spectral_start(p.a, p.y);
    const SparseResult with = phase_retrieval(p.a, p.y, start);
    const SparseResult without = alternating_projections(p.a, p.y, start);
    for (const SparseResult& result : {with, without}) {
      EXPECT_NEAR(result.residual, ((p.a * result.x).cwiseAbs() - p.y).norm(), 1e-10 * p.y.norm());
      const bool converged = result.status == SolverStatus::kConverged;
      EXPECT_EQ(converged, up_to_sign(result.x, p.x) < 1e-8) << seed;
    }
    by_multipliers += with.status == SolverStatus::kConverged ? 1 : 0;
    by_projections += without.status == SolverStatus::kConverged ? 1 : 0;
  }
  EXPECT_GE(by_multipliers, 19);
  EXPECT_LT(by_projections, by_multipliers);
  RecordProperty("projections", by_projections);
}

TEST(PhaseRetrieval, RefusesBadInput) {
  const Matrix a = Rng(1).normal_matrix(6, 3);
  const Vector y = Vector::Ones(6), start = Vector::Ones(3);
  EXPECT_THROW(phase_retrieval(a, -y, start), Error);
  EXPECT_THROW(phase_retrieval(a, y, y), Error);
  EXPECT_THROW(phase_retrieval(a.transpose(), start, y), Error);
  EXPECT_THROW(spectral_start(a, start), Error);
  EXPECT_EQ(phase_retrieval(a, Vector::Zero(6), Vector::Zero(3)).status, SolverStatus::kConverged);
}

}  // namespace
}  // namespace unrect
