#include <cstdlib>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/sensing/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const unrect::Image image = unrect::parse_image(bytes, "fuzz");
    if (!(image.minCoeff() >= 0 && image.maxCoeff() <= 1)) std::abort();
  } catch (const unrect::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
