#include "progress.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "unrect/base/file.hpp"

namespace unrect::cli {
namespace {

std::atomic<int> came = 0;    // the signal, 0 for none
std::atomic<int> askers = 0;  // computations that look at `came`
std::atomic<bool> terminal = false;

void tell(const char* text) { [[maybe_unused]] const auto put = ::write(STDERR_FILENO, text, std::strlen(text)); }

extern "C" void interrupt(int signal) {
  const int before = came.exchange(signal);
  if (before == 0 && askers > 0) {
    if (terminal) tell("\r\033[Kstopping; once more ends at once");
    return;
  }
  discard_unfinished_files();
  if (terminal) tell("\r\033[K");
  tell("unrect: interrupted\n");
  ::_exit(128 + signal);
}

}  // namespace

void catch_interruptions() {
  terminal = isatty(STDERR_FILENO) != 0;
  struct sigaction action {};
  action.sa_handler = interrupt;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigset_t caught;
  sigemptyset(&caught);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    // Whoever starts a command in the background may have told it to ignore Ctrl-C.
    if (before.sa_handler == SIG_IGN) continue;
    ::sigaction(signal, &action, nullptr);
    sigaddset(&caught, signal);
  }
  // A thread of its own waits for them, all others have them blocked: oneDNN's products may keep the stack pointer
  // within a buffer on the heap, where a handler's frame would fall on its neighbours. The handler itself is left for
  // threads that others have started before (MPI's).
  ::pthread_sigmask(SIG_BLOCK, &caught, nullptr);
  std::thread([caught] {
    for (int signal = 0;;) {
      if (::sigwait(&caught, &signal) == 0) interrupt(signal);
    }
  }).detach();
}

bool interrupted() { return came != 0; }

int interruption_status() { return came == 0 ? 128 + SIGINT : 128 + came; }

ProgressLine::ProgressLine(Context context, std::function<std::string(const Progress&, double)> line)
    : context_(std::move(context)) {
  const auto start = std::chrono::steady_clock::now();
  context_.progress = [start, line = std::move(line)](const Progress& progress) {
    if (terminal && came == 0) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      tell(("\r\033[K" + line(progress, seconds.count())).c_str());
    }
    return came == 0;
  };
  ++askers;
}

ProgressLine::~ProgressLine() {
  --askers;
  if (terminal) tell("\r\033[K");  // must not throw, whatever has become of the terminal
}

}  // namespace unrect::cli
