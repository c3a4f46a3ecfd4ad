#include "unrect/bounds/gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/bounds/lipschitz.hpp"
#include "unrect/network/norms.hpp"

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
  const std::vector<Vector> a = activations(f, x);
  const std::vector<Matrix> j = jacobians(f);
  const double widest_column = f.weights.back().colwise().stableNorm().maxCoeff();
  double beta = 0;
  std::vector<double> norms;
  for (const Matrix& w : f.weights) {
    norms.push_back(spectral_norm(w));
    beta = std::max(beta, norms.back());
  }
  std::vector<LayerGradient> layers(static_cast<std::size_t>(f.depth()));
  double counts = 1, spectral = 1;  // Π_{k=l+1}^{L−1} α_k s_k and Π_{k>l} ‖W_k‖₂
  for (int l = f.depth(); l >= 1; --l) {
    LayerGradient& layer = layers[at(l)];
    const bool last = l == f.depth();
    const Vector delta = j[at(l)].transpose() * g;
    const double steepest = last ? 1 : f.diagonals[at(l)].lpNorm<Eigen::Infinity>();
    const double largest_input = a[at(l)].lpNorm<Eigen::Infinity>();
    layer.activation = a[at(l)].stableNorm();
    layer.largest_entry = delta.lpNorm<Eigen::Infinity>() * largest_input;
    layer.largest_entry_bound = (last ? 1 : widest_column * counts * steepest) * g.stableNorm() * largest_input;
    layer.frobenius = delta.stableNorm() * layer.activation;
    layer.jacobian = spectral_norm(j[at(l)]);
    spectral *= steepest;
    layer.jacobian_bound = last ? 1 : std::min(f.diagonals[at(l)].stableNorm() * counts * widest_column, spectral);
    layer.frobenius_bound = g.stableNorm() * layer.jacobian_bound * layer.activation;
    layer.smoothness = lambda * layer.jacobian * layer.jacobian * layer.activation * layer.activation;
    if (!last) counts *= f.weights[at(l)].cwiseAbs().maxCoeff() * f.diagonals[at(l)].cwiseAbs().sum();
    spectral *= norms[at(l)];
  }
  double bound = x.stableNorm();
  for (int l = 1; l <= f.depth(); ++l) {
    layers[at(l)].activation_bound = bound;
    if (l == f.depth()) break;
    bound = f.diagonals[at(l)].lpNorm<Eigen::Infinity>() * (beta * bound + f.biases[at(l)].stableNorm()) +
            f.offsets[at(l)].stableNorm();
  }
  return layers;
}

double input_smoothness(const Factors& f, double lambda) {
  const double norm = exact_lipschitz(f);
  return lambda * norm * norm;
}

}  // namespace unrect
