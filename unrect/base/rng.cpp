#include "unrect/base/rng.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "unrect/base/internal/product.hpp"

namespace unrect {
namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (std::uint64_t& word : state_) word = splitmix(seed);
}

Rng Rng::split(std::uint64_t stream) const {
  std::uint64_t mix = state_[0] ^ std::rotl(state_[3], 23);
  mix = splitmix(mix) ^ stream;
  return Rng(splitmix(mix));
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Rng::normal() {
  const double radius = std::sqrt(-2 * std::log1p(-uniform()));  // Box–Muller; 1 − u lies in (0, 1]
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

Index Rng::below(Index count) { return static_cast<Index>(product(next(), static_cast<std::uint64_t>(count)).high); }

Matrix Rng::normal_matrix(Index rows, Index cols) {
  Matrix m(rows, cols);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = normal();
  return m;
}

Vector Rng::normal_vector(Index size) {
  Vector v(size);
  for (double& x : v) x = normal();
  return v;
}

Vector Rng::uniform_vector(Index size, double low, double high) {
  Vector v(size);
  for (double& x : v) x = uniform(low, high);
  return v;
}

}  // namespace unrect
