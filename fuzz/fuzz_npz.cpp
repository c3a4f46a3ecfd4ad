#include "unrect/base/array.hpp"

#include "refusal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return expect_value_or_refusal(data, size, [](std::string_view bytes) {
    const unrect::ArrayMap arrays = unrect::parse_npz(bytes, "fuzz");
    if (unrect::parse_npz(unrect::format_npz(arrays), "again").size() != arrays.size()) std::abort();
  });
}
