// A few threads that wait for work: for loops of milliseconds, one after another.
#pragma once

#include <functional>
#include <memory>

namespace unrect {

/// Runs tasks 0 … count − 1 on the calling thread and `threads − 1` others. Which thread runs a task is left to chance:
/// tasks must not care.
class Team {
 public:
  explicit Team(int threads);
  ~Team();
  Team(Team&&) = delete;

  /// Returns when every task is done; the first exception of a task is thrown here.
  void run(int count, const std::function<void(int)>& task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unrect
