#include "unrect/base/array.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"

namespace unrect {
namespace {

static_assert(std::endian::native == std::endian::little, "Array::bytes is little-endian");

constexpr std::size_t kMaxRank = 32;  // numpy's own

/// Calls f with a value of the C++ type that holds `type`.
template <class F>
auto visit_type(DType type, const F& f) {
  switch (type) {
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat64:
      return f(double{});
    case DType::kInt8:
      return f(std::int8_t{});
    case DType::kInt16:
      return f(std::int16_t{});
    case DType::kInt32:
      return f(std::int32_t{});
    case DType::kInt64:
      return f(std::int64_t{});
    case DType::kUInt16:
      return f(std::uint16_t{});
    case DType::kUInt32:
      return f(std::uint32_t{});
    case DType::kUInt64:
      return f(std::uint64_t{});
    case DType::kUInt8:
    case DType::kBool:
      break;
  }
  return f(std::uint8_t{});
}

template <class T>
Array array_of(DType type, std::vector<Index> shape, const T* data, Index count) {
  return {type, std::move(shape), std::string(reinterpret_cast<const char*>(data), sizeof(T) * count)};
}

/// @throws Error kFormat unless `available` bytes are what the shape asks for.
void require_payload(const std::vector<Index>& shape, std::size_t element, std::size_t available,
                     std::string_view name) {
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  // The extents beside a 0 are bounded, too: their product must not overflow.
  const std::size_t limit = empty ? std::numeric_limits<std::size_t>::max() / 256 : available / element;
  std::size_t count = 1;
  for (const Index extent : shape) {
    UNRECT_REQUIRE(extent == 0 || static_cast<std::size_t>(extent) <= limit / count, ErrorCode::kFormat,
                   "{}: shape ({}) asks for more than the {} bytes that follow the header", name,
                   fmt::join(shape, ", "), available);
    if (extent != 0) count *= static_cast<std::size_t>(extent);
  }
  if (empty) count = 0;
  UNRECT_REQUIRE(count * element == available, ErrorCode::kFormat,
                 "{}: {} bytes follow the header, expected {} for shape ({})", name, available, count * element,
                 fmt::join(shape, ", "));
}

void swap_bytes(std::string& bytes, std::size_t element) {
  for (std::size_t i = 0; i < bytes.size(); i += element) std::reverse(&bytes[i], &bytes[i] + element);
}

/// C order from Fortran order.
std::string to_c_order(const std::string& bytes, const std::vector<Index>& shape, std::size_t element) {
  std::string out(bytes.size(), '\0');
  std::vector<Index> position(shape.size(), 0);
  std::vector<std::size_t> stride(shape.size());
  std::size_t step = element;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    stride[axis] = step;
    step *= static_cast<std::size_t>(shape[axis]);
  }
  std::size_t from = 0;
  for (std::size_t to = 0; to < out.size(); to += element) {
    std::memcpy(&out[to], &bytes[from], element);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++position[axis] < shape[axis]) break;
      from -= stride[axis] * static_cast<std::size_t>(shape[axis]);
      position[axis] = 0;
    }
  }
  return out;
}

/// Widens binary16 to float32.
std::string widen_half(const std::string& bytes) {
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint16_t half = 0;
    std::memcpy(&half, &bytes[i], sizeof half);
    const float value = from_half(half);
    std::memcpy(&out[2 * i], &value, sizeof value);
  }
  return out;
}

/// Reads the Python dictionary in an .npy header.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  struct Header {
    std::string descr;
    bool fortran_order = false;
    std::vector<Index> shape;
  };

  Header read() {
    Header header;
    bool descr = false, order = false, shape = false;  // which keys have come
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !descr) {
        UNRECT_REQUIRE(peek() == '\'' || peek() == '"', ErrorCode::kFormat,
                       "{}: a structured type, expected one number an element", name_);
        header.descr = string();
        descr = true;
      } else if (key == "fortran_order" && !order) {
        header.fortran_order = boolean();
        order = true;
      } else if (key == "shape" && !shape) {
        header.shape = tuple();
        shape = true;
      } else {
        fail("an unknown or repeated key");
      }
      if (!accept(',') && peek() != '}') fail("a ',' is missing");
    }
    if (peek() != '\0') fail("text after the dictionary");
    if (!descr || !order || !shape) fail("descr, fortran_order or shape is missing");
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::kFormat, fmt::format("{}: bad .npy header near character {}: {}", name_, at_, what));
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || c == '\0') return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}'", c));
  }
  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("expected a string");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string does not end");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    for (const char c : value) {
      if (static_cast<unsigned char>(c) < ' ') fail("a string holds control characters");
    }
    return value;
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("expected True or False");
  }
  std::vector<Index> tuple() {
    std::vector<Index> shape;
    expect('(');
    while (!accept(')')) {
      peek();
      Index extent = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error != std::errc{} || extent < 0) fail("expected an extent");
      at_ = static_cast<std::size_t>(end - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote its long integers so
      if (shape.size() == kMaxRank) fail("more than 32 axes");
      shape.push_back(extent);
      if (!accept(',') && peek() != ')') fail("a ',' is missing");
    }
    return shape;
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
};

