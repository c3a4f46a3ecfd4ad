// Products of 64-bit numbers, whole, where the target has no type of 128 bits, too.
#pragma once

#include <cstdint>

namespace unrect {

struct Product {
  std::uint64_t high = 0, low = 0;  // high 2⁶⁴ + low
};

/// By four products of 32-bit halves (Knuth 4.3.1, algorithm M).
constexpr Product product_of_halves(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kHalf = 0xffffffff;
  const std::uint64_t low = (a & kHalf) * (b & kHalf), left = (a >> 32) * (b & kHalf) + (low >> 32),
                      right = (a & kHalf) * (b >> 32) + (left & kHalf);
  return {(a >> 32) * (b >> 32) + (left >> 32) + (right >> 32), right << 32 | (low & kHalf)};
}

constexpr Product product(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide whole = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(whole >> 64), static_cast<std::uint64_t>(whole)};
#else
  return product_of_halves(a, b);
#endif
}

}  // namespace unrect
