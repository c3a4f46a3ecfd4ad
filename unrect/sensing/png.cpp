#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "unrect/base/error.hpp"
#include "unrect/sensing/internal/image_formats.hpp"

// libpng leaves by longjmp: what calls it holds nothing that has a destructor.
namespace unrect {
namespace {

using Bytes = std::vector<png_byte>;

// Deflate makes at most 1032 bytes out of one.
constexpr double kMostExpansion = 1032;

struct Trouble {
  char message[120] = "";
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto* trouble = static_cast<Trouble*>(png_get_error_ptr(png));
  std::strncpy(trouble->message, message, sizeof trouble->message - 1);
  png_longjmp(png, 1);
}
void ignore(png_structp /*png*/, png_const_charp /*message*/) {}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trouble_, fail, ignore);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp): libpng's only way
    png_set_read_fn(png_, &left_, give);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // we have our own
    png_set_chunk_malloc_max(png_, 1 << 22);
    png_read_info(png_, info_);
    return true;
  }
  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  /// Everything as 8 or 16 bits a channel, without palette.
  bool expand() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_set_expand(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  Index height() const { return png_get_image_height(png_, info_); }
  Index width() const { return png_get_image_width(png_, info_); }
  Index row_bytes() const { return static_cast<Index>(png_get_rowbytes(png_, info_)); }
  Index channels() const { return png_get_channels(png_, info_); }
  bool wide() const { return png_get_bit_depth(png_, info_) == 16; }
  const char* message() const { return trouble_.message; }

 private:
  static void give(png_structp png, png_bytep to, png_size_t count) {
    auto* left = static_cast<std::string_view*>(png_get_io_ptr(png));
    if (left->size() < count) png_error(png, "truncated");
    std::memcpy(to, left->data(), count);
    left->remove_prefix(count);
  }

  std::string_view left_;
  Trouble trouble_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class Writer {
 public:
  Writer() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trouble_, fail, ignore);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png_, &info_); }

  bool write(png_uint_32 height, png_uint_32 width, png_bytepp rows, std::string* out) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_set_write_fn(png_, out, take, nullptr);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(png_, info_, width, height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
    return true;
  }
  const char* message() const { return trouble_.message; }

 private:
  static void take(png_structp png, png_bytep from, png_size_t count) {
    static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(from), count);
  }

  Trouble trouble_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

std::vector<png_bytep> rows_of(Bytes& pixels, Index height) {
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  const std::size_t stride = pixels.size() / rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = pixels.data() + i * stride;
  return rows;
}

/// The channels of one pixel, each in [0, 1], as grey over white.
double grey_of(const double* channel, Index channels) {
  const bool color = channels >= 3;
  const double grey = color ? 0.299 * channel[0] + 0.587 * channel[1] + 0.114 * channel[2] : channel[0];
  if (channels % 2 == 1) return grey;
  return 1 + channel[channels - 1] * (grey - 1);
}

}  // namespace

Image parse_png(std::string_view bytes, std::string_view name) {
  Reader reader(bytes);
  const auto require = [&](bool done) {
    UNRECT_REQUIRE(done, ErrorCode::kFormat, "{}: damaged PNG: {}", name, reader.message());
  };
  require(reader.read_header());
  const Index height = reader.height(), width = reader.width();
  require_size(height, width, name);
  UNRECT_REQUIRE(static_cast<double>(reader.row_bytes()) * static_cast<double>(height) <=
                     kMostExpansion * static_cast<double>(bytes.size()),
                 ErrorCode::kFormat, "{}: {} × {} pixels are more than its {} bytes can hold", name, height, width,
                 bytes.size());
  require(reader.expand());
  Bytes pixels(static_cast<std::size_t>(reader.row_bytes() * height));
  std::vector<png_bytep> rows = rows_of(pixels, height);
  require(reader.read_rows(rows.data()));
  const Index channels = reader.channels();
  const bool wide = reader.wide();
  Image image(height, width);
  const png_byte* at = pixels.data();
  double channel[4] = {};
  for (Index i = 0; i < image.size(); ++i) {
    for (Index c = 0; c < channels; ++c, at += wide ? 2 : 1) {
      channel[c] = wide ? (256 * at[0] + at[1]) / 65535.0 : at[0] / 255.0;
    }
    image.data()[i] = grey_of(channel, channels);
  }
  return image;
}

std::string format_png(const MatrixRef& image) {
  const Index height = image.rows(), width = image.cols();
  UNRECT_REQUIRE(height >= 1 && width >= 1 && height <= kMostPixels / width, ErrorCode::kInvalidArgument,
                 "image of {} × {} pixels, expected 1 to {}", height, width, kMostPixels);
  UNRECT_REQUIRE(!image.hasNaN(), ErrorCode::kInvalidArgument, "image with NaN");
  Bytes pixels;
  pixels.reserve(static_cast<std::size_t>(image.size()));
  for (Index i = 0; i < height; ++i) {
    for (Index j = 0; j < width; ++j) {
      pixels.push_back(static_cast<png_byte>(std::lround(255 * std::clamp(image(i, j), 0.0, 1.0))));
    }
  }
  std::vector<png_bytep> rows = rows_of(pixels, height);
  std::string out;
  Writer writer;
  UNRECT_REQUIRE(writer.write(static_cast<png_uint_32>(height), static_cast<png_uint_32>(width), rows.data(), &out),
                 ErrorCode::kInvalidArgument, "cannot write PNG: {}", writer.message());
  return out;
}

}  // namespace unrect
