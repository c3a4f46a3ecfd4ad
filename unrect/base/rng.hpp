// Random numbers that are the same on every machine, compiler and thread count.
#pragma once

#include <cstdint>

#include "unrect/base/types.hpp"

namespace unrect {

/// xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. The standard library's distributions differ between
/// implementations, so the distributions are here too.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  /// An independent generator for sub-task `stream`; does not advance this one.
  Rng split(std::uint64_t stream) const;

  std::uint64_t next();
  double uniform();  // in [0, 1)
  double uniform(double low, double high);
  double normal();           // mean 0, variance 1
  Index below(Index count);  // uniform on {0, …, count − 1}; count ≥ 1

  Matrix normal_matrix(Index rows, Index cols);
  Vector normal_vector(Index size);
  Vector uniform_vector(Index size, double low, double high);

 private:
  std::uint64_t state_[4];
};

}  // namespace unrect
