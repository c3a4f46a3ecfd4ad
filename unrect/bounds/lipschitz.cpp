#include "unrect/bounds/lipschitz.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/upward.hpp"
#include "unrect/bounds/internal/linear_range.hpp"
#include "unrect/bounds/internal/operator_norm.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/region/atoms.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kLeast = std::numeric_limits<double>::denorm_min();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::size_t at(int l) { return static_cast<std::size_t>(l - 1); }

// r and c: any positive numbers would do to normalise by, so that these may be rounded.
Vector first_norms(const Factors& f) { return row_lengths(f.weights.front()); }
Vector last_norms(const Factors& f) { return row_lengths(f.weights.back().transpose()); }

// α_2 … α_{L−1} of the normalised weights. For L = 2 both scalings meet on the one diagonal, of r ⊙ c.
std::vector<Upper> largest_entries(const Factors& f) {
  const Vector r = first_norms(f), c = last_norms(f);
  std::vector<Upper> alphas;
  if (f.depth() == 2) {
    alphas.emplace_back();
    for (Index i = 0; i < r.size(); ++i) alphas[0] = std::max(alphas[0], Upper(r[i]) * c[i]);
  }
  for (int l = 2; l < f.depth(); ++l) {
    const Matrix& w = f.weights[at(l)];
    Upper alpha;
    for (Index i = 0; i < w.rows(); ++i) {
      for (Index j = 0; j < w.cols(); ++j) {
        Upper entry = std::abs(w(i, j));
        if (l == 2) entry *= r[j];
        if (l == f.depth() - 1) entry *= c[i];
        alpha = std::max(alpha, entry);
      }
    }
    alphas.push_back(alpha);
  }
  return alphas;
}

// s_1 … s_{L−1}.
std::vector<Upper> active(const Factors& f) {
  std::vector<Upper> counts;
  counts.reserve(f.diagonals.size());
  for (const Vector& d : f.diagonals) counts.push_back(sum_of(d));
  return counts;
}

bool slopes_within(const Factors& f, double low, double high) {
  return std::all_of(f.diagonals.begin(), f.diagonals.end(),
                     [&](const Vector& d) { return (d.array() >= low).all() && (d.array() <= high).all(); });
}

// |d|^½ ⊙ the rows of W and, after it, the columns. Where a slope is neither 0 nor ±1 the entries round.
MatrixRange scaled_by_roots(const Matrix& w, const Vector* rows, const Vector* columns) {
  MatrixRange out{w, Matrix::Zero(w.rows(), w.cols())};
  bool rounds = false;
  for (const Vector* d : {rows, columns}) {
    if (d == nullptr) continue;
    const auto roots = d->cwiseAbs().cwiseSqrt().asDiagonal();
    out.center = d == rows ? Matrix(roots * out.center) : Matrix(out.center * roots);
    rounds = rounds || !(d->array() == 0 || d->array().abs() == 1).all();
  }
  if (rounds) out.radius = (4 * kEpsilon * out.center.cwiseAbs()).array() + 8 * kLeast;
  return out;
}

// ‖diag(|d|^½) diag(1/lengths) W‖₂.
Upper normalised_norm(const Matrix& w, const Vector& lengths, const Vector& d) {
  Matrix unit = w;
  for (Index i = 0; i < w.rows(); ++i) {
    if (lengths[i] > 0) unit.row(i) /= lengths[i];
  }
  MatrixRange range = scaled_by_roots(unit, &d, nullptr);
  const double steepest = std::max(1.0, d.cwiseAbs().maxCoeff());  // what it multiplies an underflow with, at most
  range.radius = (range.radius + 2 * kEpsilon * range.center.cwiseAbs()).array() + 8 * kLeast * steepest;
  return spectral_norm_bound(range);
}

double steepest(const Piecewise& f) { return f.slopes.cwiseAbs().maxCoeff(); }

// 1ᵀ D|W̃_{L−1}| D … |W̃_2| D 1, and what rounding may have done to the coefficients of the atoms, summed as atoms are:
// each is a sum of products over the same paths, off by n_l + 2 roundings a layer relative to their absolute values.
struct Paths {
  Upper total, rounding;
};

