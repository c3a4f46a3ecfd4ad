// Memory for cells that live exactly as long as the recursion that made them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace unrect {

/// A stack of bytes in chunks that never move. mark() and release() bracket what a branch of the recursion takes.
class Arena {
 public:
  struct Mark {
    std::size_t chunk = 0, used = 0;
  };

  template <class T>
  T* take(std::size_t count) {
    const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    while (top_.chunk < chunks_.size() && top_.used + bytes > chunks_[top_.chunk].size) top_ = {top_.chunk + 1, 0};
    if (top_.chunk == chunks_.size()) {
      const std::size_t size = bytes > kChunk ? bytes : kChunk;
      chunks_.push_back({std::make_unique<std::byte[]>(size + 64), size});
      top_.used = 0;
    }
    std::byte* base = chunks_[top_.chunk].bytes.get();
    base += (64 - reinterpret_cast<std::size_t>(base) % 64) % 64;
    T* const out = reinterpret_cast<T*>(base + top_.used);
    top_.used += bytes;
    return out;
  }
  Mark mark() const { return top_; }
  void release(Mark mark) { top_ = mark; }

 private:
  static constexpr std::size_t kChunk = std::size_t{1} << 16;
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  Mark top_;
};

}  // namespace unrect
