// Which search a domain gets, and until when.
#pragma once

#include "unrect/verify/internal/box_search.hpp"
#include "unrect/verify/internal/unit_search.hpp"

namespace unrect {

using Clock = std::chrono::steady_clock;

/// So many seconds after `start`; 0: never.
inline Clock::time_point deadline_after(Clock::time_point start, double seconds) {
  return seconds > 0 && seconds < 1e9
             ? start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))
             : Clock::time_point::max();
}

/// Up to eight inputs that vary boxes are halved; beyond, units are split.
inline SearchOutcome search_engine(const SearchTask& task) {
  return task.query.dimension() <= 8 ? search_boxes(task) : search_units(task);
}

}  // namespace unrect
