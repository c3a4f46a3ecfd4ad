// How closely an image has to meet what was measured, and the one near by that does.
#pragma once

#include <memory>

#include "unrect/sensing/measurement.hpp"
#include "unrect/sensing/whiten.hpp"

namespace unrect {

/// σ √(M + 2√(2M)) for M measurements, which the noise itself stays below with probability 0.977; at least 1e−6 ‖y‖.
double asked_residual(const Measurement& measurement);

/// Moves images to where they meet what was measured. Any number of threads may ask one.
class Fit {
 public:
  /// For measurements by the operator that `white` is made of.
  Fit(const Sampling& sampling, White white);

  /// The nearest image to x with residual() ≤ asked_residual(), or with as small a one as any has: under noise
  /// x + Φᵀ(ΦΦᵀ + λI)⁻¹(y − Φx) over the pixels inside the image, the λ of all blocks such that the residual is what
  /// was asked; without noise, or for a Φ that is too large to be a matrix, conjugate gradients on min ‖Φd − (y − Φx)‖
  /// in every block, one step, the projection, where Φ has orthonormal rows and the block is inside. O(m³) once for
  /// each kind of block, then O(mn) a block and step.
  /// @throws Error kInvalidArgument for a measurement by another operator.
  Image operator()(const Image& x, const Measurement& m) const;

 private:
  // ΦΦᵀ = U diag(s²) Uᵀ over the first rows × cols pixels of a block.
  struct Spectrum {
    Matrix phi, u;
    Vector squares;
  };
  struct Spectra;
  const Spectrum& spectrum_of(Index rows, Index cols) const;
  void project(Matrix& blocks, const Matrix& misfit, const Measurement& m, double enough) const;
  void solve(Matrix& blocks, const Measurement& m) const;

  Matrix phi_;  // empty where it is too large to be a matrix
  White white_;
  std::shared_ptr<Spectra> spectra_;  // each made once, by whoever asks first; copies share them
};

}  // namespace unrect
