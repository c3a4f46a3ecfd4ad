// A long computation seen from a terminal: a line on stderr that rewrites itself, and Ctrl-C.
#pragma once

#include <functional>
#include <string>

#include "unrect/base/context.hpp"

namespace unrect::cli {

/// From here on SIGINT and SIGTERM end the process at once with one line on stderr, no half-written file, and the exit
/// status 128 + the signal's number; but where a ProgressLine lives.
void catch_interruptions();

/// Whether such a signal has come; and the exit status that it asks for, 130 if none has.
bool interrupted();
int interruption_status();

/// While it lives, Ctrl-C asks what runs with its context to stop instead of ending the process; a second one ends it.
class ProgressLine {
 public:
  /// `line` says how far things are after so many seconds; it is shown only where stderr is a terminal.
  ProgressLine(Context context, std::function<std::string(const Progress&, double seconds)> line);
  /// Clears the line: results are printed after that.
  ~ProgressLine();
  ProgressLine(ProgressLine&&) = delete;

  const Context& context() const { return context_; }

 private:
  Context context_;
};

}  // namespace unrect::cli
