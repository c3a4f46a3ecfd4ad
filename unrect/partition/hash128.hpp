// A name of 128 random bits.
#pragma once

#include <compare>
#include <cstdint>

namespace unrect {

/// The exclusive or of random names: of a set, whatever the order.
struct Hash128 {
  std::uint64_t a = 0, b = 0;

  void flip(const Hash128& other) {
    a ^= other.a;
    b ^= other.b;
  }
  auto operator<=>(const Hash128&) const = default;
};

}  // namespace unrect
