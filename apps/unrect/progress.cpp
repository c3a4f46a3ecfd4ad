#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>

namespace unrect::cli {
namespace {

std::atomic<bool> stop = false;
extern "C" void interrupt(int) { stop = true; }

}  // namespace

ProgressLine::ProgressLine(int threads, std::uint64_t seed, std::function<std::string(const Progress&, double)> line)
    : terminal_(isatty(STDERR_FILENO) != 0) {
  context_.threads = threads;
  context_.seed = seed;
  const auto start = std::chrono::steady_clock::now();
  context_.progress = [terminal = terminal_, start, line = std::move(line)](const Progress& progress) {
    if (terminal) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      fmt::print(stderr, "\r\033[K{}", line(progress, seconds.count()));
    }
    return !stop;
  };
  std::signal(SIGINT, interrupt);
}

ProgressLine::~ProgressLine() {
  std::signal(SIGINT, SIG_DFL);
  if (terminal_) fmt::print(stderr, "\r\033[K");
}

bool ProgressLine::interrupted() { return stop; }

}  // namespace unrect::cli
