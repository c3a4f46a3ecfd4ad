// The .npz container: a zip archive, read through its central directory.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <climits>
#include <cstdint>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;

/// Little-endian numbers at places of a byte string; every place is checked. Places have 64 bits, as in the file.
class Bytes {
 public:
  Bytes(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  std::uint64_t number(std::uint64_t at, int width) const {
    const std::string_view field = slice(at, static_cast<std::uint64_t>(width));
    std::uint64_t value = 0;
    for (int i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(field[static_cast<std::size_t>(i)]);
    return value;
  }
  std::string_view slice(std::uint64_t at, std::uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) fail("the archive is cut short");
    return bytes_.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(length));
  }
  std::size_t size() const { return bytes_.size(); }
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::kFormat, fmt::format("{}: bad .npz file: {}", name_, what));
  }

 private:
  std::string_view bytes_;
  std::string_view name_;
};

struct Entry {
  std::string name;
  std::uint64_t flags = 0, method = 0, crc = 0, packed = 0, unpacked = 0, offset = 0;
};

struct Directory {
  std::uint64_t entries = 0, offset = 0;
};

Directory find_directory(const Bytes& bytes) {
  if (bytes.size() < kEndSize) bytes.fail("it is shorter than an empty archive");
  std::size_t end = bytes.size() - kEndSize;
  const std::size_t last = end > 0xFFFF ? end - 0xFFFF : 0;  // a comment of up to 65,535 bytes may follow
  while (bytes.number(end, 4) != kEnd || bytes.number(end + 20, 2) != bytes.size() - end - kEndSize) {
    if (end == last) bytes.fail("no central directory");
    --end;
  }
  Directory directory{bytes.number(end + 10, 2), bytes.number(end + 16, 4)};
  if (end >= kLocatorSize && bytes.number(end - kLocatorSize, 4) == kEnd64Locator) {
    const std::uint64_t end64 = bytes.number(end - kLocatorSize + 8, 8);
    if (bytes.slice(end64, kEnd64Size).empty() || bytes.number(end64, 4) != kEnd64) bytes.fail("bad zip64 directory");
    directory = {bytes.number(end64 + 32, 8), bytes.number(end64 + 48, 8)};
  }
  return directory;
}

/// Sizes and offset that do not fit 32 bits stand in the extra field with tag 1, in this order.
void read_zip64(const Bytes& bytes, std::uint64_t at, std::uint64_t length, Entry& entry) {
  const std::uint64_t end = at + length;
  while (at + 4 <= end) {
    const std::uint64_t tag = bytes.number(at, 2);
    const std::uint64_t stop = at + 4 + bytes.number(at + 2, 2);
    if (stop > end) bytes.fail(fmt::format("entry '{:.80}' has a damaged extra field", entry.name));
    at += 4;
    if (tag == 1) {
      for (std::uint64_t* field : {&entry.unpacked, &entry.packed, &entry.offset}) {
        if (*field != 0xFFFFFFFF) continue;
        if (at + 8 > stop) bytes.fail(fmt::format("entry '{:.80}' has a damaged zip64 field", entry.name));
        *field = bytes.number(at, 8);
        at += 8;
      }
      return;
    }
    at = stop;
  }
}

Entry read_entry(const Bytes& bytes, std::uint64_t& at) {
  if (bytes.number(at, 4) != kCentral) bytes.fail("the central directory is damaged");
  Entry entry;
  entry.flags = bytes.number(at + 8, 2);
  entry.method = bytes.number(at + 10, 2);
  entry.crc = bytes.number(at + 16, 4);
  entry.packed = bytes.number(at + 20, 4);
  entry.unpacked = bytes.number(at + 24, 4);
  entry.offset = bytes.number(at + 42, 4);
  const std::uint64_t name = bytes.number(at + 28, 2), extra = bytes.number(at + 30, 2);
  entry.name = bytes.slice(at + kCentralSize, name);
  for (char& c : entry.name) {
    if (static_cast<unsigned char>(c) < ' ') bytes.fail("an entry's name holds control characters");
  }
  bytes.slice(at + kCentralSize + name, extra);
  read_zip64(bytes, at + kCentralSize + name, extra, entry);
  at += kCentralSize + name + extra + bytes.number(at + 32, 2);
  return entry;
}

