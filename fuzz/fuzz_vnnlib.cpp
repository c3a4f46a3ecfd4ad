#include <cstdlib>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/verify/vnnlib.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const unrect::Property property = unrect::parse_vnnlib(bytes, "fuzz");
    for (const unrect::Property::Case& c : property.cases) {
      const unrect::Box box(c.box.lower, c.box.upper);  // refuses disorder and what is not finite
      if (box.dimension() != property.inputs || c.input_rows.dimension() != property.inputs) std::abort();
      if (c.unsafe_outputs.empty()) std::abort();
      for (const unrect::Halfspaces& unsafe : c.unsafe_outputs) {
        if (unsafe.dimension() != property.outputs) std::abort();
      }
    }
    property.contains(unrect::Vector::Zero(property.inputs), unrect::Vector::Zero(property.outputs));
  } catch (const unrect::Error& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("fuzz: ") || message.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
