// Progress that is told at most ten times a second.
#pragma once

#include <chrono>

#include "unrect/base/context.hpp"

namespace unrect {

/// Calls context.progress, when a tenth of a second has passed since the last time. For one thread.
class ProgressReport {
 public:
  /// The context must outlive this.
  explicit ProgressReport(const Context& context) : context_(context) {}

  /// Whether the caller was told just now, and says stop.
  bool stops(const Progress& progress) {
    if (!is_due()) return false;
    told_ = Clock::now();
    return !context_.progress(progress);
  }
  /// Whether the caller is to be told.
  bool is_due() const { return context_.progress && Clock::now() - told_ >= std::chrono::milliseconds(100); }

 private:
  using Clock = std::chrono::steady_clock;

  const Context& context_;
  Clock::time_point told_ = Clock::now();
};

}  // namespace unrect