Paths absolute_paths(const Factors& f) {
  const Vector r = first_norms(f), c = last_norms(f);
  const Upper least = sum_of(r) * kLeast;
  std::vector<Paths> reach(static_cast<std::size_t>(r.size()));
  for (Index j = 0; j < r.size(); ++j)
    reach[static_cast<std::size_t>(j)].total = Upper(std::abs(f.diagonals[0][j])) * r[j];
  for (int l = 2; l < f.depth(); ++l) {
    const Matrix& w = f.weights[at(l)];
    const auto terms = static_cast<double>(w.cols() + 8);
    std::vector<Paths> next(static_cast<std::size_t>(w.rows()));
    for (Index i = 0; i < w.rows(); ++i) {
      const Upper slope = std::abs(f.diagonals[at(l)][i]);
      if (slope.value() == 0) continue;
      Paths& sum = next[static_cast<std::size_t>(i)];
      for (Index j = 0; j < w.cols(); ++j) {
        const Upper weight = std::abs(w(i, j));
        const Paths& from = reach[static_cast<std::size_t>(j)];
        sum.total += weight * from.total;
        sum.rounding += weight * (from.rounding + least);
      }
      sum.rounding = slope * (sum.rounding + Upper(terms * kEpsilon) * sum.total + least * terms) + least * terms;
      sum.total *= slope;
    }
    reach = std::move(next);
  }
  Paths all;
  for (Index i = 0; i < c.size(); ++i) {
    all.total += Upper(c[i]) * reach[static_cast<std::size_t>(i)].total;
    all.rounding += Upper(c[i]) * reach[static_cast<std::size_t>(i)].rounding;
  }
  return all;
}

// What the Lipschitz constants of this configuration, and of any with slopes of at most 1, are off by since the weights
// are: Σ_l ‖ΔW_l‖ Π_{k ≠ l} (‖W_k‖ + ‖ΔW_k‖), times steeper slopes.
Upper factors_rounding(const Factors& f) {
  const std::vector<double>& errors = f.weight_errors;
  if (std::all_of(errors.begin(), errors.end(), [](double error) { return error == 0; })) return 0;
  std::vector<Upper> norms;
  for (std::size_t l = 0; l < errors.size(); ++l) norms.push_back(Upper(spectral_norm_bound(f.weights[l])) + errors[l]);
  Upper total;
  for (std::size_t l = 0; l < errors.size(); ++l) {
    Upper term = errors[l];
    for (std::size_t k = 0; k < norms.size(); ++k) {
      if (k != l) term *= norms[k];
    }
    total += term;
  }
  for (const Vector& d : f.diagonals) total *= std::max(1.0, d.cwiseAbs().maxCoeff());
  return total;
}

}  // namespace

double exact_lipschitz(const Factors& f) {
  return spectral_norm_bound(product(jacobian_ranges(f).front(), f.weights.front()));
}

double atoms_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const AtomicDecomposition atoms(f);
  const Vector r = first_norms(f), c = last_norms(f);
  Upper total = absolute_paths(f).rounding, row;
  Index current = -1;
  // Row by row, so that a sum's roundings are as many as its terms, not as all atoms.
  atoms.for_each([&](Index i, Index j, double kappa) {
    if (i != current) {
      total += row;
      row = 0;
      current = i;
    }
    row += Upper(std::abs(kappa)) * c[atoms.last_support()[static_cast<std::size_t>(i)]] *
           r[atoms.first_support()[static_cast<std::size_t>(j)]];
  });
  return (total + row).value();
}

double absolute_paths_bound(const Factors& f) {
  return f.depth() == 1 ? exact_lipschitz(f) : absolute_paths(f).total.value();
}

double counts_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  Upper bound = 1;
  for (const Upper alpha : largest_entries(f)) bound *= alpha;
  for (const Upper s : active(f)) bound *= s;
  return bound.value();
}

