#include "unrect/sensing/image.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
// After <cstdio>, which it forgets to include.
#include <jpeglib.h>

#include <fstream>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

Image bytes_image(Index height, Index width, std::uint64_t seed) {
  Rng rng(seed);
  Image image(height, width);
  for (Index i = 0; i < image.size(); ++i) image.data()[i] = static_cast<double>(rng.below(256)) / 255;
  return image;
}

std::string big_endian(std::uint32_t v) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 255);
  return out;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(crc));
}

/// A PNG put together by hand: `rows` are the filtered bytes.
std::string png(std::uint32_t width, std::uint32_t height, int depth, int color, const std::string& rows,
                const std::string& extra = "") {
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  const std::string header = big_endian(width) + big_endian(height) + static_cast<char>(depth) +
                             static_cast<char>(color) + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + extra + chunk("IDAT", packed) + chunk("IEND", "");
}

std::string jpeg(const Image& image, int quality) {
  jpeg_compress_struct file{};
  jpeg_error_mgr errors{};
  file.err = jpeg_std_error(&errors);
  jpeg_create_compress(&file);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&file, &bytes, &size);
  file.image_width = static_cast<JDIMENSION>(image.cols());
  file.image_height = static_cast<JDIMENSION>(image.rows());
  file.input_components = 1;
  file.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&file);
  jpeg_set_quality(&file, quality, TRUE);
  jpeg_start_compress(&file, TRUE);
  for (Index i = 0; i < image.rows(); ++i) {
    std::vector<JSAMPLE> row;
    for (Index j = 0; j < image.cols(); ++j) row.push_back(static_cast<JSAMPLE>(std::lround(255 * image(i, j))));
    JSAMPROW at = row.data();
    jpeg_write_scanlines(&file, &at, 1);
  }
  jpeg_finish_compress(&file);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&file);
  std::free(bytes);
  return out;
}

std::string message_of(const std::string& bytes) {
  try {
    parse_image(bytes, "file");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFormat);
    return error.what();
  }
  return "no error";
}

TEST(Png, WhatIsWrittenIsRead) {
  for (const auto& [height, width] : {std::pair<Index, Index>{1, 1}, {3, 70}, {41, 8}}) {
    const Image image = bytes_image(height, width, 1);
    EXPECT_EQ(parse_image(format_png(image), "file"), image);
  }
  Image odd(1, 4);
  odd << -3, 0.4999 / 255, 0.5001 / 255, 7;
  EXPECT_EQ(parse_image(format_png(odd), "file"), Image({{0, 0, 1.0 / 255, 1}}));
  odd(0, 2) = std::nan("");
  EXPECT_THROW(format_png(odd), Error);
  EXPECT_THROW(format_png(Matrix(0, 3)), Error);
}

TEST(Png, ColourIsLumaAndWhiteShinesThrough) {
  using namespace std::string_literals;
  const Image rgb = parse_image(png(3, 1, 8, 2, "\0\xff\0\0\0\xff\0\0\0\xff"s), "file");
  EXPECT_NEAR((rgb - Image({{0.299, 0.587, 0.114}})).cwiseAbs().maxCoeff(), 0, 1e-15);
  const Image alpha = parse_image(png(3, 1, 8, 4, "\0\x00\xff\x00\x33\x80\x00"s), "file");
  EXPECT_NEAR((alpha - Image({{0, 0.8, 1}})).cwiseAbs().maxCoeff(), 0, 1e-15);
  const Image wide = parse_image(png(2, 1, 16, 0, "\0\x01\x02\xff\xff"s), "file");
  EXPECT_NEAR((wide - Image({{258 / 65535.0, 1}})).cwiseAbs().maxCoeff(), 0, 1e-15);
  const Image palette = parse_image(png(2, 1, 1, 3, "\0\x40"s, chunk("PLTE", "\x33\x33\x33\x66\x66\x66")), "file");
  EXPECT_NEAR((palette - Image({{0.2, 0.4}})).cwiseAbs().maxCoeff(), 0, 1e-15);
  const Image bits = parse_image(png(4, 1, 2, 0, "\0\x1b"s), "file");
  EXPECT_NEAR((bits - Image({{0, 1 / 3.0, 2 / 3.0, 1}})).cwiseAbs().maxCoeff(), 0, 1e-15);
}

