// How closely an image has to meet what was measured, and the one near by that does.
#pragma once

#include "unrect/sensing/measurement.hpp"
#include "unrect/sensing/whiten.hpp"

namespace unrect {

/// σ √(M + 2√(2M)) for M measurements, which the noise itself stays below with probability 0.977; at least 1e−6 ‖y‖.
double asked_residual(const Measurement& measurement);

/// The image near x with residual() ≤ asked_residual(), or as small as any has: conjugate gradients on
/// min ‖Φ d − (y − Φ x)‖ in every block, over the pixels inside the image. With noise the last step is cut where the
/// residual is what was asked. Where Φ has orthonormal rows, blocks inside the image take one step, the projection.
/// @throws Error kInvalidArgument for a measurement by another operator than `white`'s.
Image fitted(const Image& x, const Measurement& m, const White& white);

}  // namespace unrect
