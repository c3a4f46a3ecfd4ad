#include "unrect/polytope/dense_lp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr Index kNone = std::numeric_limits<Index>::min();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The doubles of one SIMD register; vectors are padded to kStride whatever the register.
#if defined(__AVX512F__)
constexpr Index kLane = 8;
#elif defined(__AVX2__)
constexpr Index kLane = 4;
#else
constexpr Index kLane = 2;
#endif
constexpr Index kStride = 8;
typedef double Lanes __attribute__((vector_size(kLane * 8), may_alias));
typedef long long LaneIndex __attribute__((vector_size(kLane * 8), may_alias));
using LaneSequence = std::make_index_sequence<kLane>;

inline const Lanes& lanes(const double* p) { return *reinterpret_cast<const Lanes*>(p); }
inline Lanes& lanes(double* p) { return *reinterpret_cast<Lanes*>(p); }

template <std::size_t... I>
constexpr LaneIndex count_up(std::index_sequence<I...> /*lanes*/) {
  return LaneIndex{static_cast<long long>(I)...};
}
constexpr LaneIndex kIota = count_up(LaneSequence());

// Lane i of the result is lane i + kShift of v, cyclically.
template <Index kShift, class V, std::size_t... I>
inline V rotate(const V& v, std::index_sequence<I...> /*lanes*/) {
  return __builtin_shufflevector(v, v, ((I + kShift) % kLane)...);
}

// Calls step(rotation by kLane / 2), step(rotation by kLane / 4), … : a reduction over the lanes.
template <Index kShift = kLane / 2, class Step>
inline void fold_lanes(const Step& step) {
  if constexpr (kShift > 0) {
    step([](const auto& v) { return rotate<kShift>(v, LaneSequence()); });
    fold_lanes<kShift / 2>(step);
  }
}

// The largest of many values with its index; the lower index among equals.
struct Best {
  Lanes value;
  LaneIndex index;

  explicit Best(double floor) : value(Lanes{} + floor), index(LaneIndex{} + kNone) {}
  void offer(const Lanes& v, const LaneIndex& i) {
    const LaneIndex better = v > value;
    value = better ? v : value;
    index = better ? i : index;
  }
  Index pick() {
    fold_lanes([&](const auto& turned) {
      const Lanes v = turned(value);
      const LaneIndex i = turned(index);
      const LaneIndex better = (v > value) | ((v == value) & (i < index));
      value = better ? v : value;
      index = better ? i : index;
    });
    return static_cast<Index>(index[0]);
  }
};

inline double smallest(Lanes v) {
  fold_lanes([&](const auto& turned) {
    const Lanes other = turned(v);
    v = other < v ? other : v;
  });
  return v[0];
}

inline double sum(Lanes v) {
  fold_lanes([&](const auto& turned) { v += turned(v); });
  return v[0];
}

template <int kBlocks>
inline double dot(const double* a, const double* b, Index width) {
  const Index end = kBlocks > 0 ? kBlocks * kStride : width;
  Lanes total = lanes(a) * lanes(b);
  for (Index k = kLane; k < end; k += kLane) total += lanes(a + k) * lanes(b + k);
  return sum(total);
}

// acc[u] += columns(:, rows first + 8u …) x.
template <int kUnroll>
inline void accumulate(const Matrix& columns, const double* x, Index first, Lanes* acc) {
  const double* column = columns.data() + first;
  for (Index j = 0; j < columns.rows(); ++j, column += columns.cols()) {
    for (int u = 0; u < kUnroll; ++u) acc[u] += lanes(column + u * kLane) * x[j];
  }
}

Index round_up(Index n) { return (n + kStride - 1) / kStride * kStride; }

// A constraint's index: a row's i ≥ 0, −1 − 2j for x_j ≤ hi_j, −2 − 2j for x_j ≥ lo_j.
Index variable_of(Index bound) { return (-1 - bound) / 2; }
bool is_upper(Index bound) { return bound % 2 != 0; }
double sign_of(Index bound) { return is_upper(bound) ? 1 : -1; }

double bound_value(const Box& box, Index bound) {
  return is_upper(bound) ? box.upper[variable_of(bound)] : box.lower[variable_of(bound)];
}

}  // namespace

std::string_view to_string(LpStatus status) {
  switch (status) {
    case LpStatus::kOptimal:
      return "optimal";
    case LpStatus::kInfeasible:
      return "infeasible";
    case LpStatus::kUnbounded:
      return "unbounded";
    case LpStatus::kCutoff:
      return "cutoff";
    case LpStatus::kIterationLimit:
      return "iteration limit";
  }
  return "?";
}

// --- the problem -------------------------------------------------------------------------------------------------

DenseLp::DenseLp(Box box, LpTolerances tolerances)
    : n_(box.dimension()), width_(round_up(n_)), tolerances_(tolerances), basis_(n_), old_basis_(n_), taken_(n_) {
  UNRECT_REQUIRE(n_ > 0, ErrorCode::kInvalidArgument, "dense lp: a box of dimension 0; expected at least 1");
  inverse_ = Matrix::Zero(n_, width_);
  for (Vector* v : {&cost_, &x_, &y_, &w_, &residual_, &magnitude_}) *v = Vector::Zero(width_);
  lower_limit_ = Vector::Constant(width_, -kInfinity);
  upper_limit_ = Vector::Constant(width_, kInfinity);
  lower_ = upper_ = Vector::Zero(width_);
  result_.x = result_.reduced_costs = Vector::Zero(n_);
  set_box(std::move(box));
  reserve(kStride);
}