struct TypeCode {
  std::string_view code;
  DType type;
};
constexpr TypeCode kTypeCodes[] = {{"f4", DType::kFloat32}, {"f8", DType::kFloat64}, {"i1", DType::kInt8},
                                   {"i2", DType::kInt16},   {"i4", DType::kInt32},   {"i8", DType::kInt64},
                                   {"u1", DType::kUInt8},   {"u2", DType::kUInt16},  {"u4", DType::kUInt32},
                                   {"u8", DType::kUInt64},  {"b1", DType::kBool}};

}  // namespace

std::size_t size_of(DType type) {
  return visit_type(type, [](auto value) { return sizeof value; });
}

std::string_view name_of(DType type) {
  constexpr std::string_view names[] = {"float32", "float64", "int8",   "int16",  "int32", "int64",
                                        "uint8",   "uint16",  "uint32", "uint64", "bool"};
  return names[static_cast<std::size_t>(type)];
}

float from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const float fraction = static_cast<float>(bits & 1023);
  const float magnitude = exponent == 31  ? (fraction == 0 ? std::numeric_limits<float>::infinity()
                                                           : std::numeric_limits<float>::quiet_NaN())
                          : exponent == 0 ? std::ldexp(fraction, -24)
                                          : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

Index Array::size() const { return std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>()); }

Vector Array::to_vector() const {
  Vector out(size());
  visit_type(type, [&](auto element) {
    using T = decltype(element);
    for (Index i = 0; i < out.size(); ++i) {
      std::memcpy(&element, bytes.data() + sizeof(T) * i, sizeof(T));
      out[i] = static_cast<double>(element);
    }
    return 0;
  });
  return out;
}

Matrix Array::to_matrix(std::string_view name) const {
  UNRECT_REQUIRE(shape.size() == 1 || shape.size() == 2, ErrorCode::kFormat, "{}: shape ({}), expected 1 or 2 axes",
                 name, fmt::join(shape, ", "));
  const Vector values = to_vector();
  return Eigen::Map<const Matrix>(values.data(), shape.size() == 1 ? 1 : shape[0], shape.back());
}

Array Array::from(const Matrix& matrix) {
  return array_of(DType::kFloat64, {matrix.rows(), matrix.cols()}, matrix.data(), matrix.size());
}

Array Array::from(const Vector& vector) {
  return array_of(DType::kFloat64, {vector.size()}, vector.data(), vector.size());
}

Array Array::from(const MatrixOf<float>& matrix) {
  return array_of(DType::kFloat32, {matrix.rows(), matrix.cols()}, matrix.data(), matrix.size());
}

Array Array::from(const VectorOf<float>& vector) {
  return array_of(DType::kFloat32, {vector.size()}, vector.data(), vector.size());
}

Array Array::from(const std::vector<std::int64_t>& values) {
  const Index count = static_cast<Index>(values.size());
  return array_of(DType::kInt64, {count}, values.data(), count);
}

Array Array::from(const std::vector<std::uint8_t>& values) {
  const Index count = static_cast<Index>(values.size());
  return array_of(DType::kUInt8, {count}, values.data(), count);
}

Array parse_npy(std::string_view bytes, std::string_view name) {
  UNRECT_REQUIRE(bytes.size() >= 10 && bytes.starts_with("\x93NUMPY"), ErrorCode::kFormat,
                 "{}: not an .npy file (it does not start with \\x93NUMPY)", name);
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(bytes[i])}; };
  const std::size_t version = byte(6);
  UNRECT_REQUIRE(version >= 1 && version <= 3, ErrorCode::kFormat, "{}: .npy version {}, expected 1, 2 or 3", name,
                 version);
  const std::size_t start = version == 1 ? 10 : 12;
  UNRECT_REQUIRE(bytes.size() >= start, ErrorCode::kFormat, "{}: the .npy header is cut short", name);
  const std::size_t length = byte(8) | byte(9) << 8 | (version == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  UNRECT_REQUIRE(length <= bytes.size() - start, ErrorCode::kFormat, "{}: the .npy header is cut short", name);
  const HeaderReader::Header header = HeaderReader(bytes.substr(start, length), name).read();

  std::string_view code = header.descr;
  char order = '|';
  if (!code.empty() && std::string_view("<>=|").find(code[0]) != std::string_view::npos) {
    order = code[0];
    code.remove_prefix(1);
  }
  const bool half = code == "f2";
  const auto* const known =
      std::find_if(std::begin(kTypeCodes), std::end(kTypeCodes), [&](const TypeCode& t) { return t.code == code; });
  UNRECT_REQUIRE(half || known != std::end(kTypeCodes), ErrorCode::kFormat,
                 "{}: type '{:.16}', expected a real number type (f2 f4 f8 i1 … i8 u1 … u8 b1)", name, header.descr);
  Array array{half ? DType::kFloat32 : known->type, header.shape, {}};
  const std::size_t element = half ? 2 : size_of(array.type);
  const std::string_view payload = bytes.substr(start + length);
  require_payload(array.shape, element, payload.size(), name);
  array.bytes = payload;
  if (order == '>') swap_bytes(array.bytes, element);
  if (header.fortran_order && array.shape.size() > 1) array.bytes = to_c_order(array.bytes, array.shape, element);
  if (half) array.bytes = widen_half(array.bytes);
  return array;
}

