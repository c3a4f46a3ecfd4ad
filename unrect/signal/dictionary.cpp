#include "unrect/signal/dictionary.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/progress_report.hpp"

namespace unrect {
namespace {

/// K of the samples that are not zero, at random, made unit; if there are fewer, random directions beside them.
Matrix first_atoms(const MatrixRef& samples, Index count, Rng& rng) {
  std::vector<Index> order;
  for (Index i = 0; i < samples.rows(); ++i) {
    if (samples.row(i).squaredNorm() > 0) order.push_back(i);
  }
  UNRECT_REQUIRE(!order.empty(), ErrorCode::kInvalidArgument, "{} samples, all zero", samples.rows());
  Matrix atoms = rng.normal_matrix(count, samples.cols());
  for (Index k = 0; k < std::min(count, static_cast<Index>(order.size())); ++k) {
    const Index other = k + rng.below(static_cast<Index>(order.size()) - k);
    std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(other)]);
    atoms.row(k) = samples.row(order[static_cast<std::size_t>(k)]);
  }
  return atoms.rowwise().normalized();
}

/// The best rank-one fit g dᵀ to `rest` (users × n); d unit. Approximate: one alternation from the present d.
void fit_rank_one(const Matrix& rest, bool approximate, Vector& coefficients, Vector& atom) {
  if (approximate) {
    const Vector direction = rest.transpose() * coefficients;
    if (direction.norm() == 0) return;
    atom = direction.normalized();
  } else {
    const Matrix scatter = rest.transpose() * rest;
    const Vector direction = Eigen::SelfAdjointEigenSolver<Matrix>(scatter).eigenvectors().rightCols(1);
    atom = direction * (direction.dot(atom) < 0 ? -1 : 1);  // the sign that it had
  }
  coefficients = rest * atom;
}

}  // namespace

Dictionary learn_dictionary(const MatrixRef& samples, const KsvdOptions& options, const Context& context) {
  UNRECT_REQUIRE(samples.size() > 0 && samples.allFinite(), ErrorCode::kInvalidArgument,
                 "{} samples of size {}, expected at least one, all finite", samples.rows(), samples.cols());
  validate(options);
  Rng rng(context.seed);
  Dictionary result;
  result.atoms = first_atoms(samples, options.atoms, rng);
  result.codes = Matrix::Zero(samples.rows(), options.atoms);
  ProgressReport report(context);
  const auto stopped = [&](double done) {
    return report.stops({"iterations", done, static_cast<double>(options.iterations)});
  };
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    const Dictionary before = result;  // what is left of an iteration that is not finished
    Omp omp(result.atoms.transpose());
    constexpr Index kRows = 256;
    for (Index row = 0; row < samples.rows(); row += kRows) {
      if (stopped(iteration + 0.5 * static_cast<double>(row) / static_cast<double>(samples.rows()))) return before;
      const Index count = std::min(kRows, samples.rows() - row);
      result.codes.middleRows(row, count) = omp.solve_rows(samples.middleRows(row, count), options.code);
    }
    Matrix rest = samples - result.codes * result.atoms;
    Vector free = Vector::Ones(samples.rows());  // 0 for a sample that an idle atom has become
    for (Index k = 0; k < options.atoms; ++k) {
      if (stopped(iteration + 0.5 + 0.5 * static_cast<double>(k) / static_cast<double>(options.atoms))) return before;
      std::vector<Index> users;
      for (Index i = 0; i < samples.rows(); ++i) {
        if (result.codes(i, k) != 0) users.push_back(i);
      }
      if (users.empty()) {
        Index worst = 0;
        if (rest.rowwise().squaredNorm().cwiseProduct(free).maxCoeff(&worst) > 0) {
          result.atoms.row(k) = samples.row(worst).normalized();
          free(worst) = 0;
        }
        continue;
      }
      Vector coefficients = result.codes(users, k);
      Vector atom = result.atoms.row(k).transpose();
      Matrix part = rest(users, Eigen::all) + coefficients * atom.transpose();
      fit_rank_one(part, options.approximate, coefficients, atom);
      result.atoms.row(k) = atom.transpose();
      result.codes(users, k) = coefficients;
      rest(users, Eigen::all) = part - coefficients * atom.transpose();
    }
    result.mean_square.push_back(rest.squaredNorm() / static_cast<double>(samples.rows()));
  }
  return result;
}

Matrix image_patches(const MatrixRef& image, Index patch, Index stride) {
  UNRECT_REQUIRE(patch >= 1 && patch <= std::min(image.rows(), image.cols()) && stride >= 1,
                 ErrorCode::kInvalidArgument, "patches of {} every {} pixels in an image of {} × {}", patch, stride,
                 image.rows(), image.cols());
  const Index down = (image.rows() - patch) / stride + 1, across = (image.cols() - patch) / stride + 1;
  Matrix patches(down * across, patch * patch);
  for (Index k = 0; k < patches.rows(); ++k) {
    Eigen::Map<Matrix>(patches.row(k).data(), patch, patch) =
        image.block(k / across * stride, k % across * stride, patch, patch);
  }
  return patches.colwise() - patches.rowwise().mean();
}

}  // namespace unrect
