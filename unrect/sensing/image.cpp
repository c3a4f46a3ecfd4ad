#include "unrect/sensing/image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/sensing/internal/image_formats.hpp"

namespace unrect {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;

/// The numbers of a PGM, between white space and comments.
class PgmText {
 public:
  PgmText(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  Index number(std::string_view what, Index most) {
    skip();
    const std::size_t start = at_;
    Index value = 0;
    for (; at_ < bytes_.size() && std::isdigit(static_cast<unsigned char>(bytes_[at_])) != 0; ++at_) {
      value = std::min(value * 10 + (bytes_[at_] - '0'), most + 1);
    }
    UNRECT_REQUIRE(at_ > start && value <= most, ErrorCode::kFormat, "{}: {} at byte {}, expected a number up to {}",
                   name_, what, start, most);
    return value;
  }
  /// What follows the header's one white space.
  std::string_view rest() const { return bytes_.substr(std::min(at_ + 1, bytes_.size())); }

 private:
  void skip() {
    while (at_ < bytes_.size()) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else if (std::isspace(static_cast<unsigned char>(bytes_[at_])) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string_view bytes_, name_;
  std::size_t at_ = 2;
};

bool is_image(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".pgm";
}

}  // namespace

void require_size(Index height, Index width, std::string_view name) {
  UNRECT_REQUIRE(height >= 1 && width >= 1 && height <= kMostPixels / width, ErrorCode::kFormat,
                 "{}: image of {} × {} pixels, expected 1 to {}", name, height, width, kMostPixels);
}

Image parse_pgm(std::string_view bytes, std::string_view name) {
  PgmText text(bytes, name);
  const bool binary = bytes[1] == '5';
  const Index width = text.number("width", kMostPixels), height = text.number("height", kMostPixels);
  const Index white = text.number("white value", 65535);
  require_size(height, width, name);
  UNRECT_REQUIRE(white >= 1, ErrorCode::kFormat, "{}: white is 0, expected 1 to 65535", name);
  const Index width_of_sample = !binary || white > 255 ? 2 : 1;  // in text: a digit and a space
  const std::string_view data = text.rest();
  UNRECT_REQUIRE(static_cast<Index>(data.size()) + (binary ? 0 : 1) >= width_of_sample * height * width,
                 ErrorCode::kFormat, "{}: {} bytes for {} × {} pixels: truncated", name, data.size(), height, width);
  Image image(height, width);
  for (Index i = 0; i < image.size(); ++i) {
    Index value = 0;
    if (!binary) {
      value = text.number("pixel", white);
    } else {
      for (Index b = 0; b < width_of_sample; ++b) {
        value = value * 256 + static_cast<unsigned char>(data[static_cast<std::size_t>(i * width_of_sample + b)]);
      }
      UNRECT_REQUIRE(value <= white, ErrorCode::kFormat, "{}: pixel {} is {}, expected at most {}", name, i, value,
                     white);
    }
    image.data()[i] = static_cast<double>(value) / static_cast<double>(white);
  }
  return image;
}

Image parse_image(std::string_view bytes, std::string_view name) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return parse_png(bytes, name);
  if (bytes.starts_with("\xff\xd8\xff")) return parse_jpeg(bytes, name);
  if (bytes.starts_with("P2") || bytes.starts_with("P5")) return parse_pgm(bytes, name);
  throw Error(ErrorCode::kFormat, fmt::format("{}: not an image, expected PNG, JPEG or PGM (P2, P5)", name));
}

Image read_image(const std::filesystem::path& path) { return parse_image(read_file(path, kMostBytes), path.string()); }

void write_png(const std::filesystem::path& path, const MatrixRef& image) { write_file(path, format_png(image)); }

std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder) {
  std::error_code trouble;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, trouble), end; !trouble && at != end; at.increment(trouble)) {
    std::error_code ignored;
    if (is_image(at->path()) && at->is_regular_file(ignored)) files.push_back(at->path());
  }
  UNRECT_REQUIRE(!trouble, ErrorCode::kFile, "{}: cannot read the folder: {}", folder.string(), trouble.message());
  UNRECT_REQUIRE(!files.empty(), ErrorCode::kFile, "{}: no image in this folder, expected .png, .jpg, .jpeg or .pgm",
                 folder.string());
  std::ranges::sort(files);
  return files;
}

std::vector<NamedImage> read_images(const std::filesystem::path& folder) {
  const std::vector<std::filesystem::path> files = image_files(folder);
  std::set<std::string> stems;
  for (const auto& file : files) stems.insert(file.stem().string());
  const bool told_apart = stems.size() == files.size();
  std::vector<NamedImage> images;
  images.reserve(files.size());
  for (const auto& file : files)
    images.push_back({(told_apart ? file.stem() : file.filename()).string(), read_image(file)});
  return images;
}

}  // namespace unrect
