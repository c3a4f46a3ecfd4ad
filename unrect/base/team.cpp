#include "unrect/base/internal/team.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace unrect {

struct Team::State {
  std::mutex mutex;
  std::condition_variable start, finish;
  const std::function<void(int)>* task = nullptr;
  int count = 0;
  int round = 0;  // of run(); a worker that sees a new one takes part in it
  int busy = 0;   // workers that have not finished this round
  bool stop = false;
  std::atomic<int> next = 0;
  std::exception_ptr failure;
  std::vector<std::thread> workers;

  void work() {
    for (int i = next++; i < count; i = next++) {
      try {
        (*task)(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  }

  void serve() {
    int seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      start.wait(lock, [&] { return stop || round != seen; });
      if (stop) return;
      seen = round;
      lock.unlock();
      work();
      lock.lock();
      if (--busy == 0) finish.notify_one();
    }
  }
};

Team::Team(int threads) : state_(std::make_unique<State>()) {
  for (int i = 1; i < threads; ++i) state_->workers.emplace_back([state = state_.get()] { state->serve(); });
}

Team::~Team() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void Team::run(int count, const std::function<void(int)>& task) {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    s.task = &task;
    s.count = count;
    s.next = 0;
    s.busy = static_cast<int>(s.workers.size());
    ++s.round;
  }
  s.start.notify_all();
  s.work();
  std::unique_lock lock(s.mutex);
  s.finish.wait(lock, [&] { return s.busy == 0; });
  if (const std::exception_ptr failure = std::exchange(s.failure, nullptr)) std::rethrow_exception(failure);
}

}  // namespace unrect
