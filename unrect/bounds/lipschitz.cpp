#include "unrect/bounds/lipschitz.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/polytope/halfspaces.hpp"
#include "unrect/region/atoms.hpp"

namespace unrect {
namespace {

std::size_t at(int l) { return static_cast<std::size_t>(l - 1); }

Vector first_norms(const Factors& f) { return row_norms(f.weights.front()); }
Vector last_norms(const Factors& f) { return row_norms(f.weights.back().transpose()); }

// W̃_2 … W̃_{L−1} for L > 2.
std::vector<Matrix> normalised_weights(const Factors& f) {
  std::vector<Matrix> middle(f.weights.begin() + 1, f.weights.end() - 1);
  middle.front() = middle.front() * first_norms(f).asDiagonal();
  middle.back() = last_norms(f).asDiagonal() * middle.back();
  return middle;
}

// For L = 2 both scalings meet on the one diagonal, of r ⊙ c.
std::vector<double> largest_entries(const Factors& f) {
  if (f.depth() == 2) return {first_norms(f).cwiseProduct(last_norms(f)).maxCoeff()};
  std::vector<double> alphas;
  for (const Matrix& w : normalised_weights(f)) alphas.push_back(w.cwiseAbs().maxCoeff());
  return alphas;
}

std::vector<double> active(const Factors& f) {
  std::vector<double> counts;
  counts.reserve(f.diagonals.size());
  for (const Vector& d : f.diagonals) counts.push_back(d.cwiseAbs().sum());
  return counts;
}

bool slopes_within(const Factors& f, double low, double high) {
  return std::all_of(f.diagonals.begin(), f.diagonals.end(),
                     [&](const Vector& d) { return (d.array() >= low).all() && (d.array() <= high).all(); });
}

Matrix unit_rows(const Matrix& m) {
  Matrix unit = scaled_rows(Halfspaces(m, Vector::Zero(m.rows()))).normals;
  for (Index i = 0; i < unit.rows(); ++i) {
    const double norm = unit.row(i).norm();
    if (norm > 0) unit.row(i) /= norm;
  }
  return unit;
}

double steepest(const Piecewise& f) { return f.slopes.cwiseAbs().maxCoeff(); }

}  // namespace

double exact_lipschitz(const Factors& f) {
  Matrix a = f.weights.front();
  for (int l = 1; l < f.depth(); ++l) a = f.weights[at(l + 1)] * (f.diagonals[at(l)].asDiagonal() * a);
  return spectral_norm(a);
}

double atoms_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const AtomicDecomposition atoms(f);
  const Vector r = first_norms(f), c = last_norms(f);
  double total = 0;
  atoms.for_each([&](Index i, Index j, double kappa) {
    total += std::abs(kappa) * c[atoms.last_support()[static_cast<std::size_t>(i)]] *
             r[atoms.first_support()[static_cast<std::size_t>(j)]];
  });
  return total;
}

double absolute_paths_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  if (f.depth() == 2) return f.diagonals[0].cwiseAbs().dot(first_norms(f).cwiseProduct(last_norms(f)));
  const std::vector<Matrix> middle = normalised_weights(f);
  Vector reach = f.diagonals[0].cwiseAbs();
  for (std::size_t l = 0; l < middle.size(); ++l) {
    reach = f.diagonals[l + 1].cwiseAbs().cwiseProduct(middle[l].cwiseAbs() * reach);
  }
  return reach.sum();
}

double counts_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  double bound = 1;
  for (const double alpha : largest_entries(f)) bound *= alpha;
  for (const double s : active(f)) bound *= s;
  return bound;
}

double counts_bound_global(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const std::vector<double> alphas = largest_entries(f);
  double bound = std::pow(*std::max_element(alphas.begin(), alphas.end()), static_cast<double>(alphas.size()));
  for (const Vector& d : f.diagonals) bound *= static_cast<double>(d.size());
  return bound;
}

double factor_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const std::vector<double> alphas = largest_entries(f), s = active(f);
  const Vector first = f.diagonals.front().cwiseAbs().cwiseSqrt(), last = f.diagonals.back().cwiseAbs().cwiseSqrt();
  double bound = spectral_norm(first.asDiagonal() * unit_rows(f.weights.front())) *
                 spectral_norm(last.asDiagonal() * unit_rows(f.weights.back().transpose()));
  if (f.depth() == 2) return bound * alphas[0];
  for (std::size_t l = 0; l < alphas.size(); ++l) bound *= alphas[l] * std::sqrt(s[l + 1] * s[l]);
  return bound;
}

double spectral_bound(const Factors& f) {
  double bound = 1;
  for (int l = 1; l <= f.depth(); ++l) {
    Matrix w = f.weights[at(l)];
    // D = D^½ D^½ lends each half to one neighbour; for ReLUs D^½ = D.
    if (l > 1) w = w * f.diagonals[at(l - 1)].cwiseAbs().cwiseSqrt().asDiagonal();
    if (l < f.depth()) w = f.diagonals[at(l)].cwiseAbs().cwiseSqrt().asDiagonal() * w;
    bound *= spectral_norm(w);
  }
  return bound;
}

double spectral_bound_global(const Factors& f) {
  double bound = 1;
  for (const Matrix& w : f.weights) bound *= spectral_norm(w);
  return bound;
}

double spectral_power_bound(const Factors& f) {
  double beta = 0;
  for (const Matrix& w : f.weights) beta = std::max(beta, spectral_norm(w));
  return std::pow(beta, f.depth());
}

