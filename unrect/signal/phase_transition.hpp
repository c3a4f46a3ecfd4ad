// How many measurements does sparsity need?
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/types.hpp"

namespace unrect {

/// Donoho and Tanner's weak threshold ρ_W(δ) of ℓ1 minimisation with Gaussian matrices, n → ∞: k = ρ m nonzeros of m =
/// δ n measurements are found almost surely below, almost never above. By the parametrisation of Donoho, Maleki,
/// Montanari 2009,
///     δ = 2φ(τ) / (τ + 2(φ(τ) − τΦ(−τ))),   ρ = 1 − τΦ(−τ)/φ(τ).
/// @throws Error kInvalidArgument unless 0 < δ < 1.
double weak_threshold(double delta);

/// x from A (m × n), y = A x and the number of entries of x, which not every method asks for. Called by many threads.
using SparseSolver = std::function<Vector(const Matrix&, const Vector&, Index sparsity)>;

/// The names that sparse_solver_named knows, each with the settings that recover codes without noise:
///   omp, cosamp, iht (constant step), niht   greedy; all but omp are told the sparsity, cosamp finds at most m / 3
///   ista, fista                              min ½‖Ax − y‖² + λ‖x‖₁ with λ falling to 1e−5 ‖Aᵀy‖_∞
///   bp, lp                                   min ‖x‖₁ subject to Ax = y, by alternating directions and as a linear
///   program
const std::vector<std::string_view>& sparse_solver_names();
/// @throws Error kInvalidArgument listing the names.
SparseSolver sparse_solver_named(std::string_view name);

struct TransitionMap {
  Vector deltas, rhos;
  Matrix success;  // |deltas| × |rhos|: part of the trials with ‖x̂ − x‖ ≤ 1e−3 ‖x‖
};

/// Gaussian matrices of δn × n and codes with ρδn entries N(0, 1), both rounded to at least one; every trial of every
/// cell has its own random numbers. A cell's trials are shared out to the threads. Cancelling leaves NaN in cells not
/// reached.
/// @throws Error kInvalidArgument unless n, trials ≥ 1 and all δ, ρ are in (0, 1].
TransitionMap transition_map(const SparseSolver& solver, Index n, const Vector& deltas, const Vector& rhos, int trials,
                             const Context& context = {});

}  // namespace unrect
