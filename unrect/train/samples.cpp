#include "unrect/train/samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "unrect/base/error.hpp"

namespace unrect {
void check_finite(const MatrixOf<float>& values, std::string_view name) {
  // x − x is 0 unless x is not finite; a sum is one vectorised pass.
  if ((values.array() - values.array()).sum() == 0) return;
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) {
      UNRECT_REQUIRE(std::isfinite(values(i, j)), ErrorCode::kInvalidArgument,
                     "{}: row {}, column {} is {}; expected a finite number", name, i, j, values(i, j));
    }
  }
}

void check(const Samples& samples, std::string_view name) {
  UNRECT_REQUIRE(samples.size() > 0, ErrorCode::kInvalidArgument, "{}: no samples; expected at least one", name);
  UNRECT_REQUIRE(samples.targets.rows() == samples.size(), ErrorCode::kInvalidArgument,
                 "{}: {} rows of inputs and {} of targets; expected one target for each input", name, samples.size(),
                 samples.targets.rows());
  UNRECT_REQUIRE(samples.inputs.cols() > 0 && samples.targets.cols() > 0, ErrorCode::kInvalidArgument,
                 "{}: inputs of {} and targets of {} values; expected at least one each", name, samples.inputs.cols(),
                 samples.targets.cols());
  check_finite(samples.inputs, fmt::format("{}: input", name));
  check_finite(samples.targets, fmt::format("{}: target", name));
}

MatrixOf<float> one_hot(const std::vector<int>& labels, Index classes, std::string_view name) {
  MatrixOf<float> rows = MatrixOf<float>::Zero(static_cast<Index>(labels.size()), classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    UNRECT_REQUIRE(labels[i] >= 0 && labels[i] < classes, ErrorCode::kInvalidArgument,
                   "{}: label {} in row {}; expected 0 … {}", name, labels[i], i, classes - 1);
    rows(static_cast<Index>(i), labels[i]) = 1;
  }
  return rows;
}

Samples rows_of(const Samples& samples, const std::vector<Index>& rows) {
  return {samples.inputs(rows, Eigen::all), samples.targets(rows, Eigen::all)};
}

std::pair<Samples, Samples> split(const Samples& samples, Index held_out, Rng rng) {
  UNRECT_REQUIRE(held_out >= 0 && held_out < samples.size(), ErrorCode::kInvalidArgument,
                 "{} samples held out of {}; expected fewer than there are", held_out, samples.size());
  const std::vector<Index> order = permutation(samples.size(), rng);
  return {rows_of(samples, {order.begin() + held_out, order.end()}),
          rows_of(samples, {order.begin(), order.begin() + held_out})};
}

std::vector<Index> permutation(Index count, Rng rng) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index i = count - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(rng.below(i + 1))]);
  return order;
}

}  // namespace unrect
