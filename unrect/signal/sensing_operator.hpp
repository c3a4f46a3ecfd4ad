// How a signal is measured: random operators that are the same on every machine, and noise.
#pragma once

#include <filesystem>

#include "unrect/signal/operator.hpp"

namespace unrect {

/// Entries N(0, 1/m): E‖Φx‖² = ‖x‖². All throw Error kInvalidArgument unless 1 ≤ rows (≤ cols where rows are
/// orthonormal).
LinearOperator gaussian_operator(Index rows, Index cols, Rng rng);
/// Entries ±1/√m with equal chances.
LinearOperator bernoulli_operator(Index rows, Index cols, Rng rng);
/// Gaussian rows made orthonormal: ΦΦᵀ = I. The draw is the same everywhere, the orthonormalisation to rounding.
LinearOperator orthonormal_operator(Index rows, Index cols, Rng rng);
/// Random rows of the orthonormal Hadamard matrix with random signs on the columns, by the fast transform: ΦΦᵀ = I.
/// @throws Error kInvalidArgument unless cols is a power of 2.
LinearOperator hadamard_operator(Index rows, Index cols, Rng rng);
/// Random rows of the DCT-II with random signs on the columns (without them smooth signals are not mixed): ΦΦᵀ = I.
LinearOperator partial_dct_operator(Index rows, Index cols, Rng rng);
/// Random rows of the real DFT, a frequency's cosine and sine apart, with random signs on the columns: ΦΦᵀ = I.
LinearOperator partial_fourier_operator(Index rows, Index cols, Rng rng);
/// A matrix from an .npy file, m × n. @throws Error kFile, kFormat.
LinearOperator read_operator(const std::filesystem::path& path);
/// As float64 .npy: what is read back is the same to the last bit. @throws Error kFile.
void write_operator(const std::filesystem::path& path, const LinearOperator& a);

/// y + σ N(0, I). @throws Error kInvalidArgument for σ < 0.
Matrix add_noise(const MatrixRef& y, double sigma, Rng rng);
/// Every entry to the middle of its cell of width `step`: |error| ≤ step / 2. @throws Error kInvalidArgument for step
/// ≤ 0.
Matrix quantize(const MatrixRef& y, double step);

}  // namespace unrect
