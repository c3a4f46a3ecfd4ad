// Fingerprints of data: equal on every machine, not secret.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "unrect/base/types.hpp"

namespace unrect {

/// A bijection of 64-bit words that spreads every bit (splitmix64's).
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Hash {  // every word is mixed in whole: flipped signs must not cancel
 public:
  /// Integers as 64 bits, whatever they have here.
  template <std::integral Integer>
  void add(Integer w) {
    value_ = mix(value_ ^ static_cast<std::uint64_t>(w));
  }
  void add(double x) { add(std::bit_cast<std::uint64_t>(x)); }
  void add(const Vector& v) {
    add(v.size());
    for (const double x : v) add(x);
  }
  void add(const Matrix& m) {
    add(m.rows());
    add(Vector(Eigen::Map<const Vector>(m.data(), m.size())));
  }
  void add(std::string_view bytes) {
    add(bytes.size());
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      std::uint64_t w = 0;
      std::memcpy(&w, bytes.data(), 8);
      add(w);
    }
    for (const char c : bytes) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace unrect
