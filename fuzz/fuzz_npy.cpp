#include "unrect/base/array.hpp"

#include "refusal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return expect_value_or_refusal(data, size, [](std::string_view bytes) {
    const unrect::Array array = unrect::parse_npy(bytes, "fuzz");
    if (unrect::parse_npy(unrect::format_npy(array), "again").bytes != array.bytes) std::abort();
  });
}
