#include "unrect/base/array.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/internal/data_folder.hpp"

namespace unrect {
namespace {

using namespace std::string_literals;
using std::filesystem::path;

/// A folder that numpy has filled; removed when the tests are over.
class Numpy : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("unrect_array_test_{}", ::getpid());
    std::filesystem::create_directories(folder_);
    ASSERT_EQ(oracle("write"), 0) << "tools/array_oracle.py needs /usr/bin/python3 with numpy";
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }
  static int oracle(std::string_view verb) {
    const path script = path(__FILE__).parent_path() / "../../tools/array_oracle.py";
    return std::system(fmt::format("/usr/bin/python3 '{}' {} '{}'", script.string(), verb, folder_.string()).c_str());
  }
  static path folder_;
};
path Numpy::folder_;

struct Code {
  std::string code;
  DType type;
};
const std::vector<Code> kCodes = {{"f2", DType::kFloat32}, {"f4", DType::kFloat32}, {"f8", DType::kFloat64},
                                  {"i1", DType::kInt8},    {"i2", DType::kInt16},   {"i4", DType::kInt32},
                                  {"i8", DType::kInt64},   {"u1", DType::kUInt8},   {"u2", DType::kUInt16},
                                  {"u4", DType::kUInt32},  {"u8", DType::kUInt64},  {"b1", DType::kBool}};

void expect_counting(const Array& array, const Code& code) {
  EXPECT_EQ(array.type, code.type);
  EXPECT_EQ(array.shape, (std::vector<Index>{2, 3, 4}));
  const Vector values = array.to_vector();
  for (Index i = 0; i < 24; ++i) EXPECT_EQ(values[i], static_cast<double>(i % (code.code == "b1" ? 2 : 100)));
}

std::string message_of(const std::function<void()>& call, ErrorCode code = ErrorCode::kFormat) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

std::string npy(const std::string& header, const std::string& payload) {
  const std::string text = header + "\n";
  return "\x93NUMPY\x01\x00"s + static_cast<char>(text.size() & 255) + static_cast<char>(text.size() >> 8) + text +
         payload;
}

std::string npy_failure(const std::string& header, const std::string& payload = {}) {
  return message_of([&] { parse_npy(npy(header, payload), "a.npy"); });
}

std::string gzip(std::string bytes) {
  std::string out(compressBound(bytes.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Array scalar(double value) {
  Array array = Array::from(Vector(Vector::Constant(1, value)));
  array.shape.clear();
  return array;
}

ArrayMap samples() {
  Matrix matrix(2, 3);
  matrix << 1.5, -2, 3e300, 0, 1, 2;
  const std::int64_t low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
  return {{"matrix", Array::from(matrix)},
          {"vector", Array::from(Vector(Vector::LinSpaced(1000, 0, 499.5)))},
          {"longs", Array::from(std::vector<std::int64_t>{low, high})},
          {"bytes", Array::from(std::vector<std::uint8_t>{0, 255})},
          {"scalar", scalar(7)}};
}

TEST_F(Numpy, EveryTypeOrderAndEndianIsRead) {
  for (const Code& code : kCodes) {
    for (const std::string_view variant : {"little", "big", "fortran"}) {
      SCOPED_TRACE(fmt::format("{} {}", code.code, variant));
      expect_counting(read_npy(folder_ / fmt::format("{}_{}.npy", code.code, variant)), code);
    }
  }
}

TEST_F(Numpy, EveryVersionIsRead) {
  for (int version = 1; version <= 3; ++version) {
    const Array array = read_npy(folder_ / fmt::format("version_{}.npy", version));
    EXPECT_EQ(array.to_vector(), Vector::LinSpaced(5, 0, 4));
  }
}

TEST_F(Numpy, ScalarsAndEmptyArraysAreRead) {
  const Array scalar = read_npy(folder_ / "scalar.npy");
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.size(), 1);
  EXPECT_EQ(scalar.to_vector()[0], 2.5);
  const Array empty = read_npy(folder_ / "empty.npy");
  EXPECT_EQ(empty.shape, (std::vector<Index>{3, 0, 2}));
  EXPECT_EQ(empty.to_vector().size(), 0);
}

TEST_F(Numpy, OtherTypesAreRefusedByName) {
  EXPECT_NE(message_of([&] { read_npy(folder_ / "object.npy"); }).find("'|O'"), std::string::npos);
  EXPECT_NE(message_of([&] { read_npy(folder_ / "complex.npy"); }).find("'<c16'"), std::string::npos);
  EXPECT_NE(message_of([&] { read_npy(folder_ / "structured.npy"); }).find("structured"), std::string::npos);
}

TEST_F(Numpy, ArchivesStoredAndDeflatedAreRead) {
  for (const std::string_view name : {"stored.npz", "deflated.npz"}) {
    const ArrayMap arrays = read_npz(folder_ / name);
    ASSERT_EQ(arrays.size(), kCodes.size());
    for (const Code& code : kCodes) expect_counting(arrays.at(code.code), code);
  }
  EXPECT_TRUE(read_npz(folder_ / "nothing.npz").empty());
}

TEST_F(Numpy, OpensOurFiles) {
  write_npy(folder_ / "ours.npy", samples().at("matrix"));
  write_npz(folder_ / "ours.npz", samples());
  write_npz(folder_ / "again.npz", samples());
  EXPECT_EQ(oracle("check"), 0);
}

TEST(Npz, ComesBackAsWritten) {
  const ArrayMap arrays = parse_npz(format_npz(samples()), "memory");
  ASSERT_EQ(arrays.size(), 5U);
  for (const auto& [name, array] : samples()) {
    EXPECT_EQ(arrays.at(name).type, array.type);
    EXPECT_EQ(arrays.at(name).shape, array.shape);
    EXPECT_EQ(arrays.at(name).bytes, array.bytes);
  }
}

TEST(Npz, EveryDamagedByteIsRefusedOrHarmless) {
  const std::string good = format_npz(samples());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    try {
      parse_npz(bad, "bad.npz");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_TRUE(std::string(error.what()).starts_with("bad.npz: ")) << error.what();
    }
  }
}

TEST(Npz, EveryTruncationIsRefused) {
  const std::string good = format_npz({{"scalar", scalar(7)}});
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_THROW(parse_npz(good.substr(0, i), "short.npz"), Error);
  }
}

