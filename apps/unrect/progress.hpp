// A long computation seen from a terminal: a line on stderr that rewrites itself, and Ctrl-C.
#pragma once

#include <functional>
#include <string>

#include "unrect/base/context.hpp"

namespace unrect::cli {

/// While it lives, Ctrl-C cancels what runs with its context instead of ending the process.
class ProgressLine {
 public:
  /// `line` says how far things are after so many seconds; it is shown only where stderr is a terminal.
  ProgressLine(int threads, std::uint64_t seed, std::function<std::string(const Progress&, double seconds)> line);
  ~ProgressLine();
  ProgressLine(ProgressLine&&) = delete;

  const Context& context() const { return context_; }
  static bool interrupted();

 private:
  Context context_;
  bool terminal_;
};

}  // namespace unrect::cli
