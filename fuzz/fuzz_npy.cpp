#include <cstdlib>
#include <string_view>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const unrect::Array array = unrect::parse_npy(bytes, "fuzz");
    if (unrect::parse_npy(unrect::format_npy(array), "again").bytes != array.bytes) std::abort();
  } catch (const unrect::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