TEST(Npz, ContentIsChecked) {
  const std::string good = format_npz({{"s", scalar(7)}});
  const std::size_t central = good.find("PK\x01\x02");
  const auto changed = [&](std::size_t at, const std::string& bytes) {
    std::string bad = good;
    bad.replace(at, bytes.size(), bytes);
    return message_of([&] { parse_npz(bad, "z.npz"); });
  };
  EXPECT_EQ(changed(central + 16, "\1\2\3\4"), "z.npz: bad .npz file: entry 's.npy' fails its checksum");
  EXPECT_EQ(changed(central + 8, "\1"), "z.npz: bad .npz file: entry 's.npy' is encrypted");
  EXPECT_NE(changed(central + 10, "\x0c").find("another method than deflate"), std::string::npos);
  EXPECT_EQ(changed(central + 46, "s.npx"), "z.npz: bad .npz file: entry 's.npx' is not an .npy array");
  EXPECT_NE(changed(central + 24, "\xFF\xFF\xFF\x7F").find("claims 2147483647 bytes"), std::string::npos);
}

TEST(Npz, RepeatedNamesAndOverlapsAreRefused) {
  const std::string one = format_npz({{"s", scalar(7)}});
  const std::size_t central = one.find("PK\x01\x02"), end = one.find("PK\x05\x06");
  const std::string entry = one.substr(central, end - central);
  std::string tail = one.substr(end);
  tail[8] = tail[10] = 2;
  tail[12] = static_cast<char>(2 * entry.size());
  const std::string doubled = one.substr(0, central) + entry + entry + tail;
  EXPECT_NE(message_of([&] { parse_npz(doubled, "z.npz"); }).find("comes twice"), std::string::npos);
}

TEST(Npy, BadHeadersAreRefusedInOneLine) {
  EXPECT_EQ(message_of([] { parse_npy("hello, world", "a.npy"); }),
            "a.npy: not an .npy file (it does not start with \\x93NUMPY)");
  EXPECT_NE(npy_failure("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999999999), }")
                .find("asks for more than the 0 bytes"),
            std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", "123456789")
                .find("9 bytes follow the header, expected 8"),
            std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8', 'fortran_order': False}").find("is missing"), std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8', 'fortran_order': Maybe, 'shape': ()}").find("True or False"),
            std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}").find("an extent"),
            std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8', 'descr': '<f8'}").find("repeated key"), std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<f8").find("does not end"), std::string::npos);
  EXPECT_NE(npy_failure("{'descr': '<\nf8', 'fortran_order': False, 'shape': ()}").find("control characters"),
            std::string::npos);
}