TEST(Png, DamageIsAnErrorOfOneLine) {
  const std::string whole = format_png(bytes_image(20, 30, 2));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(message_of(whole.substr(0, length)), "no error") << length;
  }
  EXPECT_NE(message_of(whole.substr(0, 200)).find("truncated"), std::string::npos);
  for (std::size_t at = 8; at < whole.size(); ++at) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    const std::string message = message_of(bad);
    EXPECT_NE(message, "no error") << at;
    EXPECT_EQ(message.find('\n'), std::string::npos) << at;
  }
  EXPECT_NE(message_of(png(60000, 60000, 8, 0, "")).find("60000 × 60000"), std::string::npos);
  EXPECT_NE(message_of(png(8000, 8000, 8, 2, "")).find("can hold"), std::string::npos);
  EXPECT_NE(message_of(png(0, 5, 8, 0, "")).find("PNG"), std::string::npos);
}

TEST(Jpeg, IsCloseToWhatWasWritten) {
  Image smooth(50, 37);
  for (Index i = 0; i < 50; ++i) {
    for (Index j = 0; j < 37; ++j) smooth(i, j) = 0.5 + 0.4 * std::sin(0.1 * static_cast<double>(i + 2 * j));
  }
  const std::string bytes = jpeg(smooth, 98);
  EXPECT_LT((parse_image(bytes, "file") - smooth).cwiseAbs().maxCoeff(), 3.0 / 255);
  for (std::size_t length = 3; length + 2 < bytes.size(); length += 7) {
    EXPECT_NE(message_of(bytes.substr(0, length)), "no error") << length << " of " << bytes.size();
  }
}

TEST(Pgm, TextAndBinary) {
  const Image expected{{0, 0.5, 1}, {0.25, 0.75, 0}};
  EXPECT_EQ(parse_image("P2\n# made by hand\n3 2 # size\n4\n0 2 4\n1 3 0\n", "file"), expected);
  EXPECT_EQ(parse_image(std::string("P5 3 2 4\n\x00\x02\x04\x01\x03\x00", 15), "file"), expected);
  EXPECT_EQ(parse_image(std::string("P5 1 1 1000\n\x01\xf4", 14), "file"), Image::Constant(1, 1, 0.5));
  for (const char* bad : {"P5", "P2 3 2", "P2 0 2 4 1", "P2 2 2 4 1 1 1", "P2 1 1 4 5", "P2 1 1 0 0", "P2 1 1 70000 0",
                          "P5 100000 100000 255 x", "P5 2 1 3\n\x01\x07", "P2 1 1 4 -1", "P6 1 1 255 aaa", ""}) {
    EXPECT_NE(message_of(bad), "no error") << bad;
  }
}

TEST(ImageFolder, IsSortedAndNamesFiles) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "unrect_images";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "notes.txt") << "no image";
  EXPECT_THROW(
      {
        try {
          read_images(folder);
        } catch (const Error& error) {
          EXPECT_NE(std::string(error.what()).find(folder.string()), std::string::npos);
          throw;
        }
      },
      Error);
  write_png(folder / "b.png", bytes_image(2, 3, 1));
  write_png(folder / "a.PNG", bytes_image(4, 3, 2));
  write_file(folder / "b.pgm", "P2 1 1 1 1");
  const std::vector<NamedImage> images = read_images(folder);
  ASSERT_EQ(images.size(), 3U);
  EXPECT_EQ(images[0].name, "a.PNG");  // with endings where names alone would not tell them apart
  EXPECT_EQ(images[1].name, "b.pgm");
  EXPECT_EQ(images[2].name, "b.png");
  EXPECT_EQ(images[2].image, bytes_image(2, 3, 1));
  EXPECT_THROW(read_images(folder / "nowhere"), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace unrect
