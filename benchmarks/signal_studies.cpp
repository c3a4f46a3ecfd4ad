// How often solvers find a planted signal: sparse codes beside the weak threshold, real signals without their signs.
#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "unrect/signal/phase_retrieval.hpp"
#include "unrect/signal/phase_transition.hpp"

namespace {

using namespace unrect;

constexpr int kTrials = 20;

/// Part of the trials in which a code of k = ρ m entries is found, around ρ_W(δ).
void sparse_codes() {
  constexpr Index kSize = 120;
  const Index n = kSize;
  fmt::print("n = {}, Gaussian codes, {} trials: part found\n{:6}{:24}", n, kTrials, "δ", "");
  const std::vector<double> factors = {0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5};
  for (const double factor : factors) fmt::print("{:>8}", fmt::format("{}ρ_W", factor));
  fmt::print("\n");
  for (const double delta : {0.25, 0.5, 0.75}) {
    for (const std::string_view name : {"bp", "omp", "cosamp", "niht"}) {
      fmt::print("{:<5}{:24}", delta, name);
      for (const double factor : factors) {
        const double rho = std::min(1.0, factor * weak_threshold(delta));
        fmt::print("{:8.2f}",
                   transition_map(sparse_solver_named(name), n, Vector{{delta}}, Vector{{rho}}, kTrials).success(0, 0));
      }
      fmt::print("\n");
    }
  }
}

void signs() {
  constexpr Index kSize = 64;
  fmt::print("\nn = {}, y = |A x|, {} trials from the spectral start: part found (mean iterations)\n", kSize, kTrials);
  fmt::print("{:8}{:>24}{:>24}\n", "m / n", "augmented Lagrangian", "alternating projections");
  for (const double ratio : {1.5, 2.0, 2.5, 3.0, 4.0, 6.0}) {
    const Index m = std::lround(ratio * kSize);
    int found[2] = {0, 0}, iterations[2] = {0, 0};
    for (int trial = 0; trial < kTrials; ++trial) {
      Rng rng = Rng(1).split(static_cast<std::uint64_t>(trial));
      const Matrix a = rng.normal_matrix(m, kSize);
      const Vector y = (a * rng.normal_vector(kSize)).cwiseAbs();
      const Vector start = spectral_start(a, y);
      const SparseResult results[2] = {phase_retrieval(a, y, start), alternating_projections(a, y, start)};
      for (int k = 0; k < 2; ++k) {
        found[k] += results[k].status == SolverStatus::kConverged ? 1 : 0;
        iterations[k] += results[k].iterations;
      }
    }
    fmt::print("{:<8}", ratio);
    for (int k = 0; k < 2; ++k) {
      fmt::print("{:>24}",
                 fmt::format("{:.2f} ({})", static_cast<double>(found[k]) / kTrials, iterations[k] / kTrials));
    }
    fmt::print("\n");
  }
}

}  // namespace

int main() {
  sparse_codes();
  signs();
}