double counts_bound_global(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const std::vector<Upper> alphas = largest_entries(f);
  const Upper alpha = *std::max_element(alphas.begin(), alphas.end());
  Upper bound = 1;
  for (std::size_t l = 0; l < alphas.size(); ++l) bound *= alpha;
  for (const Vector& d : f.diagonals) bound *= static_cast<double>(d.size());
  return bound.value();
}

double factor_bound(const Factors& f) {
  if (f.depth() == 1) return exact_lipschitz(f);
  const std::vector<Upper> alphas = largest_entries(f), s = active(f);
  Upper bound = normalised_norm(f.weights.front(), first_norms(f), f.diagonals.front()) *
                normalised_norm(f.weights.back().transpose(), last_norms(f), f.diagonals.back());
  if (f.depth() == 2) return (bound * alphas[0]).value();
  for (std::size_t l = 0; l < alphas.size(); ++l) bound *= alphas[l] * sqrt(s[l + 1] * s[l]);
  return bound.value();
}

double spectral_bound(const Factors& f) {
  Upper bound = 1;
  for (int l = 1; l <= f.depth(); ++l) {
    // D = D^½ D^½ lends each half to one neighbour; for ReLUs D^½ = D.
    bound *= spectral_norm_bound(scaled_by_roots(f.weights[at(l)], l < f.depth() ? &f.diagonals[at(l)] : nullptr,
                                                 l > 1 ? &f.diagonals[at(l - 1)] : nullptr));
  }
  return bound.value();
}

double spectral_bound_global(const Factors& f) {
  Upper bound = 1;
  for (const Matrix& w : f.weights) bound *= spectral_norm_bound(w);
  return bound.value();
}

double spectral_power_bound(const Factors& f) {
  Upper beta, bound = 1;
  for (const Matrix& w : f.weights) beta = std::max(beta, Upper(spectral_norm_bound(w)));
  for (int l = 0; l < f.depth(); ++l) bound *= beta;
  return bound.value();
}

double frobenius_bound(const Factors& f) {
  Upper bound = 1;
  for (const Matrix& w : f.weights) bound *= frobenius_length(w);
  return bound.value();
}

// Any λ_i < 4/‖M_i‖ gives a bound, and a larger M_i a larger one. Held are T, ‖T‖ ≤ τ and numbers with M_i ≤ σ² (T Tᵀ +
// ρ τ² I). With ν = τ √(1 + ρ), λ_i = 2/(σν)² and U ≈ T/ν, X_i ≥ 2/(σν)² (1 − doubt) Z, Z = I − ½ U Uᵀ ≥ I/2, so that
// M_{i+1} ≤ (σν)²/2 · (1 + doubt) W Z⁻¹ Wᵀ; and Z⁻¹ = I + ½ U (I − ½ Uᵀ U)⁻¹ Uᵀ where U has fewer columns than rows.
//
// Rounding: a factor R Rᵀ of k × k is off by k² ε, a solution S of S Rᵀ = P by k^{3/2} ε ‖S‖_F (Higham 2002,
// Theorems 10.3 and 8.5, with room); and (S + F)(S + F)ᵀ ≤ S Sᵀ + (2 ‖S‖‖F‖ + ‖F‖²) I.
double layered_bound(const Factors& f) {
  Upper sigma = 1, rho = 0;
  Matrix t = f.weights.front();
  Upper tau = spectral_norm_bound(t);
  for (int l = 1; l < f.depth(); ++l) {
    const Matrix& w = f.weights[at(l + 1)];
    if (tau.value() == 0 || (w.array() == 0).all()) return 0;
    const Upper nu = tau * sqrt(rho + 1);
    if (!std::isfinite(nu.value())) return kInfinity;
    const Eigen::MatrixXd unit = t / nu.value();
    const bool narrow = unit.cols() < unit.rows();
    const auto k = static_cast<double>(std::min(unit.rows(), unit.cols()));
    const auto inner = static_cast<double>(std::max(unit.rows(), unit.cols()));
    Eigen::MatrixXd z =
        narrow ? Eigen::MatrixXd(-0.5 * (unit.transpose() * unit)) : Eigen::MatrixXd(-0.5 * (unit * unit.transpose()));
    z.diagonal().array() += 1;
    const Eigen::LLT<Eigen::MatrixXd> cholesky(z);
    const Upper size = frobenius_length(unit);
    // T/ν is U up to ε: 4 ε ‖U‖_F; then Z and its factor. Halves of Z's least eigenvalue, hence twice and a little.
    const Upper doubt = (rho + Upper(8 * kEpsilon) * size + Upper((inner + 8) * kEpsilon) * size * size +
                         Upper(8 * (k + 8) * kEpsilon) * k) *
                        3;
    if (cholesky.info() != Eigen::Success || !(doubt.value() < 0.01)) return kInfinity;
    const Eigen::MatrixXd p = narrow ? Eigen::MatrixXd(w * unit) : Eigen::MatrixXd(w);
    const Matrix s = cholesky.matrixL().solve(Eigen::MatrixXd(p.transpose())).transpose();
    Upper error = Upper(8 * (k + 8) * kEpsilon) * sqrt(Upper(k)) * frobenius_length(s);
    if (narrow) {
      t.resize(w.rows(), w.cols() + s.cols());
      t << w, std::sqrt(0.5) * s;
      error += Upper((static_cast<double>(w.cols()) + 8) * kEpsilon) * frobenius_length(w) * size;
    } else {
      t = s;
    }
    error +=
        Upper((k + static_cast<double>(w.cols()) + 8) * static_cast<double>(t.size())) * (8 * kLeast);  // underflow
    sigma *= nu * sqrt(Upper(0.5)) * (doubt + 1);
    tau = spectral_norm_bound(t);
    const double share = 2 * error.value() / tau.value() * (1 + 4 * kEpsilon);
    rho = Upper(share) * 2 + Upper(share) * share;
  }
  return (sigma * tau * sqrt(rho + 1)).value();
}

