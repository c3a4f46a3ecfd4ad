#include "unrect/sensing/image.hpp"

#include "refusal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return expect_value_or_refusal(data, size, [](std::string_view bytes) {
    const unrect::Image image = unrect::parse_image(bytes, "fuzz");
    if (!(image.minCoeff() >= 0 && image.maxCoeff() <= 1)) std::abort();
  });
}
