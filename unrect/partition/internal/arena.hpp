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

/// How wrong an affine form's value at a vertex can be: error + gradient · (the vertex's own displacement).
struct Doubt {
  double error = 0, gradient = 0;

  double at(double delta) const { return error + gradient * delta; }
  /// For an edge whose ends have values |a| + |b| = size: how far its zero can be off, as a share of its length.
  double along(double size, double delta) const {
    const double doubt = at(delta);
    return size > 3 * doubt ? doubt / (size - 2 * doubt) : 1.0;
  }
  /// Whether a new vertex owes its displacement to the form itself: solving for it would gain little.
  bool inherent(double delta) const { return gradient * delta < 4 * error; }
};

}  // namespace unrect