std::string inflate_entry(std::string_view packed, const Bytes& bytes, const Entry& entry) {
  const auto unpacked = static_cast<std::size_t>(entry.unpacked);
  if (unpacked != entry.unpacked) throw std::bad_alloc();
  std::string out(unpacked, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();
  struct Finish {
    z_stream* stream;
    ~Finish() { inflateEnd(stream); }
  } const finish{&stream};
  int state = Z_OK;
  std::size_t read = 0, written = 0;
  while (state == Z_OK) {
    const std::size_t feed = std::min<std::size_t>(packed.size() - read, UINT_MAX);
    const std::size_t room = std::min<std::size_t>(unpacked - written, UINT_MAX);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(feed);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    read += feed - stream.avail_in;
    written += room - stream.avail_out;
  }
  if (state != Z_STREAM_END || written != unpacked || read != packed.size()) {
    bytes.fail(fmt::format("entry '{:.80}' does not unpack to its {} bytes", entry.name, unpacked));
  }
  return out;
}

std::uint32_t crc_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string deflated(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);  // the bound makes one call enough
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 255));
}

}  // namespace

ArrayMap parse_npz(std::string_view archive, std::string_view name) {
  const Bytes bytes(archive, name);
  const Directory directory = find_directory(bytes);
  ArrayMap arrays;
  std::uint64_t at = directory.offset;
  std::size_t packed_total = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(bytes, at);
    const auto fail = [&](std::string_view what) { bytes.fail(fmt::format("entry '{:.80}' {}", entry.name, what)); };
    if (!entry.name.ends_with(".npy")) fail("is not an .npy array");
    if ((entry.flags & 1) != 0) fail("is encrypted");
    if (entry.method != 0 && entry.method != 8) fail("is compressed by another method than deflate");
    if (bytes.number(entry.offset, 4) != kLocal) fail("has no local header");
    const std::uint64_t data =
        entry.offset + kLocalSize + bytes.number(entry.offset + 26, 2) + bytes.number(entry.offset + 28, 2);
    const std::string_view packed = bytes.slice(data, entry.packed);
    // Entries that overlap could unpack the same bytes many times over.
    packed_total += packed.size();
    if (packed_total > bytes.size()) fail("overlaps another");
    const std::uint64_t most = entry.method == 0 ? entry.packed : (entry.packed + 64) * 1032;
    if (entry.unpacked > most || (entry.method == 0 && entry.unpacked != entry.packed)) {
      fail(fmt::format("claims {} bytes, more than its {} packed ones can hold", entry.unpacked, entry.packed));
    }
    const std::string content = entry.method == 0 ? std::string() : inflate_entry(packed, bytes, entry);
    const std::string_view array = entry.method == 0 ? packed : std::string_view(content);
    if (crc_of(array) != entry.crc) fail("fails its checksum");
    const std::string key = entry.name.substr(0, entry.name.size() - 4);
    if (!arrays.emplace(key, parse_npy(array, fmt::format("{}: {:.80}", name, entry.name))).second) fail("comes twice");
  }
  return arrays;
}

std::string format_npz(const ArrayMap& arrays) {
  constexpr std::uint64_t kLimit = 4'000'000'000, kVersion = 20, kDeflate = 8, kDate = 0x21;  // 1980-01-01
  UNRECT_REQUIRE(arrays.size() < 0xFFFF, ErrorCode::kInvalidArgument,
                 "{} arrays, expected fewer than 65,535 in an .npz", arrays.size());
  std::string out, directory;
  for (const auto& [key, array] : arrays) {
    const std::string npy = format_npy(array), name = key + ".npy";
    UNRECT_REQUIRE(npy.size() < kLimit && out.size() < kLimit && name.size() < 0xFFFF, ErrorCode::kInvalidArgument,
                   "array '{:.80}' makes the .npz larger than 4 GB", key);
    const std::string packed = deflated(npy);
    std::string common;
    for (const auto& [value, width] : {std::pair<std::uint64_t, int>{kVersion, 2},
                                       {0, 2},
                                       {kDeflate, 2},
                                       {0, 2},
                                       {kDate, 2},
                                       {crc_of(npy), 4},
                                       {packed.size(), 4},
                                       {npy.size(), 4},
                                       {name.size(), 2},
                                       {0, 2}}) {
      put(common, value, width);
    }
    put(directory, kCentral, 4);
    put(directory, kVersion, 2);
    directory += common;
    for (const int width : {2, 2, 2, 4}) put(directory, 0, width);  // comment, disk, attributes
    put(directory, out.size(), 4);
    directory += name;
    put(out, kLocal, 4);
    out += common;
    out += name;
    out += packed;
  }
  UNRECT_REQUIRE(out.size() < kLimit, ErrorCode::kInvalidArgument, "the .npz is larger than 4 GB");
  const std::size_t start = out.size();
  out += directory;
  put(out, kEnd, 4);
  put(out, 0, 4);
  put(out, arrays.size(), 2);
  put(out, arrays.size(), 2);
  put(out, directory.size(), 4);
  put(out, start, 4);
  put(out, 0, 2);
  return out;
}

}  // namespace unrect
