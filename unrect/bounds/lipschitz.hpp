// Lipschitz bounds, one function a formula (HH Theorem 6, maths 1.6).
//
// Notation: s_l = Σ_i |d_{l,i}| (active units of a ReLU layer), m_l = width of layer l, r_q = ‖row q of W_1‖,
// c_p = ‖column p of W_L‖. The path bounds are taken after the normalisation r_q = c_p = 1, which rescales units and
// leaves the function alone: W̃_2 = W_2 diag(r), W̃_{L−1} = diag(c) W_{L−1} (both on W_2 where L = 3; where L = 2 the
// scaled D_1 itself stands between the layers and counts as the one "weight" α_l). α_l = max |entry of W̃_l|, α = max_l
// α_l.
//
// Each is at least what its formula says of the factors as they stand: every rounding is paid for, upwards. Norms are
// spectral_norm_bound()'s. "Exact" is ‖A_d‖₂ itself up to what it is rounded up by.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unrect/region/factors.hpp"

namespace unrect {

/// ‖A_d‖₂: exact inside Q_d. Rounding in A_d counts relative to the absolute values of its paths.
double exact_lipschitz(const Factors& factors);

/// Σ_pq |κ̃_pq| ≥ ‖A_d‖_* ≥ ‖A_d‖₂, and about Σ n_l ε of absolute_paths_bound for rounding.
double atoms_bound(const Factors& factors);
/// 1ᵀ D|W̃_{L−1}| D … |W̃_2| D 1 ≥ atoms.
double absolute_paths_bound(const Factors& factors);
/// Π_{l=2}^{L−1} α_l · Π_{l=1}^{L−1} s_l ≥ absolute paths: HH Theorem 6 (i) on the region.
double counts_bound(const Factors& factors);
/// α^{L−2} Π m_l ≥ counts: HH Theorem 6 (i), global.
double counts_bound_global(const Factors& factors);
/// ‖Ŵ_L D^½‖₂ · Π_{l=2}^{L−1} α_l √(s_l s_{l−1}) · ‖D^½ Ŵ_1‖₂ ≤ counts, with the normalised outer layers kept whole
/// instead of counted.
double factor_bound(const Factors& factors);

/// Π_l ‖D_l W_l D_{l−1}‖₂, HH Theorem 6 (ii) on the region.
double spectral_bound(const Factors& factors);
/// Π_l ‖W_l‖₂ ≥ spectral_bound (slopes at most 1 in modulus).
double spectral_bound_global(const Factors& factors);
/// β^L, β = max ‖W_l‖₂: HH Theorem 6 (ii), global.
double spectral_power_bound(const Factors& factors);
/// Π_l ‖W_l‖_F ≥ spectral_bound_global.
double frobenius_bound(const Factors& factors);

/// X_0 = I; M_i = W_i X_{i−1}⁻¹ W_iᵀ; λ_i = 2/‖M_i‖₂; X_i = λ_i I − (λ_i²/4) M_i; Lip² ≤ ‖W_L X_{L−1}⁻¹ W_Lᵀ‖₂: global,
/// for slopes in [0, 1], never above the spectral product. (Xu and Sivaranjani 2024, ECLipsE-Fast)
double layered_bound(const Factors& factors);

/// Spectral bound of any graph: a node's constant is its operator norm (operator_norm_bound) times its inputs' (a sum
/// adds |factor|·constant, a concatenation takes the root of the sum of squares), a rectifier's its steepest slope, a
/// maximum's the root of how often its windows overlap.
double spectral_bound_graph(const Network& network);

/// Name and value of every bound above that applies, sharpest kinds first; "exact" among them. For a network that is
/// not a chain: exact and spectral_graph. Of the network's own numbers: what its factors are off by is added. Those
/// whose numbers leave the range of doubles on the way are left out. Cost: "exact" 2 n_L backward passes.
std::vector<std::pair<std::string, double>> all_bounds(const Region& region);

}  // namespace unrect
