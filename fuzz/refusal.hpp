// What every fuzz target asks of a parser: whatever the bytes, a value or an Error of one line.
#pragma once

#include <cstdlib>
#include <string_view>

#include "unrect/base/error.hpp"

/// Calls read(bytes), which may throw Error and nothing else.
template <class Read>
int expect_value_or_refusal(const unsigned char* data, std::size_t size, const Read& read) {
  try {
    read(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const unrect::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
