#include "unrect/sensing/fit.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "unrect/signal/blocks.hpp"

namespace unrect {

double asked_residual(const Measurement& measurement) {
  const auto count = static_cast<double>(measurement.y.size());
  return std::max(measurement.noise * std::sqrt(count + 2 * std::sqrt(2 * count)), 1e-6 * measurement.y.norm());
}

struct Fit::Spectra {
  std::mutex mutex;
  std::map<std::pair<Index, Index>, Spectrum> of_size;
};

Fit::Fit(const Sampling& sampling, White white) : white_(std::move(white)), spectra_(std::make_shared<Spectra>()) {
  if (is_small(sampling)) phi_ = sampling.phi.to_matrix();
}

const Fit::Spectrum& Fit::spectrum_of(Index rows, Index cols) const {
  const std::lock_guard lock(spectra_->mutex);
  const auto known = spectra_->of_size.find({rows, cols});
  if (known != spectra_->of_size.end()) return known->second;
  Matrix phi = phi_;
  for (Index pixel = 0; pixel < phi.cols(); ++pixel) {
    if (pixel / white_.block >= rows || pixel % white_.block >= cols) phi.col(pixel).setZero();
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(phi * phi.transpose());
  Spectrum spectrum{std::move(phi), solver.eigenvectors(), solver.eigenvalues().cwiseMax(0)};
  return spectra_->of_size.emplace(std::pair(rows, cols), std::move(spectrum)).first->second;
}

Image Fit::operator()(const Image& x, const Measurement& m) const {
  const double enough = asked_residual(m) * (1 - 1e-9);
  Matrix blocks = to_blocks(x, white_.block);
  Matrix misfit = m.y - m.sampling.phi.apply_rows(blocks);
  if (misfit.norm() <= enough) return x;
  if (!(misfit.norm() <= m.y.norm())) {  // black is nearer to it
    blocks.setZero();
    misfit = m.y;
  }
  if (m.noise > 0 && phi_.size() > 0) {
    project(blocks, misfit, m, enough);
  } else {
    const Matrix before = blocks;
    solve(blocks, m);
    if (m.noise > 0) {  // no further than asked
      const Matrix moves = blocks - before, seen = m.sampling.phi.apply_rows(moves);
      double low = 0, high = 1;
      for (int k = 0; k < 40; ++k) {
        const double middle = 0.5 * (low + high);
        ((misfit - middle * seen).norm() <= enough ? high : low) = middle;
      }
      blocks = before + high * moves;
    }
  }
  return from_blocks(blocks, m.height, m.width, white_.block);
}

void Fit::project(Matrix& blocks, const Matrix& misfit, const Measurement& m, double enough) const {
  require_measured_by(m, phi_.rows(), white_.block);
  struct Part {
    BlockGroup group;
    const Spectrum* spectrum;
    Matrix codes;     // Uᵀ(y − Φx), a block a row
    Vector energies;  // of each code, all blocks together
  };
  std::vector<Part> parts;
  double most = 0;
  for (BlockGroup& group : block_groups(m.height, m.width, white_.block)) {
    const Spectrum& spectrum = spectrum_of(group.rows, group.cols);
    Matrix codes = misfit(group.blocks, Eigen::all) * spectrum.u;
    Vector energies = codes.colwise().squaredNorm().transpose();
    most = std::max(most, spectrum.squares.maxCoeff());
    parts.push_back({std::move(group), &spectrum, std::move(codes), std::move(energies)});
  }
  // ‖y − Φx̂‖², which rises with λ.
  const auto left = [&](double lambda) {
    double sum = 0;
    for (const Part& part : parts)
      sum += (part.energies.array() * (lambda / (part.spectrum->squares.array() + lambda)).square()).sum();
    return sum;
  };
  double low = std::log(1e-14 * most), high = std::log(1e14 * most);
  for (int k = 0; k < 100; ++k) {
    const double middle = 0.5 * (low + high);
    (left(std::exp(middle)) <= enough * enough ? low : high) = middle;
  }
  for (const Part& part : parts) {
    const Vector weights = (part.spectrum->squares.array() + std::exp(low)).inverse();
    const Matrix moves = part.codes * weights.asDiagonal() * part.spectrum->u.transpose() * part.spectrum->phi;
    blocks(part.group.blocks, Eigen::all) += moves;
  }
}

void Fit::solve(Matrix& blocks, const Measurement& m) const {
  const Matrix inside = to_blocks(Matrix::Ones(m.height, m.width), white_.block), y = white_.measurements(m);
  Matrix rest = y - white_.phi.apply_rows(blocks);
  Matrix gradient = white_.phi.adjoint_rows(rest).cwiseProduct(inside), direction = gradient;
  Vector square = gradient.rowwise().squaredNorm();
  std::vector<Index> open(static_cast<std::size_t>(blocks.rows()));
  std::iota(open.begin(), open.end(), Index{0});
  const Vector sizes = y.rowwise().norm().cwiseMax(rest.rowwise().norm());
  for (int k = 0; k < 1000; ++k) {
    // Done: nothing is left, or nothing that pixels could explain.
    std::erase_if(open, [&](Index i) {
      const double left_over = rest.row(i).norm();
      return left_over <= 1e-12 * sizes(i) || !(std::sqrt(square(i)) > 1e-10 * left_over);
    });
    if (open.empty()) break;
    const Matrix ahead = direction(open, Eigen::all), image = white_.phi.apply_rows(ahead);
    Vector steps = square(open).array() / image.rowwise().squaredNorm().array().max(1e-300);
    // What a block leaves falls with every step; where it does not, rounding rules.
    for (std::size_t i = 0; i < open.size(); ++i) {
      const auto at = static_cast<Index>(i);
      if ((rest.row(open[i]) - steps(at) * image.row(at)).norm() < rest.row(open[i]).norm()) continue;
      steps(at) = 0;
      square(open[i]) = 0;
    }
    const Matrix moves = steps.asDiagonal() * ahead;
    blocks(open, Eigen::all) += moves;
    rest(open, Eigen::all) -= steps.asDiagonal() * image;
    const Matrix next = white_.phi.adjoint_rows(rest(open, Eigen::all)).cwiseProduct(inside(open, Eigen::all));
    const Vector squares = next.rowwise().squaredNorm();
    const Vector ratios = (square(open).array() > 0).select(squares.array() / square(open).array(), 0);
    direction(open, Eigen::all) = next + ratios.asDiagonal() * ahead;
    square(open) = (square(open).array() > 0).select(squares, 0);
  }
}

}  // namespace unrect
