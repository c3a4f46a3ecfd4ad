// What is thrown for wrong use, bad files and bad shapes. Numerical outcomes are a Status in a result, never thrown.
#pragma once

#include <stdexcept>
#include <string>

namespace unrect {

enum class ErrorCode {
  kInvalidArgument,  // the caller's value is out of range or of the wrong shape
  kUnsupported,      // a network or request that unrect cannot represent (names the node and op)
  kFile,             // a file that cannot be opened, read, written or renamed
  kFormat,           // a file whose content is not what its format promises
  kCancelled,        // the caller asked to stop
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace unrect

// Throws Error{code, fmt::format(...)} unless the condition holds. For use in sources that include <fmt/format.h>.
#define UNRECT_REQUIRE(condition, code, ...)                   \
  do {                                                         \
    if (!(condition)) {                                        \
      throw ::unrect::Error((code), fmt::format(__VA_ARGS__)); \
    }                                                          \
  } while (false)
