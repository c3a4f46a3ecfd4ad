// How many regions a ReLU network of given widths can have at all: bounds from the literature.
#pragma once

#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// A whole number that may be too large for a double.
struct BigCount {
  double value = 0;  // exact up to 2⁵³, beyond it rounded towards the safe side; infinity over 1.8e308
  double log10 = 0;  // to rounding; always finite
};

// k: dimension of the domain; widths: n_1, …, n_L of the hidden layers of a fully connected ReLU network. All bounds
// are about the whole of R^k, so the upper ones hold for every domain in it, and for every such network. Computed in
// whole numbers. @throws Error kInvalidArgument for k < 1 or a width below 0.

/// Σ_{j=0}^{k} C(n, j): n hyperplanes in R^k, reached exactly in general position (Zaslavsky 1975).
BigCount zaslavsky(Index k, Index n);

/// Some network of these widths has at least (Π_{l<L} ⌊n_l/k⌋^k) Σ_{j=0}^{k} C(n_L, j) regions (Montúfar, Pascanu, Cho,
/// Bengio 2014, Theorem 4). It asks for n_l ≥ k: with a narrower layer the bound is that of as many inputs only.
BigCount montufar_2014_lower(Index k, const std::vector<Index>& widths);

/// Π_l Σ_{j=0}^{k} C(n_l, j): the product behind the O(n^{Lk}) of Raghu, Poole, Kleinberg, Ganguli, Sohl-Dickstein
/// 2017, Theorem 1, constants included.
BigCount raghu_2017_upper(Index k, const std::vector<Index>& widths);

/// Π_l Σ_{j=0}^{d_l} C(n_l, j), d_l = min(k, n_1, …, n_l) (Montúfar 2017, Proposition 3). At most Raghu's.
BigCount montufar_2017_upper(Index k, const std::vector<Index>& widths);

/// Σ_{(j_1, …, j_L) ∈ J} Π_l C(n_l, j_l), J: 0 ≤ j_l ≤ min(k, n_1 − j_1, …, n_{l−1} − j_{l−1}, n_l) (Serra,
/// Tjandraatmadja, Ramalingam 2018, Theorem 1). At most Montúfar's; equal to Zaslavsky's for L = 1. O(L k²) products.
BigCount serra_2018_upper(Index k, const std::vector<Index>& widths);

}  // namespace unrect
