// Small dense linear programs and facets, beside Clp and GLPK on the same problems in the same run.
#include <benchmark/benchmark.h>
#include <glpk.h>

#include <ClpSimplex.hpp>
#include <CoinPackedMatrix.hpp>
#include <ctime>
#include <numeric>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/facets.hpp"

namespace {

using unrect::Box;
using unrect::DenseLp;
using unrect::Halfspaces;
using unrect::Index;
using unrect::Matrix;
using unrect::Vector;

constexpr Index kObjectives = 256;

// A cell like a network's region: rows in random directions around a ball, in a box that is some times larger.
struct Problem {
  Halfspaces rows;
  Box box;
  Matrix costs;

  Problem(Index n, Index m) : box(Vector::Constant(n, -10), Vector::Constant(n, 10)) {
    unrect::Rng rng(7);
    Matrix normals = rng.normal_matrix(m, n);
    normals.rowwise().normalize();
    rows = Halfspaces(normals, rng.uniform_vector(m, 0.3, 1));
    costs = rng.normal_matrix(kObjectives, n);
  }
};

class DenseSolver {
 public:
  DenseSolver(const Problem& problem, DenseLp::Start start) : lp_(problem.rows, problem.box), start_(start) {}
  double solve(const Vector& cost) { return lp_.minimize(cost, start_).objective; }

 private:
  DenseLp lp_;
  DenseLp::Start start_;
};

// Reuses the model, changes the objective alone: Clp's fair fast way.
class ClpSolver {
 public:
  explicit ClpSolver(const Problem& problem) {
    const int n = static_cast<int>(problem.rows.dimension());
    CoinPackedMatrix matrix(false, 0, 0);
    matrix.setDimensions(0, n);
    std::vector<int> index(n);
    std::iota(index.begin(), index.end(), 0);
    for (Index i = 0; i < problem.rows.size(); ++i) {
      matrix.appendRow(n, index.data(), problem.rows.normals.row(i).data());
    }
    const Vector row_lower = Vector::Constant(problem.rows.size(), -COIN_DBL_MAX);
    clp_.setLogLevel(0);
    clp_.loadProblem(matrix, problem.box.lower.data(), problem.box.upper.data(), nullptr, row_lower.data(),
                     problem.rows.offsets.data());
    clp_.setPerturbation(100);
  }
  double solve(const Vector& cost) {
    std::copy_n(cost.data(), cost.size(), clp_.objective());
    clp_.dual();
    return clp_.objectiveValue();
  }

 private:
  ClpSimplex clp_;
};

class GlpkSolver {
 public:
  explicit GlpkSolver(const Problem& problem) : lp_(glp_create_prob()) {
    const int n = static_cast<int>(problem.rows.dimension());
    const int m = static_cast<int>(problem.rows.size());
    glp_term_out(GLP_OFF);
    glp_init_smcp(&options_);
    options_.msg_lev = GLP_MSG_OFF;
    options_.presolve = GLP_OFF;
    glp_add_rows(lp_, m);
    glp_add_cols(lp_, n);
    std::vector<int> index(n + 1);
    std::iota(index.begin(), index.end(), 0);
    for (int i = 0; i < m; ++i) {
      glp_set_row_bnds(lp_, i + 1, GLP_UP, 0, problem.rows.offsets[i]);
      glp_set_mat_row(lp_, i + 1, n, index.data(), problem.rows.normals.row(i).data() - 1);
    }
    for (int j = 0; j < n; ++j) glp_set_col_bnds(lp_, j + 1, GLP_DB, problem.box.lower[j], problem.box.upper[j]);
  }
  GlpkSolver(const GlpkSolver&) = delete;
  GlpkSolver& operator=(const GlpkSolver&) = delete;
  ~GlpkSolver() { glp_delete_prob(lp_); }
  double solve(const Vector& cost) {
    for (Index j = 0; j < cost.size(); ++j) glp_set_obj_coef(lp_, static_cast<int>(j) + 1, cost[j]);
    glp_simplex(lp_, &options_);
    return glp_get_obj_val(lp_);
  }

