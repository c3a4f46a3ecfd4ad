// A register of doubles at a time: what the dense solver's inner loops are written in.
#pragma once

#include <cstddef>
#include <limits>
#include <utility>

#include "unrect/base/types.hpp"

namespace unrect::simd {

/// No index: what a search over lanes answers where nothing was offered.
inline constexpr Index kNone = std::numeric_limits<Index>::min();

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

// Adds Σ_j x_j columns(j, i …) to acc[u], for the register of rows i that begins at first + u kLane.
template <int kUnroll>
inline void accumulate(const Matrix& columns, const double* x, Index first, Lanes* acc) {
  const double* column = columns.data() + first;
  for (Index j = 0; j < columns.rows(); ++j, column += columns.cols()) {
    for (int u = 0; u < kUnroll; ++u) acc[u] += lanes(column + u * kLane) * x[j];
  }
}

inline Index round_up(Index n) { return (n + kStride - 1) / kStride * kStride; }

}  // namespace unrect::simd