DenseLp::DenseLp(const Halfspaces& rows, Box box, LpTolerances tolerances) : DenseLp(std::move(box), tolerances) {
  set_rows(rows.normals, rows.offsets);
}

void DenseLp::set_box(Box box) {
  UNRECT_REQUIRE(box.dimension() == n_, ErrorCode::kInvalidArgument, "dense lp: a box of dimension {}; expected {}",
                 box.dimension(), n_);
  box_ = std::move(box);
  x_current_ = false;
  lower_.head(n_) = box_.lower;
  upper_.head(n_) = box_.upper;
  for (Index j = 0; j < n_; ++j) {
    lower_limit_[j] = box_.lower[j] - tolerances_.feasibility * std::max(1.0, std::abs(box_.lower[j]));
    upper_limit_[j] = box_.upper[j] + tolerances_.feasibility * std::max(1.0, std::abs(box_.upper[j]));
  }
}

void DenseLp::reserve(Index rows) {
  const Index old = limit_.size();
  if (rows <= old) return;
  const Index capacity = round_up(std::max(rows, 2 * old));
  rows_.conservativeResize(capacity, width_);
  rows_.bottomRows(capacity - old).setZero();
  columns_.conservativeResize(n_, capacity);
  columns_.rightCols(capacity - old).setZero();
  for (Vector* v : {&offset_, &scale_, &slack_, &rate_}) {
    v->conservativeResize(capacity);
    v->tail(capacity - old).setZero();
  }
  limit_.conservativeResize(capacity);
  limit_.tail(capacity - old).setConstant(kInfinity);
  enabled_.resize(capacity, 0);
}

void DenseLp::put_row(Index row, const VectorRef& normal, double offset) {
  UNRECT_REQUIRE(normal.allFinite() && std::isfinite(offset), ErrorCode::kInvalidArgument,
                 "dense lp: row {} has an entry that is not finite", row);
  const double norm = normal.stableNorm();
  // To a length of √2 to 2√2: all unit vectors are scaled alike, whatever their rounding, and rows, being a little
  // longer than the normals of the box, come in before the sides of one that is far away. Lengths beyond 2^±1000 are
  // brought nearer only: the scale and its inverse stay finite.
  scale_[row] = norm > 0 ? std::ldexp(1.0, std::clamp(1 - std::ilogb(std::numbers::sqrt2 * norm), -1000, 1000)) : 1;
  rows_.row(row).head(n_) = scale_[row] * normal.transpose();
  columns_.col(row) = rows_.row(row).head(n_).transpose();
  offset_[row] = scale_[row] * offset;
  enabled_[row] = 1;
  update_limit(row);
}

void DenseLp::update_limit(Index row) {
  limit_[row] =
      enabled_[row] ? offset_[row] + tolerances_.feasibility * std::max(1.0, std::abs(offset_[row])) : kInfinity;
}

void DenseLp::forget_basis_with(Index row) {
  if (std::find(basis_.begin(), basis_.end(), row) != basis_.end()) basis_valid_ = false;
}

void DenseLp::check_row(Index row) const {
  UNRECT_REQUIRE(row >= 0 && row < m_, ErrorCode::kInvalidArgument, "dense lp: row {}; expected 0 to {}", row, m_ - 1);
}

void DenseLp::set_rows(const MatrixRef& normals, const VectorRef& offsets) {
  UNRECT_REQUIRE(normals.cols() == n_ && normals.rows() == offsets.size(), ErrorCode::kInvalidArgument,
                 "dense lp: rows are {} × {} with {} offsets; expected {} columns and as many offsets as rows",
                 normals.rows(), normals.cols(), offsets.size(), n_);
  basis_valid_ = false;
  for (Index i = normals.rows(); i < m_; ++i) {
    enabled_[i] = 0;
    update_limit(i);
  }
  reserve(normals.rows());
  m_ = normals.rows();
  for (Index i = 0; i < m_; ++i) put_row(i, normals.row(i).transpose(), offsets[i]);
}

Index DenseLp::append_row(const VectorRef& normal, double offset) {
  UNRECT_REQUIRE(normal.size() == n_, ErrorCode::kInvalidArgument, "dense lp: a row of {} entries; expected {}",
                 normal.size(), n_);
  reserve(m_ + 1);
  put_row(m_, normal, offset);
  return m_++;
}

void DenseLp::pop_row() {
  UNRECT_REQUIRE(m_ > 0, ErrorCode::kInvalidArgument, "dense lp: no row to remove");
  enable_row(m_ - 1, false);
  --m_;
}

void DenseLp::set_offset(Index row, double offset) {
  check_row(row);
  UNRECT_REQUIRE(std::isfinite(offset), ErrorCode::kInvalidArgument, "dense lp: the offset of row {} is not finite",
                 row);
  offset_[row] = scale_[row] * offset;
  x_current_ = false;
  update_limit(row);
}

void DenseLp::enable_row(Index row, bool enabled) {
  check_row(row);
  enabled_[row] = enabled;
  update_limit(row);
  if (!enabled) forget_basis_with(row);
}

// --- the basis ---------------------------------------------------------------------------------------------------

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

Matrix DenseLp::basis_inverse() const {
  Matrix inverse = inverse_.leftCols(n_);
  for (Index k = 0; k < n_; ++k) {
    if (basis_[k] >= 0) inverse.col(k) *= scale_[basis_[k]];
  }
  return inverse;
}

}  // namespace unrect
