// Where tests and benchmarks find real networks and images, if there are any.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace unrect {

/// UNRECT_DATA, else shared/data beside the checkout. It need not exist.
inline std::filesystem::path data_folder() {
  const char* given = std::getenv("UNRECT_DATA");
  if (given != nullptr) return given;
  return std::filesystem::path(__FILE__).parent_path() / "../../../../shared/data";
}

}  // namespace unrect
