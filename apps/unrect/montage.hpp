// Images beside what was made of them.
#pragma once

#include <string>
#include <vector>

#include "unrect/sensing/image.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

/// One row of the montage: an original and every method's recovery.
struct MontageRow {
  std::string name;
  Image truth;
  std::vector<Image> found;
};

/// Columns: the original, then each method's recovery with its PSNR and a map of |error|. At most 40 rows are drawn.
/// @throws Error kInvalidArgument for no rows, or for so many methods that a figure cannot hold them.
Figure montage(const std::vector<MontageRow>& rows, const std::vector<std::string>& methods, const std::string& title);

}  // namespace unrect::cli
