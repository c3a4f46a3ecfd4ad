#include "unrect/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <random>
#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Names of unfinished files. Whoever takes a name out of here may remove the file; more than fit are just not listed.
std::array<std::atomic<const char*>, 256> unfinished{};
std::atomic<bool> ending = false;  // the list has been, or is about to be, cleared for the last time
std::atomic<int> opening = 0;      // threads between the look at `ending` and their file's being there

[[noreturn]] void wait_for_the_end() {
  for (;;) ::pause();
}

class Unfinished {
 public:
  explicit Unfinished(const char* path) {
    for (std::atomic<const char*>& entry : unfinished) {
      const char* none = nullptr;
      if (entry.compare_exchange_strong(none, path)) {
        entry_ = &entry;
        return;
      }
    }
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() { finish(); }

  /// Strikes the name off the list. If a signal handler was first, the process is about to end: waits for that.
  void finish() {
    if (entry_ == nullptr) return;
    if (entry_->exchange(nullptr) == nullptr) wait_for_the_end();
    entry_ = nullptr;
  }

 private:
  std::atomic<const char*>* entry_ = nullptr;
};

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
  throw Error(ErrorCode::kFile, fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

// A new file beside `path`, made for writing, that nobody else writes to: a name of chance, since threads share a
// process number, and processes of two machines on one disk may.
int open_aside(const std::filesystem::path& path, std::filesystem::path& aside, std::optional<Unfinished>& listed) {
  constexpr std::size_t kKept = 200;  // of the name, which may be as long as the file system takes
  std::random_device chance;
  for (int tries = 0; tries < 100; ++tries) {
    const std::string name = path.filename().string().substr(0, kKept);
    aside = path.parent_path() / fmt::format("{}.{:08x}{:08x}.part", name, chance(), chance());
    ++opening;
    if (ending) {
      --opening;
      wait_for_the_end();
    }
    listed.emplace(aside.c_str());
    const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    --opening;
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(path, "cannot open");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail(path, "cannot read");
  UNRECT_REQUIRE(S_ISREG(info.st_mode), ErrorCode::kFile, "{}: not a regular file", path.string());
  UNRECT_REQUIRE(static_cast<std::uint64_t>(info.st_size) <= max_bytes, ErrorCode::kFile,
                 "{}: {} bytes is more than the {} this reader takes", path.string(), info.st_size, max_bytes);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "cannot read");
    if (got == 0) break;  // the file shrank while it was read; its format's reader will say what is missing
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

void write_file(const std::filesystem::path& name, std::string_view bytes) {
  UNRECT_REQUIRE(!name.empty(), ErrorCode::kFile, "no file name to write to");
  // A link stays a link: what it points to is replaced. Devices and pipes are nothing to rename over.
  std::error_code ignored;
  const std::filesystem::path resolved = std::filesystem::canonical(name, ignored);
  const std::filesystem::path path = ignored ? name : resolved;
  struct stat old {};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  UNRECT_REQUIRE(!exists || S_ISREG(old.st_mode), ErrorCode::kFile, "{}: not a regular file, expected one to replace",
                 name.string());
  std::filesystem::path aside;
  std::optional<Unfinished> listed;
  Descriptor file(open_aside(path, aside, listed));
  if (file.get() < 0) fail(path, "cannot write");
  const auto give_up = [&](std::string_view what) {
    const int reason = errno;
    ::unlink(aside.c_str());
    errno = reason;
    fail(path, what);
  };
  if (exists) ::fchmod(file.get(), old.st_mode & 07777);
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t put = ::write(file.get(), bytes.data() + written, bytes.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) give_up("cannot write");
    written += static_cast<std::size_t>(put);
  }
  // Some file systems only report a full disk here or in close().
  if (::fsync(file.get()) != 0 && errno != EINVAL && errno != EROFS) give_up("cannot write");
  if (::close(file.release()) != 0) give_up("cannot write");
  listed->finish();
  if (::rename(aside.c_str(), path.c_str()) != 0) give_up("cannot replace");
}

void discard_unfinished_files() noexcept {
  ending = true;
  // Not for ever: the signal may have come to a thread that is opening a file.
  for (int tries = 0; tries < 100 && opening > 0; ++tries) {
    const timespec moment{0, 1000000};
    ::nanosleep(&moment, nullptr);
  }
  for (std::atomic<const char*>& entry : unfinished) {
    if (const char* const path = entry.exchange(nullptr)) ::unlink(path);
  }
}

std::string gunzip(std::string_view bytes, std::string_view name, std::uint64_t max_bytes) {
  const auto most =
      static_cast<std::size_t>(std::min<std::uint64_t>(max_bytes, std::numeric_limits<std::size_t>::max() / 2));
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::bad_alloc();
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};
  // The stream's last four bytes say how long it unpacks (below 4 GiB); what they say is a first guess and no more, and
  // a damaged stream may say anything: hence no more than a tenfold is believed at first.
  constexpr std::size_t kLeast = std::size_t{1} << 16;
  std::size_t guess = 0;
  if (bytes.size() >= 4) {
    for (std::size_t i = 4; i > 0; --i) guess = guess << 8 | static_cast<unsigned char>(bytes[bytes.size() - 5 + i]);
  }
  std::string out(std::min({std::max(guess, kLeast), 10 * bytes.size() + kLeast, std::max(most, kLeast)}), '\0');
  std::size_t filled = 0;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  std::size_t left = bytes.size();
  int state = Z_OK;
  do {
    if (filled == out.size()) out.resize(std::min(2 * filled, most + 1));
    const std::size_t feed = std::min<std::size_t>(left, UINT_MAX),
                      room = std::min<std::size_t>(out.size() - filled, UINT_MAX);
    stream.avail_in = static_cast<uInt>(feed);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    left -= feed - stream.avail_in;
    filled += room - stream.avail_out;
    UNRECT_REQUIRE(state == Z_OK || state == Z_STREAM_END, ErrorCode::kFormat, "{}: damaged gzip stream near byte {}",
                   name, bytes.size() - left);
    UNRECT_REQUIRE(filled <= most, ErrorCode::kFormat, "{}: unpacks to more than {} bytes", name, most);
  } while (state != Z_STREAM_END);
  out.resize(filled);
  return out;
}

}  // namespace unrect
