#include <cstdlib>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/polytope/mip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const unrect::Mip mip = [] {
    unrect::Mip made;
    for (const char* name : {"x_0", "z_1_0", "a_1_0", "d_1_0", "y_0"}) made.add(name, 0, 1);
    return made;
  }();
  try {
    const unrect::MipSolution solution =
        unrect::parse_mip_solution({reinterpret_cast<const char*>(data), size}, "fuzz", mip);
    if (solution.values.size() != 5 || !solution.values.allFinite()) std::abort();
  } catch (const unrect::Error& error) {
    if (!std::string_view(error.what()).starts_with("fuzz: line ")) std::abort();
  }
  return 0;
}
