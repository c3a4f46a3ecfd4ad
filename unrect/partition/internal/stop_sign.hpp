// Whether anybody waits for the recursion to stop.
#pragma once

#include <fmt/format.h>

#include <functional>

#include "unrect/base/error.hpp"

namespace unrect {

/// Looked at between two questions; asks the caller at every `interval`-th look only, as that may cost more than a
/// question.
class StopSign {
 public:
  explicit StopSign(unsigned interval) : interval_(interval) {}

  /// keep_going must outlive what follows; an empty one never stops.
  void heed(const std::function<bool()>& keep_going) { keep_going_ = keep_going ? &keep_going : nullptr; }
  /// @throws Error kCancelled.
  void look() {
    if (keep_going_ == nullptr || ++looks_ % interval_ != 0) return;
    UNRECT_REQUIRE((*keep_going_)(), ErrorCode::kCancelled, "a unit of work was cancelled");
  }

 private:
  unsigned interval_;
  const std::function<bool()>* keep_going_ = nullptr;
  unsigned looks_ = 0;
};

}  // namespace unrect
