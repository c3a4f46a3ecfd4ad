// What a network is to learn from: rows of inputs beside rows of targets.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/base/types.hpp"

namespace unrect {

/// One sample a row. Targets of a classification are one-hot rows (see one_hot).
struct Samples {
  MatrixOf<float> inputs;   // N × n_0
  MatrixOf<float> targets;  // N × n_L

  Index size() const { return inputs.rows(); }
};

/// @throws Error kInvalidArgument naming `name`, row and column of the first NaN or infinity.
void check_finite(const MatrixOf<float>& values, std::string_view name);

/// @throws Error kInvalidArgument naming `name`, row and column for a NaN or an infinity, for differing numbers of rows
/// and for no rows at all.
void check(const Samples& samples, std::string_view name);

/// Rows that are 1 in the column of their label. @throws Error kInvalidArgument naming the row of a label outside {0,
/// …, classes − 1}.
MatrixOf<float> one_hot(const std::vector<int>& labels, Index classes, std::string_view name);

/// The rows of `samples` with these numbers.
Samples rows_of(const Samples& samples, const std::vector<Index>& rows);

/// {all but `held_out` rows, those rows}, chosen at random. @throws Error kInvalidArgument unless 0 ≤ held_out < N.
std::pair<Samples, Samples> split(const Samples& samples, Index held_out, Rng rng);

/// 0 … count − 1 in random order (Fisher–Yates).
std::vector<Index> permutation(Index count, Rng rng);

}  // namespace unrect
