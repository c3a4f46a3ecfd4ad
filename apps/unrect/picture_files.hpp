// Where a picture goes: the one meaning that a picture's name has for every verb.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

/// A picture's name: x.png and x.svg are just that file, x is both, x.svg and x.png.
class PictureName {
 public:
  PictureName() = default;
  explicit PictureName(std::filesystem::path name) : name_(std::move(name)) {}

  bool empty() const { return name_.empty(); }
  std::vector<std::filesystem::path> files() const;
  /// x-2.png for x.png and "-2".
  PictureName with(const std::string& suffix) const;
  /// Asked before a long computation. @throws Error kInvalidArgument, naming the option, for another extension, kFile
  /// where it cannot be written.
  void require_place(const std::string& option) const;
  void save(const Figure& figure) const;

 private:
  std::filesystem::path name_;
};

/// What options say of it.
inline constexpr const char* kPictureFiles = "FILE.png, FILE.svg, or FILE for both";

/// An option that takes a picture's name.
CLI::Option* add_picture(CLI::App& verb, const std::string& option, PictureName& name, const std::string& what);

}  // namespace unrect::cli