double spectral_bound_graph(const Network& network) {
  std::vector<Upper> constants{1};
  for (std::size_t i = 1; i < network.nodes().size(); ++i) {
    const Node& node = network.nodes()[i];
    const auto input = [&](std::size_t k) { return constants[static_cast<std::size_t>(node.inputs[k])]; };
    Upper constant = 0;
    by_kind(
        *node.op,
        [&](const Sum& sum) {
          for (std::size_t k = 0; k < node.inputs.size(); ++k) constant += Upper(std::abs(sum.factors[k])) * input(k);
        },
        [&](const Concat&) {
          Vector parts(std::ssize(node.inputs));
          for (std::size_t k = 0; k < node.inputs.size(); ++k) parts[static_cast<Index>(k)] = input(k).value();
          constant = length(parts);
        },
        [&](const Piecewise& f) { constant = Upper(steepest(f)) * input(0); },
        [&](const Maximum& max) {
          Vector uses = Vector::Zero(network.node(node.inputs[0]).size);
          for (const Index k : max.index) {
            if (k >= 0) uses[k] += 1;
          }
          constant = sqrt(Upper(uses.maxCoeff())) * input(0);
        },
        alike<Input, Dense, Convolution, Scale, Select>(
            [&](const auto&) { constant = Upper(operator_norm_bound(node, network)) * input(0); }));
    constants.push_back(constant);
  }
  return constants[static_cast<std::size_t>(network.output())].value();
}

std::vector<std::pair<std::string, double>> all_bounds(const Region& region) {
  const MatrixRange map = linear_range(region);
  std::vector<std::pair<std::string, double>> bounds{{"exact", spectral_norm_bound(map)}};
  Factors f;
  try {
    f = factors(region);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    bounds.emplace_back("spectral_graph", spectral_bound_graph(region.network()));
    return bounds;
  }
  bounds.emplace_back("nuclear", nuclear_norm_bound(map));
  const std::size_t of_map = bounds.size();
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
  const Upper doubt = factors_rounding(f);
  for (std::size_t i = of_map; i < bounds.size(); ++i) bounds[i].second = (doubt + bounds[i].second).value();
  std::erase_if(bounds, [](const auto& bound) { return !std::isfinite(bound.second); });
  return bounds;
}

}  // namespace unrect