double frobenius_bound(const Factors& f) {
  double bound = 1;
  for (const Matrix& w : f.weights) bound *= w.stableNorm();
  return bound;
}

// With L = W_i X_{i−1}^{−½} / ‖W_i X_{i−1}^{−½}‖ and ν that norm: M_i = ν² L Lᵀ, X_i = (2 / ν²) (I − ½ L Lᵀ), so that
// W_{i+1} X_i^{−½} has the Gram matrix ν²/2 · W_{i+1} (I − ½ L Lᵀ)⁻¹ W_{i+1}ᵀ, and the inverse is I + ½ L (I − ½ Lᵀ
// L)⁻¹ Lᵀ where L has fewer columns than rows.
double layered_bound(const Factors& f) {
  Matrix left = f.weights.front();  // W_i X_{i−1}^{−½}, or another matrix with its Gram matrix
  for (int l = 1; l < f.depth(); ++l) {
    const double norm = spectral_norm(left);
    if (norm == 0) return 0;
    const Eigen::MatrixXd unit = left / norm;
    const bool narrow = unit.cols() < unit.rows();
    Eigen::MatrixXd x =
        narrow ? Eigen::MatrixXd(-0.5 * (unit.transpose() * unit)) : Eigen::MatrixXd(-0.5 * (unit * unit.transpose()));
    x.diagonal().array() += 1;
    const Eigen::LLT<Eigen::MatrixXd> cholesky(x);
    const Matrix& w = f.weights[at(l + 1)];
    if (narrow) {
      const Eigen::MatrixXd through = w * unit;
      Matrix next(w.rows(), w.cols() + through.cols());
      next << w, std::sqrt(0.5) * cholesky.matrixL().solve(Eigen::MatrixXd(through.transpose())).transpose();
      left = norm * std::sqrt(0.5) * next;
    } else {
      left = norm * std::sqrt(0.5) * cholesky.matrixL().solve(Eigen::MatrixXd(w.transpose())).transpose();
    }
  }
  return spectral_norm(left);
}

double spectral_bound_graph(const Network& network) {
  std::vector<double> constants{1};
  for (std::size_t i = 1; i < network.nodes().size(); ++i) {
    const Node& node = network.nodes()[i];
    const auto input = [&](std::size_t k) { return constants[static_cast<std::size_t>(node.inputs[k])]; };
    double constant = 0;
    by_kind(
        *node.op,
        [&](const Sum& sum) {
          for (std::size_t k = 0; k < node.inputs.size(); ++k) constant += std::abs(sum.factors[k]) * input(k);
        },
        [&](const Concat&) {
          for (std::size_t k = 0; k < node.inputs.size(); ++k) constant = std::hypot(constant, input(k));
        },
        [&](const Piecewise& f) { constant = steepest(f) * input(0); },
        [&](const Maximum& max) {
          Vector uses = Vector::Zero(network.node(node.inputs[0]).size);
          for (const Index k : max.index) {
            if (k >= 0) uses[k] += 1;
          }
          constant = std::sqrt(uses.maxCoeff()) * input(0);
        },
        alike<Input, Dense, Convolution, Scale, Select>(
            [&](const auto&) { constant = operator_norm(node, network) * input(0); }));
    constants.push_back(constant);
  }
  return constants[static_cast<std::size_t>(network.output())];
}

std::vector<std::pair<std::string, double>> all_bounds(const Region& region, const AffineMap& map) {
  std::vector<std::pair<std::string, double>> bounds{{"exact", spectral_norm(map.linear)}};
  Factors f;
  try {
    f = factors(region);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    bounds.emplace_back("spectral_graph", spectral_bound_graph(region.network()));
    return bounds;
  }
  bounds.emplace_back("nuclear", nuclear_norm(map.linear));
  try {
    bounds.emplace_back("atoms", atoms_bound(f));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;  // too many of them to hold
  }
  bounds.emplace_back("absolute_paths", absolute_paths_bound(f));
  bounds.emplace_back("factor", factor_bound(f));
  bounds.emplace_back("counts", counts_bound(f));
  bounds.emplace_back("spectral", spectral_bound(f));
  // These hold for every configuration, but only of rectifiers that nowhere stretch.
  bool contracting = slopes_within(f, -1, 1), monotone = slopes_within(f, 0, 1);
  for (const int layer : region.network().layers()) {
    if (layer > region.network().output()) continue;  // dead: factors() has seen the others to be point-wise
    const Piecewise& g = std::get<Piecewise>(*region.network().node(layer).op);
    contracting = contracting && g.slopes.cwiseAbs().maxCoeff() <= 1;
    monotone = monotone && g.slopes.minCoeff() >= 0 && g.slopes.maxCoeff() <= 1;
  }
  if (contracting) {
    bounds.emplace_back("counts_global", counts_bound_global(f));
    if (monotone) bounds.emplace_back("layered", layered_bound(f));
    bounds.emplace_back("spectral_global", spectral_bound_global(f));
    bounds.emplace_back("spectral_power", spectral_power_bound(f));
    bounds.emplace_back("frobenius", frobenius_bound(f));
  }
  // None of them is below the first; one that is, or is no number, has left the range of doubles on the way.
  const double least = bounds.front().second * (1 - 1e-9);
  std::erase_if(bounds, [&](const auto& bound) { return !(bound.second >= least) || !std::isfinite(bound.second); });
  return bounds;
}

}  // namespace unrect
