// The affine forms of a whole stage over the parameters t: one column a unit, all of them computed at once.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "unrect/forms/stages.hpp"

namespace unrect {

/// z_i(t) = Σ_d row d [i] · t_d + row k [i]: (k + 1) × stride, units contiguous, padded with zeros to whole SIMD lanes.
class Forms {
 public:
  static constexpr Index kLane = 8;

  Forms() = default;
  Forms(Index dimension, Index units)
      : size_(units), values_(Matrix::Zero(dimension + 1, (units + kLane - 1) / kLane * kLane)) {}

  Index dimension() const { return values_.rows() - 1; }
  Index size() const { return size_; }
  Index stride() const { return values_.cols(); }
  double* row(Index d) { return values_.data() + d * values_.cols(); }
  const double* row(Index d) const { return values_.data() + d * values_.cols(); }
  void set_zero() { values_.setZero(); }

 private:
  Index size_ = 0;
  Matrix values_;
};

/// A set of numbers from 0 on ("places") that tells how many of its members are below a given one.
struct PlaceSet {
  std::vector<std::uint64_t> bits;  // place p: bit p % 64 of word p / 64
  std::vector<Index> before;        // of each word: places in the words before it

  void clear(std::size_t places) { bits.assign(places / 64 + 1, 0); }
  void insert(Index p) { bits[static_cast<std::size_t>(p / 64)] |= std::uint64_t{1} << (p % 64); }
  /// Sets `before` for the bits that are there now; how many they are.
  Index count();
  /// Places below p; p may be one past the last.
  Index rank(Index p) const {
    const auto word = static_cast<std::size_t>(p / 64);
    return before[word] + std::popcount(bits[word] & ((std::uint64_t{1} << (p % 64)) - 1));
  }
};

/// What a link's last product leaves to its next one, which in most tiles has the same columns. Belongs to one link;
/// the sums are the same with it and without.
struct LastProduct {
  static constexpr int kRows = 4;
  /// Of up to kRows rows of forms.
  struct Part {
    PlaceSet active;                  // columns that are in the sums
    std::vector<double> coefficient;  // kRows at each place
    std::vector<double> sums;         // a row of tiles.height + 1 for each row of forms; the last one stays 0
  };
  std::vector<Part> parts;
};

/// out = base + Σ_{j active} M[:, j] ⊗ a_j, a: the forms of the link's source. base and out may be the same object.
/// O(|active| · size · (k + 1)) for a dense link, O(non-zeros of those columns · (k + 1)) for a sparse one, less what
/// `last` saves.
void add_columns(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out,
                 LastProduct& last);

/// Points by coordinates: `rows` k of them, `stride` apart, `count` points.
struct PointRows {
  const double* rows = nullptr;
  Index stride = 0, count = 0;
};

/// Lowest and highest value of each form over the points; low, high: at least forms.stride() long. O(size · count · k).
void range_over(const Forms& forms, const PointRows& points, double* low, double* high);

/// Which forms are above their doubt at every point, and which are so or below −doubt at every point: bit i % 64 of
/// word i / 64. doubt_i = error_i + (Σ_d |row d [i]| + gradient_error_i) · delta. O(size · count · k).
void sides_over(const Forms& forms, const PointRows& points, const double* error, const double* gradient_error,
                double delta, std::uint64_t* above, std::uint64_t* decided);

}  // namespace unrect
