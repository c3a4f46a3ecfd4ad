#include "unrect/bounds/gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/upward.hpp"
#include "unrect/bounds/internal/linear_range.hpp"
#include "unrect/bounds/lipschitz.hpp"

namespace unrect {
namespace {

std::size_t at(int l) { return static_cast<std::size_t>(l - 1); }

// a_0 = x, a_1, …, a_{L−1}.
std::vector<Vector> activations(const Factors& f, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == f.weights.front().cols(), ErrorCode::kInvalidArgument,
                 "the point has {} coordinates, expected {}", x.size(), f.weights.front().cols());
  std::vector<Vector> a{x};
  for (int l = 1; l < f.depth(); ++l) {
    const Vector z = f.weights[at(l)] * a.back() + f.biases[at(l)];
    a.push_back(f.diagonals[at(l)].cwiseProduct(z) + f.offsets[at(l)]);
  }
  return a;
}

// J_1, …, J_L.
std::vector<Matrix> jacobians(const Factors& f) {
  std::vector<Matrix> j(static_cast<std::size_t>(f.depth()));
  const Index out = f.weights.back().rows();
  j.back() = Matrix::Identity(out, out);
  for (int l = f.depth() - 1; l >= 1; --l)
    j[at(l)] = j[at(l + 1)] * f.weights[at(l + 1)] * f.diagonals[at(l)].asDiagonal();
  return j;
}

// a_0 = x, a_1, …, a_{L−1}, rows, with what they may be off by.
std::vector<MatrixRange> activation_ranges(const Factors& f, const VectorRef& x) {
  std::vector<MatrixRange> ranges{{x.transpose(), Matrix::Zero(1, x.size())}};
  for (int l = 1; l < f.depth(); ++l) {
    const MatrixRange z = shifted(product(ranges.back(), Matrix(f.weights[at(l)].transpose())), f.biases[at(l)]);
    ranges.push_back(shifted(product(z, f.diagonals[at(l)]), f.offsets[at(l)]));
  }
  return ranges;
}

// The largest modulus of each entry.
Vector largest(const MatrixRange& range) {
  return (1 + 4 * std::numeric_limits<double>::epsilon()) *
         (range.center.cwiseAbs() + range.radius).reshaped<Eigen::RowMajor>();
}

void check_gradient(const Factors& f, const VectorRef& g) {
  UNRECT_REQUIRE(g.size() == f.weights.back().rows(), ErrorCode::kInvalidArgument,
                 "the output gradient has {} entries, expected {}", g.size(), f.weights.back().rows());
}

}  // namespace

std::vector<Matrix> weight_gradients(const Factors& f, const VectorRef& x, const VectorRef& g) {
  check_gradient(f, g);
  const std::vector<Vector> a = activations(f, x);
  const std::vector<Matrix> j = jacobians(f);
  std::vector<Matrix> gradients;
  for (int l = 1; l <= f.depth(); ++l) gradients.emplace_back((j[at(l)].transpose() * g) * a[at(l)].transpose());
  return gradients;
}

std::vector<LayerGradient> gradient_bounds(const Factors& f, const VectorRef& x, const VectorRef& g, double lambda) {
  check_gradient(f, g);
  UNRECT_REQUIRE(x.size() == f.weights.front().cols(), ErrorCode::kInvalidArgument,
                 "the point has {} coordinates, expected {}", x.size(), f.weights.front().cols());
  const std::vector<MatrixRange> a = activation_ranges(f, x);
  const std::vector<MatrixRange> j = jacobian_ranges(f);
  const Upper widest_column = row_lengths(f.weights.back().transpose()).maxCoeff(), steepness = length(g);
  Upper beta;
  std::vector<Upper> norms;
  for (const Matrix& w : f.weights) {
    norms.emplace_back(spectral_norm_bound(w));
    beta = std::max(beta, norms.back());
  }
  std::vector<LayerGradient> layers(static_cast<std::size_t>(f.depth()));
  Upper counts = 1, spectral = 1;  // Π_{k=l+1}^{L−1} α_k s_k and Π_{k>l} ‖W_k‖₂
  for (int l = f.depth(); l >= 1; --l) {
    LayerGradient& layer = layers[at(l)];
    const bool last = l == f.depth();
    const MatrixRange& own = j[at(l)];
    const Vector delta = largest(product({own.center.transpose(), own.radius.transpose()}, Matrix(g)));
    const Vector input = largest(a[at(l)]);
    const Upper steepest = last ? 1 : f.diagonals[at(l)].lpNorm<Eigen::Infinity>();
    const Upper largest_input = input.maxCoeff(), activation = length(input);
    const Upper jacobian = spectral_norm_bound(own);
    layer.activation = activation.value();
    layer.largest_entry = (Upper(delta.maxCoeff()) * largest_input).value();
    layer.largest_entry_bound =
        ((last ? Upper(1) : widest_column * counts * steepest) * steepness * largest_input).value();
    layer.frobenius = (length(delta) * activation).value();
    layer.jacobian = jacobian.value();
    spectral *= steepest;
    const Upper jacobian_bound =
        last ? Upper(1) : std::min(length(f.diagonals[at(l)]) * counts * widest_column, spectral);
    layer.jacobian_bound = jacobian_bound.value();
    layer.frobenius_bound = (steepness * jacobian_bound * activation).value();
    layer.smoothness = (Upper(lambda) * jacobian * jacobian * activation * activation).value();
    if (!last) counts *= Upper(f.weights[at(l)].cwiseAbs().maxCoeff()) * sum_of(f.diagonals[at(l)]);
    spectral *= norms[at(l)];
  }
  Upper bound = length(x);
  for (int l = 1; l <= f.depth(); ++l) {
    layers[at(l)].activation_bound = bound.value();
    if (l == f.depth()) break;
    bound = Upper(f.diagonals[at(l)].lpNorm<Eigen::Infinity>()) * (beta * bound + length(f.biases[at(l)])) +
            length(f.offsets[at(l)]);
  }
  return layers;
}

double input_smoothness(const Factors& f, double lambda) {
  const Upper norm = exact_lipschitz(f);
  return (Upper(lambda) * norm * norm).value();
}

}  // namespace unrect
