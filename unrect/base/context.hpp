// What a long computation is told from outside: how many threads, which seed, whom to report to.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace unrect {

struct Progress {
  std::string_view what;  // "regions", "epochs", …
  double done = 0;        // in the same unit as total
  double total = 0;       // 0 when not known
};

struct Context {
  int threads = 1;         // ≥ 1; results never depend on it
  std::uint64_t seed = 0;  // of every random choice
  // Called at most ten times a second; returning false cancels and leaves a usable partial result.
  std::function<bool(const Progress&)> progress{};
};

}  // namespace unrect