std::string format_npy(const Array& array) {
  const auto* const known = std::find_if(std::begin(kTypeCodes), std::end(kTypeCodes),
                                         [&](const TypeCode& t) { return t.type == array.type; });
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   size_of(array.type) == 1 ? '|' : '<', known->code, fmt::join(array.shape, ", "),
                                   array.shape.size() == 1 ? "," : "");
  header.append(63 - (header.size() + 10) % 64, ' ').push_back('\n');  // the data start on a multiple of 64
  std::string out("\x93NUMPY\x01\x00", 8);
  out.push_back(static_cast<char>(header.size() & 255));
  out.push_back(static_cast<char>(header.size() >> 8));
  return out + header + array.bytes;
}

namespace {

constexpr std::string_view kGzip = "\x1f\x8b";

// The bytes become the array's: a large file is held once.
Array unpacked_idx(std::string bytes, std::string_view name) {
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(bytes[i])}; };
  UNRECT_REQUIRE(bytes.size() >= 4 && byte(0) == 0 && byte(1) == 0, ErrorCode::kFormat,
                 "{}: not an IDX file (it does not start with two zero bytes)", name);
  constexpr std::pair<std::size_t, DType> kTypes[] = {{0x08, DType::kUInt8},   {0x09, DType::kInt8},
                                                      {0x0B, DType::kInt16},   {0x0C, DType::kInt32},
                                                      {0x0D, DType::kFloat32}, {0x0E, DType::kFloat64}};
  const auto* const type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& known) { return known.first == byte(2); });
  UNRECT_REQUIRE(type != std::end(kTypes), ErrorCode::kFormat,
                 "{}: IDX type 0x{:02X}, expected 08, 09, 0B, 0C, 0D or 0E", name, byte(2));
  const std::size_t rank = byte(3);
  UNRECT_REQUIRE(rank <= kMaxRank && bytes.size() >= 4 + 4 * rank, ErrorCode::kFormat,
                 "{}: the IDX header with {} axes is cut short or too long", name, rank);
  Array array{type->second, {}, {}};
  for (std::size_t at = 4; at < 4 + 4 * rank; at += 4) {
    array.shape.push_back(static_cast<Index>(byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3)));
  }
  const std::size_t header = 4 + 4 * rank;
  require_payload(array.shape, size_of(array.type), bytes.size() - header, name);
  array.bytes = std::move(bytes);
  array.bytes.erase(0, header);
  if (size_of(array.type) > 1) swap_bytes(array.bytes, size_of(array.type));
  return array;
}

Array to_idx(std::string bytes, std::string_view name) {
  if (!bytes.starts_with(kGzip)) return unpacked_idx(std::move(bytes), name);
  // Deflate never grows more than 1032 times.
  const std::size_t limit = std::min(std::size_t{4} << 30, (bytes.size() + 64) * 1032);
  std::string unpacked = gunzip(bytes, name, limit);
  UNRECT_REQUIRE(!unpacked.starts_with(kGzip), ErrorCode::kFormat, "{}: compressed twice", name);
  return unpacked_idx(std::move(unpacked), name);
}

}  // namespace

Array parse_idx(std::string_view bytes, std::string_view name) { return to_idx(std::string(bytes), name); }

Array read_npy(const std::filesystem::path& path) { return parse_npy(read_file(path), path.string()); }
ArrayMap read_npz(const std::filesystem::path& path) { return parse_npz(read_file(path), path.string()); }
Array read_idx(const std::filesystem::path& path) { return to_idx(read_file(path), path.string()); }
void write_npy(const std::filesystem::path& path, const Array& array) { write_file(path, format_npy(array)); }
void write_npz(const std::filesystem::path& path, const ArrayMap& arrays) { write_file(path, format_npz(arrays)); }

}  // namespace unrect
