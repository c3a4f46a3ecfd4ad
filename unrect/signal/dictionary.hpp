// Dictionaries learned from samples.
#pragma once

#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/signal/greedy.hpp"

namespace unrect {

struct KsvdOptions {
  Index atoms = 0;          // K ≥ 1
  OmpOptions code;          // sparsity and tolerance of each sample's code
  int iterations = 20;      // ≥ 1
  bool approximate = true;  // one power iteration instead of each atom's singular value decomposition
};

struct Dictionary {
  Matrix atoms;                     // K × n, unit rows
  Matrix codes;                     // N × K: samples ≈ codes · atoms
  std::vector<double> mean_square;  // ‖samples − codes · atoms‖² / N after each iteration
};

/// K-SVD (Aharon, Elad, Bruckstein 2006): codes by Omp, then every atom with its coefficients becomes the best rank-one
/// fit to what the others leave of the samples that use it; approximate: Rubinstein, Zibulevsky, Elad 2008. Starts from
/// random samples (context.seed); an atom that nobody uses becomes the sample that is represented worst. Cancelling
/// gives the dictionary so far.
/// `samples` N × n. @throws Error kInvalidArgument unless N ≥ 1 samples, not all zero, and options are in range.
Dictionary learn_dictionary(const MatrixRef& samples, const KsvdOptions& options, const Context& context = {});

/// All patch × patch pieces of an image at every `stride` pixels, one a row, their means taken away.
/// @throws Error kInvalidArgument unless 1 ≤ patch ≤ min(height, width), stride ≥ 1.
Matrix image_patches(const MatrixRef& image, Index patch, Index stride);

}  // namespace unrect
