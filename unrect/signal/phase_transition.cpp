#include "unrect/signal/phase_transition.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>
#include <thread>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/progress_report.hpp"
#include "unrect/base/internal/team.hpp"
#include "unrect/signal/basis_pursuit.hpp"
#include "unrect/signal/greedy.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace unrect {
namespace {

double density(double t) { return std::exp(-0.5 * t * t) / std::sqrt(2 * std::numbers::pi); }
double tail(double t) { return 0.5 * std::erfc(t / std::numbers::sqrt2); }

Vector by_lasso(const Matrix& a, const Vector& y, bool accelerated) {
  const double lambda = 1e-5 * (a.transpose() * y).cwiseAbs().maxCoeff();
  if (lambda == 0) return Vector::Zero(a.cols());
  const LassoOptions options{
      .lambda = lambda, .accelerated = accelerated, .continuation = 8, .max_iterations = 20000, .tolerance = 1e-10};
  return lasso(LinearOperator(a), y, options).x;
}

using Named = std::pair<std::string_view, SparseSolver>;

const std::vector<Named>& solvers() {
  static const std::vector<Named> all{
      {"omp",
       [](const Matrix& a, const Vector& y, Index) -> Vector {
         return Omp(a).solve(y, {.sparsity = std::min(a.rows(), a.cols()), .tolerance = 1e-6 * y.norm()}).x;
       }},
      {"cosamp",
       [](const Matrix& a, const Vector& y, Index k) -> Vector {
         const Index most = std::min(k, a.rows() / 3);
         return most == 0 ? Vector(Vector::Zero(a.cols())) : cosamp(a, y, most).x;
       }},
      {"iht",
       [](const Matrix& a, const Vector& y, Index k) -> Vector {
         const LinearOperator map(a);
         const double norm = gram_spectrum(map, Rng(0), 100, 1e-3).largest;
         return iht(map, y, {.sparsity = k, .step = norm > 0 ? 0.99 / norm : 1, .max_iterations = 5000}).x;
       }},
      {"niht",
       [](const Matrix& a, const Vector& y, Index k) -> Vector {
         return iht(LinearOperator(a), y, {.sparsity = k}).x;
       }},
      {"ista", [](const Matrix& a, const Vector& y, Index) { return by_lasso(a, y, false); }},
      {"fista", [](const Matrix& a, const Vector& y, Index) { return by_lasso(a, y, true); }},
      {"bp", [](const Matrix& a, const Vector& y, Index) -> Vector { return basis_pursuit_admm(a, y).x; }},
      {"lp", [](const Matrix& a, const Vector& y, Index) -> Vector { return basis_pursuit_lp(a, y).x; }}};
  return all;
}

}  // namespace

const std::vector<std::string_view>& sparse_solver_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> found;
    for (const auto& [name, solver] : solvers()) found.push_back(name);
    return found;
  }();
  return names;
}

SparseSolver sparse_solver_named(std::string_view name) {
  const auto at = std::ranges::find(solvers(), name, &Named::first);
  UNRECT_REQUIRE(at != solvers().end(), ErrorCode::kInvalidArgument, "solver \"{}\", expected one of {}", name,
                 fmt::join(sparse_solver_names(), ", "));
  return at->second;
}

double weak_threshold(double delta) {
  UNRECT_REQUIRE(delta > 0 && delta < 1, ErrorCode::kInvalidArgument, "δ = {}, expected in (0, 1)", delta);
  // δ falls from 1 at τ = 0 to 0.
  double low = 0, high = 38;
  for (int k = 0; k < 200; ++k) {
    const double t = 0.5 * (low + high);
    const double found = 2 * density(t) / (t + 2 * (density(t) - t * tail(t)));
    (found > delta ? low : high) = t;
  }
  const double t = 0.5 * (low + high);
  return 1 - t * tail(t) / density(t);
}

TransitionMap transition_map(const SparseSolver& solver, Index n, const Vector& deltas, const Vector& rhos, int trials,
                             const Context& context) {
  UNRECT_REQUIRE(n >= 1 && trials >= 1, ErrorCode::kInvalidArgument, "size {}, {} trials, expected at least 1", n,
                 trials);
  for (const Vector* parts : {&deltas, &rhos}) {
    for (const double part : *parts) {
      UNRECT_REQUIRE(part > 0 && part <= 1, ErrorCode::kInvalidArgument, "ratio {}, expected in (0, 1]", part);
    }
  }
  TransitionMap map{deltas, rhos,
                    Matrix::Constant(deltas.size(), rhos.size(), std::numeric_limits<double>::quiet_NaN())};
  const auto part_of = [](double part, Index whole) {
    return std::max<Index>(1, std::lround(part * static_cast<double>(whole)));
  };
  Team team(std::min(context.threads, trials));
  ProgressReport report(context);
  const auto stopped = [&](Index cell) {
    return report.stops({"cells", static_cast<double>(cell), static_cast<double>(map.success.size())});
  };
  std::atomic<bool> stop = false;
  for (Index cell = 0; cell < map.success.size() && !stop; ++cell) {
    const Index m = part_of(deltas(cell / rhos.size()), n), k = part_of(rhos(cell % rhos.size()), m);
    std::atomic<int> found = 0, skipped = 0;
    const std::thread::id asker = std::this_thread::get_id();
    team.run(trials, [&](int trial) {
      if (std::this_thread::get_id() == asker && stopped(cell)) stop = true;
      if (stop) {
        ++skipped;
        return;
      }
      Rng rng = Rng(context.seed).split(static_cast<std::uint64_t>(cell)).split(static_cast<std::uint64_t>(trial));
      const Matrix a = gaussian_operator(m, n, rng.split(0)).to_matrix();
      Vector x = Vector::Zero(n);
      // The columns are all alike: which entries are set does not matter.
      x.head(k) = rng.normal_vector(k);
      if ((solver(a, a * x, k) - x).norm() <= 1e-3 * x.norm()) ++found;
    });
    if (skipped == 0) map.success.data()[cell] = static_cast<double>(found) / trials;
  }
  return map;
}

}  // namespace unrect
