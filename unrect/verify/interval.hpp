// How a search for a number ended.
#pragma once

#include <string_view>

namespace unrect {

enum class IntervalStatus {
  kClosed,   // upper − lower is at most the gap that was asked for
  kTimeout,  // the time limit came first; the interval holds all the same
  kUnknown,  // neither; `reason` says why; the interval holds all the same
  kEmpty,    // proved: there is no input
};
std::string_view to_string(IntervalStatus status);

}  // namespace unrect
