// Whole files in, whole files out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace unrect {

/// The bytes of a regular file. @throws Error kFile for a missing file, a directory, or one over `max_bytes`.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{8} << 30);

/// Writes beside `name`, flushes to the disk, then renames: a reader sees the old file or the whole new one. Keeps the
/// mode of a file that it replaces and follows links. @throws Error kFile (no folder, no space, no permission, a device
/// or pipe); `name` is then untouched.
void write_file(const std::filesystem::path& name, std::string_view bytes);

/// Removes what write_file() has begun and not finished, on all threads; none of them finishes its file any more. For a
/// signal handler that ends the process: async-signal-safe.
void discard_unfinished_files() noexcept;

/// Undoes gzip. @throws Error kFormat, naming `name`, for a damaged stream or one that grows over `max_bytes`.
std::string gunzip(std::string_view bytes, std::string_view name, std::uint64_t max_bytes = std::uint64_t{4} << 30);

}  // namespace unrect
