#include "unrect/partition/internal/vertex_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows are scaled to a largest coefficient of 1; a pivot below this means an inverse of 1e9 and more. Each form may be
// off by 4 ε over the domain, so the point would be by 1e-6 of it: farther than the vertices that come here. That what
// is kept is good enough, bound() says, whatever the pivots were.
constexpr double kLeastPivot = 1e-9;

}  // namespace

void VertexSolver::begin(Index walls) {
  walls_ = walls;
  if (system_.rows() < walls) {
    system_.resize(walls, k_ + 1);
    work_.resize(walls, 2 * k_);
    error_.resize(walls);
    gradient_.resize(walls);
  }
}

void VertexSolver::set_doubt(Index i, const Doubt& doubt) {
  error_[i] = doubt.error;
  gradient_[i] = doubt.gradient;
}

// Two steps of Newton's method with the inverse X ≈ A⁻¹, t ← t − X f(t), from the point that is known: the first
// removes nearly all of its displacement, the second the rounding of the first.
double VertexSolver::solve() {
  if (!choose_and_invert()) return kInfinity;
  improve();
  return bound();
}

// k independent walls are moved to the top of the system, and their normals inverted: Gauss–Jordan elimination with the
// largest relative pivot.
bool VertexSolver::choose_and_invert() {
  const Index m = walls_;
  const Index width = k_ + 1;
  double* const work = work_.data();
  std::fill_n(work, m * 2 * k_, 0.0);
  for (Index i = 0; i < m; ++i) {
    double* const row = form(i);
    double largest = std::numeric_limits<double>::min();
    for (Index d = 0; d < k_; ++d) largest = std::max(largest, std::abs(row[d]));
    for (Index d = 0; d < width; ++d) row[d] /= largest;
    gradient_[i] /= largest;
    // Scaling rounds each coefficient, by ε/2 of at most 1, and the constant, which is at most the domain's size where
    // the wall meets it: 4 ε · size covers both and the divisions of the doubts.
    error_[i] = error_[i] / largest + 4 * kEpsilon * size_;
    std::copy_n(row, k_, work + i * 2 * k_);
  }
  const auto at = [&](Index i, Index d) -> double& { return work[i * 2 * k_ + d]; };
  column_.clear();
  for (Index step = 0; step < k_; ++step) {
    Index row = step;
    Index column = 0;
    double best = 0;
    // As many walls as dimensions: every column will be needed, so any order of them serves.
    const Index from = m == k_ ? step : 0;
    const Index to = m == k_ ? step + 1 : k_;
    for (Index i = step; i < m; ++i) {
      for (Index d = from; d < to; ++d) {
        if (std::abs(at(i, d)) > best) best = std::abs(at(row = i, column = d));
      }
    }
    if (best < kLeastPivot) return false;
    if (row != step) {
      std::swap_ranges(&at(step, 0), &at(step, 0) + 2 * k_, &at(row, 0));
      std::swap_ranges(form(step), form(step) + width, form(row));
      std::swap(error_[step], error_[row]);
      std::swap(gradient_[step], gradient_[row]);
    }
    column_.push_back(column);
    at(step, k_ + step) = 1;
    const double pivot = 1 / at(step, column);
    for (Index d = 0; d < 2 * k_; ++d) at(step, d) *= pivot;
    for (Index i = 0; i < m; ++i) {
      const double factor = at(i, column);
      if (i == step || factor == 0) continue;
      for (Index d = 0; d < 2 * k_; ++d) at(i, d) -= factor * at(step, d);
    }
  }
  for (Index step = 0; step < k_; ++step) {
    std::copy_n(work + step * 2 * k_ + k_, k_, inverse_.data() + column_[static_cast<std::size_t>(step)] * k_);
  }
  return true;
}

void VertexSolver::improve() {
  for (int step = 0;; ++step) {
    for (Index i = 0; i < k_; ++i) {
      const double* const row = form(i);
      double f = row[k_];
      for (Index d = 0; d < k_; ++d) f += row[d] * point_[d];
      residual_[i] = f;
    }
    if (step == 2) return;
    for (Index d = 0; d < k_; ++d) {
      const double* const row = inverse_.data() + d * k_;
      for (Index i = 0; i < k_; ++i) point_[d] -= row[i] * residual_[i];
    }
  }
}

// The true forms are A* t + b* with |A* − A| and errors as charged. From A* (t − t*) = f(t) + errors follows
// ‖t − t*‖ ≤ ‖X‖ (|residual| + errors) / (1 − ‖I − X A*‖) in the maximum norm, row by row where rows are at hand.
double VertexSolver::bound() const {
  double norm = 0;    // ‖X‖
  double size = 0;    // ‖A‖
  double defect = 0;  // ‖I − X A*‖
  double wrong = 0;   // ‖|X| (|residual| + errors)‖
  const Index width = k_ + 1;
  const double* const system = system_.data();
  for (Index d = 0; d < k_; ++d) {
    const double* const inverse = inverse_.data() + d * k_;
    double row = 0;
    double row_size = 0;
    double row_defect = 0;
    double row_wrong = 0;
    for (Index i = 0; i < k_; ++i) {
      const double x = inverse[i];
      row += std::abs(x);
      row_size += std::abs(system[d * width + i]);
      row_wrong += std::abs(x) * (std::abs(residual_[i]) + error_[i]);
      double product = d == i ? -1.0 : 0.0;
      for (Index e = 0; e < k_; ++e) product += inverse[e] * system[e * width + i];
      row_defect += std::abs(product) + std::abs(x) * gradient_[i];
    }
    norm = std::max(norm, row);
    size = std::max(size, row_size);
    defect = std::max(defect, row_defect);
    wrong = std::max(wrong, row_wrong);
  }
  // A row of X A − I is k products, k sums: (k + 2) ε of the sum of their sizes is twice what they can lose.
  defect += norm * static_cast<double>(k_ + 2) * kEpsilon * size;
  if (!(defect < 0.5)) return kInfinity;
  return kRoundedUp * wrong / (1 - defect);
}

}  // namespace unrect
