#include "unrect/signal/phase_transition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace unrect {
namespace {

double density(double t) { return std::exp(-0.5 * t * t) / std::sqrt(2 * std::numbers::pi); }
double tail(double t) { return 0.5 * std::erfc(t / std::numbers::sqrt2); }

}  // namespace

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
  auto told = std::chrono::steady_clock::now();
  for (Index cell = 0; cell < map.success.size(); ++cell) {
    const auto now = std::chrono::steady_clock::now();
    if (context.progress && now - told >= std::chrono::milliseconds(100)) {
      told = now;
      if (!context.progress({"cells", static_cast<double>(cell), static_cast<double>(map.success.size())})) break;
    }
    const Index m = part_of(deltas(cell / rhos.size()), n), k = part_of(rhos(cell % rhos.size()), m);
    int found = 0;
    for (int trial = 0; trial < trials; ++trial) {
      Rng rng = Rng(context.seed).split(static_cast<std::uint64_t>(cell)).split(static_cast<std::uint64_t>(trial));
      const Matrix a = gaussian_operator(m, n, rng.split(0)).to_matrix();
      Vector x = Vector::Zero(n);
      // The columns are all alike: which entries are set does not matter.
      x.head(k) = rng.normal_vector(k);
      found += (solver(a, a * x) - x).norm() <= 1e-3 * x.norm() ? 1 : 0;
    }
    map.success.data()[cell] = static_cast<double>(found) / trials;
  }
  return map;
}

}  // namespace unrect
