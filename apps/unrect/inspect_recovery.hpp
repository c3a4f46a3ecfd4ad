// unrect inspect of a recovery network at the measurement of an image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "picture_files.hpp"
#include "unrect/base/context.hpp"

namespace unrect::cli {

struct RecoveryRequest {
  std::filesystem::path model, measurement;
  std::string pixel;   // "ROW,COLUMN"; the middle if empty
  PictureName filter;  // picture of that pixel's effective filter
  std::uint64_t seed = Context{}.seed;
  bool json = false;
};

/// Prints what it finds. @throws Error.
void inspect_recovery(const RecoveryRequest& request);

}  // namespace unrect::cli
