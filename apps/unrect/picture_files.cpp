#include "picture_files.hpp"

#include <fmt/format.h>

#include <utility>

#include "unrect/base/error.hpp"

namespace unrect::cli {

std::vector<std::filesystem::path> PictureName::files() const {
  if (name_.has_extension()) return {name_};
  return {name_.string() + ".svg", name_.string() + ".png"};
}

PictureName PictureName::with(const std::string& suffix) const {
  std::filesystem::path changed = name_;
  changed.replace_filename(name_.stem().string() + suffix + name_.extension().string());
  return PictureName(std::move(changed));
}

void PictureName::require_place(const std::string& option) const {
  if (empty()) return;
  UNRECT_REQUIRE(
      name_.has_filename() && (!name_.has_extension() || name_.extension() == ".png" || name_.extension() == ".svg"),
      ErrorCode::kInvalidArgument, "{} {}: expected {}", option, name_.string(), kPictureFiles);
  for (const std::filesystem::path& file : files()) cli::require_place(file, {".png", ".svg"}, option);
}

void PictureName::save(const Figure& figure) const {
  for (const std::filesystem::path& file : files()) figure.save(file);
}

CLI::Option* add_picture(CLI::App& verb, const std::string& option, PictureName& name, const std::string& what) {
  return verb.add_option_function<std::string>(
      option, [&name](const std::string& given) { name = PictureName(given); },
      fmt::format("{}: {}", what, kPictureFiles));
}

}  // namespace unrect::cli
