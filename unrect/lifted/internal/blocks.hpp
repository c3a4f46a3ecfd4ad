// Blocks of samples: cut by their number alone and summed in one order, so that no result depends on threads.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// First rows of the blocks that `rows` samples are cut into, and `rows` itself at the end: at most 16 blocks, each of
/// at least 64 rows (one, if there are fewer).
inline std::vector<Index> block_starts(Index rows) {
  const Index blocks = std::max<Index>(1, std::min<Index>(16, rows / 64));
  std::vector<Index> starts;
  for (Index i = 0; i <= blocks; ++i) starts.push_back(rows * i / blocks);
  return starts;
}

/// ((t_0 + t_1) + (t_2 + t_3)) + …: whoever holds an aligned power of two of the terms can sum them first.
inline Matrix tree_sum(std::vector<Matrix> terms) {
  for (std::size_t step = 1; step < terms.size(); step *= 2)
    for (std::size_t i = 0; i + step < terms.size(); i += 2 * step) terms[i] += terms[i + step];
  return std::move(terms.front());
}

/// The largest, or NaN where one is: a residual that cannot be computed is not small.
inline double largest_of(std::initializer_list<double> values) {
  double most = *values.begin();
  for (const double value : values) most = value <= most || most != most ? most : value;
  return most;
}

}  // namespace unrect
