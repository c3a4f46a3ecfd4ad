#include "unrect/sensing/fit.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "unrect/signal/blocks.hpp"

namespace unrect {

double asked_residual(const Measurement& measurement) {
  const auto count = static_cast<double>(measurement.y.size());
  return std::max(measurement.noise * std::sqrt(count + 2 * std::sqrt(2 * count)), 1e-6 * measurement.y.norm());
}

Image fitted(const Image& x, const Measurement& m, const White& white) {
  const double enough = asked_residual(m) * (1 - 1e-9);
  Matrix blocks = to_blocks(x, white.block);
  const auto left = [&]() -> Matrix { return m.y - m.sampling.phi.apply_rows(blocks); };
  Matrix misfit = left();
  if (misfit.norm() <= enough) return x;
  if (!(misfit.norm() <= m.y.norm())) {  // black is nearer to it
    blocks.setZero();
    misfit = m.y;
  }
  const Matrix inside = to_blocks(Matrix::Ones(m.height, m.width), white.block), y = white.measurements(m);
  Matrix rest = y - white.phi.apply_rows(blocks);
  Matrix gradient = white.phi.adjoint_rows(rest).cwiseProduct(inside), direction = gradient;
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
    const Matrix ahead = direction(open, Eigen::all), image = white.phi.apply_rows(ahead);
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
    if (m.noise > 0) {
      const Matrix before = misfit;
      misfit = left();
      if (misfit.norm() <= enough) {  // ‖before + t (misfit − before)‖ = enough
        const Matrix change = misfit - before;
        const double c2 = change.squaredNorm(), c1 = change.cwiseProduct(before).sum();
        const double t = (-c1 - std::sqrt(std::max(0.0, c1 * c1 - c2 * (before.squaredNorm() - enough * enough)))) / c2;
        blocks(open, Eigen::all) -= (1 - std::clamp(t, 0.0, 1.0)) * moves;
        break;
      }
    }
    rest(open, Eigen::all) -= steps.asDiagonal() * image;
    const Matrix next = white.phi.adjoint_rows(rest(open, Eigen::all)).cwiseProduct(inside(open, Eigen::all));
    const Vector squares = next.rowwise().squaredNorm();
    const Vector ratios = (square(open).array() > 0).select(squares.array() / square(open).array(), 0);
    direction(open, Eigen::all) = next + ratios.asDiagonal() * ahead;
    square(open) = (square(open).array() > 0).select(squares, 0);
  }
  return from_blocks(blocks, m.height, m.width, white.block);
}

}  // namespace unrect