TEST(Npy, HalfPrecisionValuesAreExact) {
  EXPECT_EQ(from_half(0x3C00), 1.0F);
  EXPECT_EQ(from_half(0xC000), -2.0F);
  EXPECT_EQ(from_half(0x7BFF), 65504.0F);
  EXPECT_EQ(from_half(0x0001), std::ldexp(1.0F, -24));
  EXPECT_EQ(from_half(0x03FF), std::ldexp(1023.0F, -24));
  EXPECT_EQ(from_half(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(from_half(0x7C01)));
  EXPECT_TRUE(std::signbit(from_half(0x8000)));
}

TEST(Npy, OneAxisBecomesARow) {
  const Array array = Array::from(Vector(Vector::LinSpaced(3, 1, 3)));
  EXPECT_EQ(array.to_matrix("v"), (Matrix(1, 3) << 1, 2, 3).finished());
  EXPECT_EQ(message_of([] { scalar(1).to_matrix("thing"); }), "thing: shape (), expected 1 or 2 axes");
}

TEST(Idx, BigEndianTypesAreRead) {
  const Array bytes = parse_idx("\0\0\x08\x02\0\0\0\x02\0\0\0\x02\x01\x02\x03\xFF"s, "i");
  EXPECT_EQ(bytes.type, DType::kUInt8);
  EXPECT_EQ(bytes.to_matrix("i"), (Matrix(2, 2) << 1, 2, 3, 255).finished());
  EXPECT_EQ(parse_idx("\0\0\x09\x01\0\0\0\x01\xFF"s, "i").to_vector()[0], -1);
  EXPECT_EQ(parse_idx("\0\0\x0B\x01\0\0\0\x01\xFF\xFE"s, "i").to_vector()[0], -2);
  EXPECT_EQ(parse_idx("\0\0\x0C\x01\0\0\0\x01\0\1\0\0"s, "i").to_vector()[0], 65536);
  EXPECT_EQ(parse_idx("\0\0\x0D\x01\0\0\0\x01\x3F\x80\0\0"s, "i").to_vector()[0], 1);
  EXPECT_EQ(parse_idx("\0\0\x0E\x01\0\0\0\x01\xC0\0\0\0\0\0\0\0"s, "i").to_vector()[0], -2);
}

TEST(Idx, GzipIsToldByItsFirstBytes) {
  const std::string plain = "\0\0\x08\x01\0\0\0\x04\x05\x06\x07\x08"s;
  EXPECT_EQ(parse_idx(gzip(plain), "i.gz").to_vector(), Vector::LinSpaced(4, 5, 8));
  EXPECT_NE(message_of([&] { parse_idx(gzip(gzip(plain)), "i.gz"); }).find("compressed twice"), std::string::npos);
  EXPECT_THROW(parse_idx(gzip(plain).substr(0, 20), "i.gz"), Error);
}

// What a stream says of its own length is a guess to begin with: too short for one that packs a thousandfold, too long
// for a liar's.
TEST(Idx, GzipIsUnpackedWhateverItSaysOfItsLength) {
  std::string plain = "\0\0\x08\x01\0\x30\0\0"s + std::string(0x300000, '\7');
  plain.back() = '\x09';
  const std::string packed = gzip(plain);
  ASSERT_LT(20 * packed.size(), plain.size());
  const Array array = parse_idx(packed, "i.gz");
  EXPECT_EQ(array.bytes, plain.substr(8));
  for (const char lie : {'\0', '\x7f', '\xff'}) {
    std::string damaged = packed;
    damaged.back() = lie == '\0' ? '\1' : lie;
    EXPECT_NE(message_of([&] { parse_idx(damaged, "i.gz"); }).find("i.gz: damaged gzip stream"), std::string::npos);
  }
}

TEST(Idx, GzipOverTheLimitIsRefused) {
  const std::string plain(200000, 'a');
  EXPECT_EQ(gunzip(gzip(plain), "g", plain.size()), plain);
  EXPECT_NE(message_of([&] { gunzip(gzip(plain), "g", plain.size() - 1); }).find("more than 199999 bytes"),
            std::string::npos);
  EXPECT_THROW(gunzip(gzip("abc"), "g", 2), Error);
}

TEST(Idx, BadFilesAreRefusedInOneLine) {
  const auto failure = [](const std::string& bytes) { return message_of([&] { parse_idx(bytes, "i"); }); };
  EXPECT_NE(failure("abc").find("two zero bytes"), std::string::npos);
  EXPECT_NE(failure("\0\0\x07\x01\0\0\0\x01\0"s).find("IDX type 0x07"), std::string::npos);
  EXPECT_NE(failure("\0\0\x08\x03\0\0\0\x01"s).find("cut short"), std::string::npos);
  EXPECT_NE(failure("\0\0\x08\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s).find("asks for more"), std::string::npos);
  const std::string wide = "\xFF\xFF\xFF\xFF"s;
  EXPECT_NE(failure("\0\0\x08\x04"s + wide + wide + wide + "\0\0\0\0"s).find("asks for more"), std::string::npos);
}

TEST(Idx, MnistIsRead) {
  const path folder = data_folder() / "mnist";
  const path file = folder / "t10k-images-idx3-ubyte.gz";
  if (!std::filesystem::exists(file)) {
    std::puts("no MNIST in UNRECT_DATA: a generated file of the same shape stands in");
    std::string bytes = "\0\0\x08\x03\0\0\x27\x10\0\0\0\x1C\0\0\0\x1C"s + std::string(std::size_t{10000} * 784, '\7');
    EXPECT_EQ(parse_idx(gzip(bytes), "i").shape, (std::vector<Index>{10000, 28, 28}));
    return;
  }
  const Array images = read_idx(file);
  EXPECT_EQ(images.shape, (std::vector<Index>{10000, 28, 28}));
  const Array labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz");
  EXPECT_EQ(labels.to_vector().head(5), (Vector(5) << 7, 2, 1, 0, 4).finished());
}

}  // namespace
}  // namespace unrect
