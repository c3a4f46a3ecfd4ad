// Fourier's bases: sines and cosines.
#pragma once

#include <complex>
#include <vector>

#include "unrect/signal/operator.hpp"

namespace unrect {

/// X_k = Σ_j x_j e^{∓2πi jk/n} of any length: radix 2 where n is a power of 2, else as a convolution of such a length
/// (Bluestein 1970). O(n log n).
class Fft {
 public:
  /// @throws Error kInvalidArgument for n < 1.
  explicit Fft(Index n);

  Index size() const { return n_; }
  /// In place on n numbers; neither direction is scaled, so both in turn multiply by n.
  void forward(std::complex<double>* x) const;
  void inverse(std::complex<double>* x) const;

 private:
  void radix2(std::complex<double>* x) const;

  Index n_, padded_;                          // padded_: the power of 2 that radix2 works on
  std::vector<Index> reversed_;               // bit reversal of padded_ numbers
  std::vector<std::complex<double>> root_;    // e^{−2πi k/padded}, k < padded / 2
  std::vector<std::complex<double>> chirp_;   // e^{−πi k²/n}, empty for powers of 2
  std::vector<std::complex<double>> kernel_;  // transform of the conjugate chirp
};

/// The orthonormal real DFT, halfcomplex order: (X_0, √2 Re X_1, √2 Re X_2, …, √2 Im X_2, √2 Im X_1) / √n, with X_{n/2}
/// unscaled by √2 for even n.
LinearOperator dft(Index n);
/// The orthonormal DCT-II: X_k = c_k Σ_j x_j cos(π(j + ½)k/n), c_0 = √(1/n), c_k = √(2/n).
LinearOperator dct(Index n);
/// As a matrix, n × n. @throws Error kInvalidArgument for n < 1.
Matrix dct_matrix(Index n);
/// DCT-II of a height × width image in both directions.
LinearOperator dct_2d(Index height, Index width);

}  // namespace unrect