 private:
  glp_prob* lp_;
  glp_smcp options_{};
};

// Processor microseconds per LP over the first `count` objectives, best of three; adds the optima to `check`.
template <class Solver>
double microseconds(Solver& solver, const Problem& problem, Index count, double* check) {
  double best = 1e300;
  for (int repeat = 0; repeat < 3; ++repeat) {
    *check = 0;
    const std::clock_t begin = std::clock();
    for (Index k = 0; k < count; ++k) *check += solver.solve(problem.costs.row(k).transpose());
    best =
        std::min(best, 1e6 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / static_cast<double>(count));
  }
  return best;
}

void BM_DenseLp(benchmark::State& state, DenseLp::Start start) {
  const Problem problem(state.range(0), state.range(1));
  DenseSolver dense(problem, start);
  Index k = 0;
  double pivots = 0;
  DenseLp lp(problem.rows, problem.box);
  for ([[maybe_unused]] auto _ : state) {
    const unrect::LpResult& result = lp.minimize(problem.costs.row(k).transpose(), start);
    pivots += result.pivots;
    benchmark::DoNotOptimize(result.objective);
    k = (k + 1) % kObjectives;
  }
  state.counters["pivots"] = pivots / static_cast<double>(state.iterations());
  state.counters["LPs/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  const Index count = problem.rows.size() * problem.rows.dimension() > 5000 ? 4 : kObjectives;  // the peers take long
  double ours = 0;
  double clps = 0;
  double glpks = 0;
  const double dense_us = microseconds(dense, problem, count, &ours);
  ClpSolver clp(problem);
  GlpkSolver glpk(problem);
  const double clp_us = microseconds(clp, problem, count, &clps);
  const double glpk_us = microseconds(glpk, problem, count, &glpks);
  if (std::abs(ours - clps) > 1e-6 * std::abs(ours) || std::abs(ours - glpks) > 1e-6 * std::abs(ours)) {
    state.SkipWithError("the solvers disagree");
  }
  state.counters["clp_us"] = clp_us;
  state.counters["glpk_us"] = glpk_us;
  state.counters["vs_clp"] = clp_us / dense_us;
  state.counters["vs_glpk"] = glpk_us / dense_us;
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const auto& [n, m] : {std::pair<int, int>{5, 20},
                             {5, 50},
                             {5, 300},
                             {8, 100},
                             {10, 50},
                             {10, 100},
                             {10, 300},
                             {20, 300},
                             {50, 1000}}) {
    benchmark->Args({n, m});
  }
}
BENCHMARK_CAPTURE(BM_DenseLp, corner, DenseLp::Start::kCorner)->Apply(sizes)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_DenseLp, last_basis, DenseLp::Start::kLastBasis)->Apply(sizes)->Unit(benchmark::kMicrosecond);

// 300 rows in 5 dimensions, most out of reach: 15 to 25 facets.
Halfspaces region_like(Index n, Index m) {
  unrect::Rng rng(3);
  Matrix normals = rng.normal_matrix(m, n);
  normals.rowwise().normalize();
  Vector offsets(m);
  for (double& b : offsets) b = 1 + 60 * std::abs(rng.normal());
  return {normals, offsets};
}

void BM_Facets(benchmark::State& state) {
  const Halfspaces cell = region_like(state.range(0), state.range(1));
  const Vector center = unrect::chebyshev_ball(cell).center;
  std::size_t count = 0;
  for ([[maybe_unused]] auto _ : state) count = unrect::facets(cell, center).size();
  state.counters["facets"] = static_cast<double>(count);
}
BENCHMARK(BM_Facets)->Args({5, 20})->Args({5, 300})->Args({10, 300})->Unit(benchmark::kMicrosecond);

void BM_ChebyshevBall(benchmark::State& state) {
  const Halfspaces cell = region_like(state.range(0), state.range(1));
  const Box box(Vector::Constant(cell.dimension(), -10), Vector::Constant(cell.dimension(), 10));
  double radius = 0;
  for ([[maybe_unused]] auto _ : state) radius = unrect::chebyshev_ball(cell, box).radius;
  state.counters["radius"] = radius;
}
BENCHMARK(BM_ChebyshevBall)->Args({5, 20})->Args({5, 300})->Args({10, 300})->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
