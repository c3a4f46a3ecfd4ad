// How close a recovered image is. All throw Error kInvalidArgument for images of different sizes or empty ones.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// −10 log₁₀(mean squared error) in dB after clipping `found` to [0, 1]: the peak is 1, which is 255 of 8 bits; nothing
/// is rounded. 200 for equal images: squared errors below 10⁻²⁰ are none.
double psnr(const MatrixRef& found, const MatrixRef& truth);

/// Structural similarity (Wang et al. 2004) after clipping, over all 7 × 7 windows that lie inside, uniform weights,
/// sample covariances (1/48), K₁ = 0.01, K₂ = 0.03: scikit-image's default, which the ISTA-Net family reports.
/// Windows are no larger than the image.
double ssim(const MatrixRef& found, const MatrixRef& truth);

/// ‖found − truth‖² / ‖truth‖², nothing clipped.
double nmse(const MatrixRef& found, const MatrixRef& truth);

}  // namespace unrect
