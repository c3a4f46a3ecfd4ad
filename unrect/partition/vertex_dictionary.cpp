#include "unrect/partition/internal/vertex_dictionary.hpp"

#include <cmath>
#include <limits>

namespace unrect {
namespace {

using Lanes = Eigen::Array<double, VertexDictionary::kLanes, 1>;
using In = Eigen::Map<const Lanes>;
using Out = Eigen::Map<Lanes>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

void VertexDictionary::reset(Index k, Index rows) {
  k_ = k;
  rows_ = rows;
  columns_.setZero(k, rows);
  slack_.setOnes(rows);
  far_.setZero(rows);
  ratio_.resize(rows);
  walls_.assign(static_cast<std::size_t>(k), kNone);
}

void VertexDictionary::set_wall(Index b, Index row) {
  if (const Index before = wall(b); before != kNone) far_[before] = 0;
  walls_[static_cast<std::size_t>(b)] = row;
  for (Index j = 0; j < k_; ++j) columns_.data()[j * rows_ + row] = j == b ? 1 : 0;
  slack_[row] = 0;
  far_[row] = kInfinity;
}

Index VertexDictionary::falling(Index row) const {
  Index best = kNone;
  double least = -kPivot;
  for (Index b = 0; b < k_; ++b) {
    if (entry(row, b) < least) {
      least = entry(row, b);
      best = b;
    }
  }
  return best;
}

Index VertexDictionary::first_hit(Index b) {
  const double* const column = columns_.data() + b * rows_;
  const double* const slack = slack_.data();
  double* const ratio = ratio_.data();
  for (Index i = 0; i < rows_; ++i) {
    const double over = (slack[i] > 0 ? slack[i] : 0.0) / -column[i];
    ratio[i] = column[i] < -kPivot ? over : kInfinity;
  }
  Lanes least = In(ratio);
  for (Index i = kLanes; i < rows_; i += kLanes) least = least.min(In(ratio + i));
  const double step = least.minCoeff();
  if (!(step < kInfinity)) return kNone;
  Index hit = kNone;
  for (Index i = 0; i < rows_; ++i) hit = ratio[i] == step ? i : hit;
  return hit;
}

void VertexDictionary::pivot(Index b, Index row) {
  double* const column = columns_.data() + b * rows_;
  const double reciprocal = 1 / column[row];
  const double missing = -slack_[row] * reciprocal;
  for (Index i = 0; i < rows_; i += kLanes) Out(slack_.data() + i) += missing * In(column + i);
  for (Index j = 0; j < k_; ++j) {
    if (j == b) continue;
    double* const other = columns_.data() + j * rows_;
    const double factor = -other[row] * reciprocal;
    if (factor == 0) continue;
    for (Index i = 0; i < rows_; i += kLanes) Out(other + i) += factor * In(column + i);
  }
  for (Index i = 0; i < rows_; i += kLanes) Out(column + i) *= reciprocal;
  set_wall(b, row);
}

double VertexDictionary::room() {
  Lanes least = Lanes::Constant(kInfinity);
  for (Index i = 0; i < rows_; i += kLanes) {
    Lanes rate = Lanes::Zero();
    for (Index b = 0; b < k_; ++b) rate += In(columns_.data() + b * rows_ + i).abs();
    least = least.min((In(slack_.data() + i) + In(far_.data() + i)) / rate);
  }
  return least.minCoeff();
}

}  // namespace unrect
