// The dual active-set simplex method itself (dense_lp.hpp). Its steps are small templates of the number of blocks of
// lanes that a vector takes, and are inlined into one another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/internal/lanes.hpp"

namespace unrect {
namespace {

using namespace simd;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A constraint's index: a row's i ≥ 0, −1 − 2j for x_j ≤ hi_j, −2 − 2j for x_j ≥ lo_j.
Index variable_of(Index bound) { return (-1 - bound) / 2; }
bool is_upper(Index bound) { return bound % 2 != 0; }
double sign_of(Index bound) { return is_upper(bound) ? 1 : -1; }

double bound_value(const Box& box, Index bound) {
  return is_upper(bound) ? box.upper[variable_of(bound)] : box.lower[variable_of(bound)];
}

}  // namespace

// --- the basis ---------------------------------------------------------------------------------------------------

void DenseLp::update_limit(Index row) {
  limit_[row] =
      enabled_[row] ? offset_[row] + tolerances_.feasibility * std::max(1.0, std::abs(offset_[row])) : kInfinity;
}

void DenseLp::start_at_corner() {
  for (const Index constraint : basis_) {
    if (basis_valid_ && constraint >= 0) update_limit(constraint);
  }
  inverse_.setZero();
  for (Index j = 0; j < n_; ++j) {
    const bool upper = cost_[j] < 0;
    basis_[j] = upper ? -1 - 2 * j : -2 - 2 * j;
    inverse_(j, j) = upper ? 1 : -1;
    x_[j] = upper ? box_.upper[j] : box_.lower[j];
    y_[j] = std::abs(cost_[j]);
  }
  basis_valid_ = true;
  since_refactor_ = 0;
}

double DenseLp::violation(Index constraint) const {
  if (constraint >= 0) return rows_.row(constraint).dot(x_) - offset_[constraint];
  return sign_of(constraint) * (x_[variable_of(constraint)] - bound_value(box_, constraint));
}

// w = B⁻ᵀ p for the constraint's normal p.
template <int kBlocks>
void DenseLp::price_normal(Index constraint) {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  const double* p = constraint >= 0 ? rows_.data() + constraint * width_ : nullptr;
  for (Index k = 0; k < end; k += kLane) {
    const double* inverse = inverse_.data() + k;
    Lanes w{};
    if (p != nullptr) {
      for (Index j = 0; j < n_; ++j) w += lanes(inverse + j * end) * p[j];
    } else {
      w = lanes(inverse + variable_of(constraint) * end) * sign_of(constraint);
    }
    lanes(w_.data() + k) = w;
  }
}

// Puts `constraint`, priced in w, in the slot's place.
template <int kBlocks>
void DenseLp::pivot(Index slot, Index constraint) {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  const double* w = w_.data();
  const double reciprocal = 1 / w[slot];
  const double step = y_[slot] * reciprocal;
  const double missed = constraint >= 0
                            ? dot<kBlocks>(rows_.data() + constraint * width_, x_.data(), width_) - offset_[constraint]
                            : violation(constraint);
  for (Index k = 0; k < end; k += kLane) lanes(y_.data() + k) -= lanes(w + k) * step;
  y_[slot] = step;
  double* inverse = inverse_.data();
  for (Index j = 0; j < n_; ++j, inverse += end) {
    const double d = inverse[slot] * reciprocal;
    x_[j] -= missed * d;
    for (Index k = 0; k < end; k += kLane) lanes(inverse + k) -= lanes(w + k) * d;
    inverse[slot] = d;
  }
  if (basis_[slot] >= 0) update_limit(basis_[slot]);
  basis_[slot] = constraint;
  if (constraint >= 0) {
    limit_[constraint] = kInfinity;
  } else {
    x_[variable_of(constraint)] = bound_value(box_, constraint);
  }
  ++since_refactor_;
}

// Inverts the basis anew: from the box's own corner, its rows come in one by one, each where its pivot is largest.
template <int kBlocks>
bool DenseLp::refactor() {
  std::swap(basis_, old_basis_);
  inverse_.setZero();
  for (Index j = 0; j < n_; ++j) {
    basis_[j] = -1 - 2 * j;
    taken_[j] = 0;
  }
  for (const Index constraint : old_basis_) {
    if (constraint >= 0) continue;
    basis_[variable_of(constraint)] = constraint;
    taken_[variable_of(constraint)] = 1;
  }
  for (Index j = 0; j < n_; ++j) inverse_(j, j) = sign_of(basis_[j]);
  bool regular = true;
  for (const Index constraint : old_basis_) {
    if (constraint < 0) continue;
    price_normal<kBlocks>(constraint);
    Index slot = kNone;
    double best = 1e-11;
    for (Index k = 0; k < n_; ++k) {
      if (!taken_[k] && std::abs(w_[k]) > best) best = std::abs(w_[slot = k]);
    }
    if (slot == kNone) {
      update_limit(constraint);
      regular = false;
      continue;
    }
    taken_[slot] = 1;
    pivot<kBlocks>(slot, constraint);
  }
  since_refactor_ = 0;
  recompute<kBlocks>();
  return regular;
}

// x and y from the basis.
template <int kBlocks>
void DenseLp::recompute() {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  for (Index k = 0; k < n_; ++k) {
    residual_[k] = basis_[k] >= 0 ? offset_[basis_[k]] : sign_of(basis_[k]) * bound_value(box_, basis_[k]);
  }
  for (Index j = 0; j < n_; ++j) x_[j] = dot<kBlocks>(inverse_.data() + j * end, residual_.data(), width_);
  refine<kBlocks>();
}

// One step of iterative refinement of x, y afresh; returns how far x was from the basis' rows.
template <int kBlocks>
double DenseLp::refine() {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  double drift = 0;
  for (Index k = 0; k < n_; ++k) {
    if (basis_[k] >= 0) {
      residual_[k] = offset_[basis_[k]] - dot<kBlocks>(rows_.data() + basis_[k] * width_, x_.data(), width_);
      drift = std::max(drift, std::abs(residual_[k]));
    } else {
      residual_[k] = 0;
    }
  }
  recompute_y<kBlocks>();
  for (Index j = 0; j < n_; ++j) x_[j] += dot<kBlocks>(inverse_.data() + j * end, residual_.data(), width_);
  for (Index k = 0; k < n_; ++k) {
    if (basis_[k] < 0) x_[variable_of(basis_[k])] = bound_value(box_, basis_[k]);
  }
  return drift;
}

template <int kBlocks>
void DenseLp::recompute_y() {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  for (Index k = 0; k < end; k += kLane) {
    Lanes y{};
    for (Index j = 0; j < n_; ++j) y -= lanes(inverse_.data() + j * end + k) * cost_[j];
    lanes(y_.data() + k) = y;
  }
}

// --- choosing ----------------------------------------------------------------------------------------------------

template <int kBlocks>
Index DenseLp::most_violated() const {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  Best best(0);
  for (Index k = 0; k < end; k += kLane) {
    const Lanes& x = lanes(x_.data() + k);
    const LaneIndex bound = -1 - 2 * (kIota + k);
    best.offer(x - lanes(upper_limit_.data() + k), bound);
    best.offer(lanes(lower_limit_.data() + k) - x, bound - 1);
  }
  const double* limit = limit_.data();
  const auto look = [&]<int kUnroll>(Index i) {
    Lanes v[kUnroll];
    for (int u = 0; u < kUnroll; ++u) v[u] = -lanes(limit + i + u * kLane);
    accumulate<kUnroll>(columns_, x_.data(), i, v);
    for (int u = 0; u < kUnroll; ++u) best.offer(v[u], kIota + (i + u * kLane));
  };
  Index i = 0;
  for (; i + 3 * kLane < m_; i += 4 * kLane) look.template operator()<4>(i);
  if (i + kLane < m_) {
    look.template operator()<2>(i);
    i += 2 * kLane;
  }
  if (i < m_) look.template operator()<1>(i);
  return best.pick();
}

// Bland: the smallest index.
Index DenseLp::first_violated() const {
  for (Index j = n_ - 1; j >= 0; --j) {
    if (x_[j] < lower_limit_[j]) return -2 - 2 * j;
    if (x_[j] > upper_limit_[j]) return -1 - 2 * j;
  }
  for (Index i = 0; i < m_; ++i) {
    if (rows_.row(i).dot(x_) > limit_[i]) return i;
  }
  return kNone;
}

// Harris' dual ratio test: of the slots that may leave within the tolerance the one with the largest pivot.
template <int kBlocks>
Index DenseLp::leaving_slot(bool bland) const {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  const double tolerance = bland ? 0 : dual_tolerance_;
  Lanes least = Lanes{} + kInfinity;
  for (Index k = 0; k < end; k += kLane) {
    const Lanes& w = lanes(w_.data() + k);
    const Lanes ratio = (lanes(y_.data() + k) + tolerance) / w;
    const LaneIndex better = (w > tolerances_.pivot) & (ratio < least);
    least = better ? ratio : least;
  }
  const double step = smallest(least);
  if (step == kInfinity) return kNone;
  if (bland) {
    Index slot = kNone;
    for (Index k = 0; k < n_; ++k) {
      if (w_[k] > tolerances_.pivot && y_[k] / w_[k] <= step && (slot == kNone || basis_[k] < basis_[slot])) slot = k;
    }
    return slot;
  }
  Best best(0);
  for (Index k = 0; k < end; k += kLane) {
    const Lanes& w = lanes(w_.data() + k);
    const LaneIndex may = (w > tolerances_.pivot) & (lanes(y_.data() + k) <= w * step);
    best.offer(may ? w : Lanes{}, kIota + k);
  }
  return best.pick();
}

// Steepest edge: the slot whose edge, x − s B⁻¹ e_k, makes the cost fall fastest.
template <int kBlocks>
Index DenseLp::improving_slot() const {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  Best best(0);
  for (Index k = 0; k < end; k += kLane) {
    Lanes norm{};
    for (Index j = 0; j < n_; ++j) norm += lanes(inverse_.data() + j * end + k) * lanes(inverse_.data() + j * end + k);
    const Lanes& y = lanes(y_.data() + k);
    best.offer(y < -dual_tolerance_ ? y * y / norm : Lanes{}, kIota + k);
  }
  return best.pick();
}

// Harris' primal ratio test along x − s B⁻¹ e_slot.
template <int kBlocks>
Index DenseLp::first_hit(Index slot) {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  for (Index j = 0; j < n_; ++j) residual_[j] = -inverse_.data()[j * end + slot];
  std::fill(residual_.data() + n_, residual_.data() + end, 0.0);
  const double* edge = residual_.data();
  Lanes least = Lanes{} + kInfinity;
  const auto look = [&]<int kUnroll>(Index first) {
    Lanes reach[kUnroll] = {};
    Lanes rate[kUnroll] = {};
    accumulate<kUnroll>(columns_, x_.data(), first, reach);
    accumulate<kUnroll>(columns_, edge, first, rate);
    for (int u = 0; u < kUnroll; ++u) {
      const Index i = first + u * kLane;
      lanes(slack_.data() + i) = lanes(offset_.data() + i) - reach[u];
      const LaneIndex hits = (rate[u] > tolerances_.pivot) & (lanes(limit_.data() + i) < kInfinity);
      lanes(rate_.data() + i) = hits ? rate[u] : Lanes{};
      const Lanes ratio = (lanes(limit_.data() + i) - reach[u]) / rate[u];
      const LaneIndex sooner = hits & (ratio < least);
      least = sooner ? ratio : least;
    }
  };
  Index i = 0;
  for (; i + kLane < m_; i += 2 * kLane) look.template operator()<2>(i);
  if (i < m_) look.template operator()<1>(i);
  for (Index k = 0; k < end; k += kLane) {
    const Lanes& x = lanes(x_.data() + k);
    const Lanes& rate = lanes(edge + k);
    const Lanes size = rate > 0 ? rate : -rate;
    const Lanes ratio = (rate > 0 ? lanes(upper_limit_.data() + k) - x : x - lanes(lower_limit_.data() + k)) / size;
    const LaneIndex sooner = (size > tolerances_.pivot) & (ratio < least);
    least = sooner ? ratio : least;
  }
  const double step = smallest(least);
  if (step == kInfinity) return kNone;
  Best row(0);
  for (i = 0; i < m_; i += kLane) {
    const Lanes& rate = lanes(rate_.data() + i);
    row.offer(lanes(slack_.data() + i) <= rate * step ? rate : Lanes{}, kIota + i);
  }
  Best side(tolerances_.pivot);
  for (Index k = 0; k < end; k += kLane) {
    const Lanes& x = lanes(x_.data() + k);
    const Lanes& rate = lanes(edge + k);
    const Lanes size = rate > 0 ? rate : -rate;
    const Lanes slack = rate > 0 ? lanes(upper_.data() + k) - x : x - lanes(lower_.data() + k);
    side.offer(slack <= size * step ? size : Lanes{}, kIota + k);
  }
  const Index constraint = row.pick();
  const Index j = side.pick();
  if (j == kNone || (constraint != kNone && rate_[constraint] >= std::abs(edge[j]))) return constraint;
  return edge[j] > 0 ? -1 - 2 * j : -2 - 2 * j;
}

// --- solving -----------------------------------------------------------------------------------------------------

// Fills row_duals and reduced_costs with y, or with the Farkas ray that lets `farkas_row` in, and returns the bound
// that they prove. Rounding: each sum has at most 2n + 4 terms, hence the last line (with room for the norms' own
// errors).
template <int kBlocks>
double DenseLp::charge(Index farkas) {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
  result_.row_duals.setZero();
  for (Index k = 0; k < end; k += kLane) {
    const Lanes c = farkas == kNone ? lanes(cost_.data() + k) : Lanes{};
    lanes(residual_.data() + k) = c;
    lanes(magnitude_.data() + k) = c > 0 ? c : -c;
  }
  double total = 0;
  double size = 0;
  const auto add = [&](Index row, double multiplier) {
    if (row < 0 || !(multiplier > 0)) return;
    result_.row_duals[row] = multiplier * scale_[row];
    total -= multiplier * offset_[row];
    size += std::abs(multiplier * offset_[row]);
    for (Index k = 0; k < end; k += kLane) {
      const Lanes term = lanes(rows_.data() + row * width_ + k) * multiplier;
      lanes(residual_.data() + k) += term;
      lanes(magnitude_.data() + k) += term > 0 ? term : -term;
    }
  };
  if (farkas != kNone) add(farkas, 1);
  for (Index k = 0; k < n_; ++k) add(basis_[k], farkas == kNone ? y_[k] : -w_[k]);
  for (Index j = 0; j < n_; ++j) {
    const double at_lower = residual_[j] * box_.lower[j];
    const double at_upper = residual_[j] * box_.upper[j];
    total += std::min(at_lower, at_upper);
    size += magnitude_[j] * std::max(std::abs(box_.lower[j]), std::abs(box_.upper[j]));
    result_.reduced_costs[j] = residual_[j];
  }
  return total - static_cast<double>(2 * n_ + 8) * std::numeric_limits<double>::epsilon() * size;
}

// From a primal feasible basis to a dual feasible one.
template <int kBlocks>
bool DenseLp::primal_pivots() {
  const int limit = pivots_ + 20 + static_cast<int>(10 * n_ + m_);
  while (pivots_ < limit) {
    const Index slot = improving_slot<kBlocks>();
    if (slot == kNone) return true;
    const Index constraint = first_hit<kBlocks>(slot);
    if (constraint == kNone) return false;
    price_normal<kBlocks>(constraint);
    if (!(w_[slot] < -0.5 * tolerances_.pivot)) return false;
    pivot<kBlocks>(slot, constraint);
    ++pivots_;
    if (since_refactor_ >= tolerances_.refactor && !refactor<kBlocks>()) return false;
  }
  return false;
}

// From a dual feasible basis to the optimum.
template <int kBlocks>
LpStatus DenseLp::dual_pivots(double cutoff) {
  const int limit = pivots_ + 100 + static_cast<int>(20 * (n_ + m_));
  const int patience = static_cast<int>(20 + 2 * n_);
  int stalled = 0;
  bool mended = false;
  const auto renew = [&] {
    if (!refactor<kBlocks>()) start_at_corner();
  };
  while (pivots_ < limit) {
    const bool bland = stalled > patience;
    const Index entering = bland ? first_violated() : most_violated<kBlocks>();
    if (cutoff < kNoCutoff && entering != kNone && dot<kBlocks>(cost_.data(), x_.data(), width_) > cutoff &&
        charge<kBlocks>(kNone) > cutoff) {
      return LpStatus::kCutoff;
    }
    if (entering == kNone) {
      if (since_refactor_ == 0) return LpStatus::kOptimal;
      if (refine<kBlocks>() > tolerances_.feasibility) {
        renew();
        continue;
      }
      // Harris' tolerance lets multipliers go a little below 0; the vertex is feasible, so primal pivots can mend it.
      // If they cannot, safe_bound tells by how much.
      if (mended || improving_slot<kBlocks>() == kNone) return LpStatus::kOptimal;
      mended = true;
      primal_pivots<kBlocks>();
      continue;
    }
    price_normal<kBlocks>(entering);
    const Index slot = leaving_slot<kBlocks>(bland);
    if (slot == kNone) {
      if (since_refactor_ == 0 || charge<kBlocks>(entering) > 0) {
        result_.safe_bound = charge<kBlocks>(entering) > 0 ? kInfinity : -kInfinity;
        return LpStatus::kInfeasible;
      }
      renew();
      continue;
    }
    if (w_[slot] < 1e-6 && since_refactor_ > 0) {
      renew();
      continue;
    }
    stalled = y_[slot] > dual_tolerance_ * w_[slot] ? 0 : stalled + 1;
    pivot<kBlocks>(slot, entering);
    ++pivots_;
    const Index end = kBlocks > 0 ? kBlocks * kStride : width_;
    for (Index k = 0; k < end; k += kLane) {
      Lanes& y = lanes(y_.data() + k);
      y = y > 0 ? y : Lanes{};
    }
    if (since_refactor_ >= tolerances_.refactor) renew();
  }
  return LpStatus::kIterationLimit;
}

// Whether the last basis is a start for dual pivots, perhaps after primal ones.
template <int kBlocks>
bool DenseLp::resume() {
  if (!basis_valid_) return false;
  for (const Index constraint : basis_) {
    if (constraint >= 0) limit_[constraint] = kInfinity;
  }
  if (x_current_) {
    recompute_y<kBlocks>();
  } else {
    recompute<kBlocks>();
  }
  if (improving_slot<kBlocks>() == kNone) {
    y_ = y_.cwiseMax(0);
    return true;
  }
  return most_violated<kBlocks>() == kNone && primal_pivots<kBlocks>();
}

template <int kBlocks>
LpStatus DenseLp::solve(Start start, double cutoff) {
  if (start == Start::kCorner || !resume<kBlocks>()) start_at_corner();
  const LpStatus status = dual_pivots<kBlocks>(cutoff);
  x_current_ = status == LpStatus::kOptimal;
  if (status != LpStatus::kInfeasible) result_.safe_bound = charge<kBlocks>(kNone);
  return status;
}

const LpResult& DenseLp::run(const VectorRef& cost, double sign, Start start, double cutoff) {
  UNRECT_REQUIRE(cost.size() == n_, ErrorCode::kInvalidArgument, "dense lp: a cost of {} entries; expected {}",
                 cost.size(), n_);
  double largest = 0;
  for (Index j = 0; j < n_; ++j) {
    cost_[j] = sign * cost[j];
    largest = std::max(largest, std::abs(cost[j]));
  }
  UNRECT_REQUIRE(std::isfinite(cost.sum()), ErrorCode::kInvalidArgument, "dense lp: a cost that is not finite");
  dual_tolerance_ = tolerances_.dual * largest;
  pivots_ = 0;
  if (result_.row_duals.size() != m_) result_.row_duals.resize(m_);
  result_.status = width_ == kStride       ? solve<1>(start, cutoff)
                   : width_ == 2 * kStride ? solve<2>(start, cutoff)
                                           : solve<0>(start, cutoff);
  for (const Index constraint : basis_) {
    if (constraint >= 0) update_limit(constraint);
  }
  result_.x = x_.head(n_);
  result_.objective = cost.dot(result_.x);
  result_.safe_bound *= sign;
  result_.pivots = pivots_;
  return result_;
}

const LpResult& DenseLp::minimize(const VectorRef& cost, Start start, double cutoff) {
  return run(cost, 1, start, cutoff);
}

const LpResult& DenseLp::maximize(const VectorRef& cost, Start start, double cutoff) {
  return run(cost, -1, start, -cutoff);
}

}  // namespace unrect
