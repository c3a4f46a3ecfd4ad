// Dictionaries learned from samples.
#pragma once

#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/signal/greedy.hpp"

namespace unrect {

/// The defaults are for pieces of images of kPatchSide × kPatchSide pixels.
struct KsvdOptions {
  Index atoms = 128;
  OmpOptions code{.sparsity = 4};
  int iterations = 15;
  bool approximate = true;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.atoms, {"atoms", "K, how many", at_least(1)});
    field(o.code.sparsity, {"sparsity", "atoms that a sample's code uses", at_least(1)});
    field(o.code.tolerance, option_of(o.code, o.code.tolerance));
    field(o.iterations, {"iterations", "rounds of codes and atoms", at_least(1)});
    field(o.approximate, {"approximate", "one power iteration instead of each atom's singular value decomposition"});
  }
};
inline constexpr Index kPatchSide = 8;

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
