#include "unrect/base/array.hpp"

#include "refusal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return expect_value_or_refusal(data, size,
                                 [](std::string_view bytes) { unrect::parse_idx(bytes, "fuzz").to_vector(); });
}
