// Work on blocks of samples: cut by their number alone and summed in one order, so that no result depends on threads.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
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

/// work(0), …, work(count − 1) on up to `threads` threads. Rethrows the first exception.
template <class Work>
void for_blocks(std::size_t count, int threads, const Work& work) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  {
    std::vector<std::jthread> crew;
    for (std::size_t t = 0; t < std::min<std::size_t>(count, static_cast<std::size_t>(threads)); ++t)
      crew.emplace_back([&] {
        try {
          for (std::size_t i = next++; i < count; i = next++) work(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          failure = std::current_exception();
        }
      });
  }
  if (failure) std::rethrow_exception(failure);
}

/// ((t_0 + t_1) + (t_2 + t_3)) + …: whoever holds an aligned power of two of the terms can sum them first.
inline Matrix tree_sum(std::vector<Matrix> terms) {
  for (std::size_t step = 1; step < terms.size(); step *= 2)
    for (std::size_t i = 0; i + step < terms.size(); i += 2 * step) terms[i] += terms[i + step];
  return std::move(terms.front());
}

}  // namespace unrect
