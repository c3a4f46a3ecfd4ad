// Hard thresholds in bases and dictionaries that do not know where an image begins.
#pragma once

#include <functional>

#include "unrect/signal/operator.hpp"
#include "unrect/signal/wavelet.hpp"

namespace unrect {

/// The image without its coefficients of |·| ≤ threshold. What is random comes from the generator. Keeps a workspace:
/// one caller at a time; copies share nothing.
using ImageThreshold = std::function<Matrix(const Matrix& image, double threshold, Rng& rng)>;

/// In the DCT of patches, averaged over `shifts` grids drawn at random from the patch² there are. A patch's mean stays;
/// patches are weighted by 1 / (coefficients left). Beyond the edges the image is mirrored. O(shifts · pixels · patch).
/// @throws Error kInvalidArgument unless 2 ≤ patch ≤ min(height, width), shifts ≥ 1; from calls for another size.
ImageThreshold patch_threshold(Index height, Index width, Index patch = 16, Index shifts = 4);

/// In a wavelet basis of the periodic image, averaged over `shifts` random shifts (cycle spinning: Coifman, Donoho
/// 1995). The coarse part stays. O(shifts · pixels · taps). @throws Error kInvalidArgument as wavelet_2d.
ImageThreshold wavelet_threshold(Index height, Index width, Wavelet wavelet, Index levels, Index shifts = 2);

/// By the atoms of a learned dictionary (rows of patch² pixels, as learn_dictionary gives them for image_patches),
/// on `shifts` random grids: every patch, its mean taken away, keeps as few atoms as leave at most threshold · patch /
/// 3 of it (OMP), patch² / 4 at most. Weighted and mirrored as patch_threshold. O(shifts · pixels · (atoms + patch²)).
/// @throws Error kInvalidArgument unless patch² is a square ≥ 4, patch ≤ min(height, width), shifts ≥ 1.
ImageThreshold dictionary_threshold(Index height, Index width, const MatrixRef& atoms, Index shifts = 2);

}  // namespace unrect
