// A network as the refinement walks it: affine stages, each followed by a piecewise-linear function or by none.
#pragma once

#include <memory>
#include <vector>

#include "unrect/forms/tiles.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

/// What one earlier stage adds to this one: z[rows] += M a_source. M is kept by columns, because inactive units of the
/// source are left out: dense as its transpose, or sparse as (row, weight) lists. Every weight is one of the network's
/// own numbers, so that exact arithmetic over stages is exact about the network.
struct Link {
  int source = 0;
  Matrix columns;              // source size × size (padded to whole lanes), row j is column j of M; empty if sparse
  std::vector<Index> start;    // sparse: source size + 1
  std::vector<Index> row;      // sparse
  std::vector<double> weight;  // sparse
  Tiles tiles;                 // sparse, the same once more where that is faster

  bool dense() const { return columns.size() > 0; }
  /// Calls body(row, column, weight) for all weights that are not zero, column by column.
  template <class Body>
  void for_each_weight(const Body& body) const {
    for (Index j = 0; j < columns.rows(); ++j) {
      for (Index i = 0; i < columns.cols(); ++i) {
        if (columns(j, i) != 0) body(i, j, columns(j, i));
      }
    }
    for (Index j = 0; j + 1 < static_cast<Index>(start.size()); ++j) {
      for (auto e = static_cast<std::size_t>(start[static_cast<std::size_t>(j)]);
           e < static_cast<std::size_t>(start[static_cast<std::size_t>(j) + 1]); ++e)
        body(row[e], j, weight[e]);
    }
  }
};

/// z = Σ_links M a_source + Σ biases, a = activation(z).
struct Stage {
  Index size = 0;  // of z
  std::vector<Link> links;
  std::vector<Vector> biases;            // summed; kept apart where a rounded sum would not be the network's
  int layer = -1;                        // its place in a configuration; −1: an affine stage, a = z
  std::shared_ptr<const Op> activation;  // Piecewise or Maximum; null for an affine stage

  const Piecewise* piecewise() const { return activation ? std::get_if<Piecewise>(activation.get()) : nullptr; }
  const Maximum* maximum() const { return activation ? std::get_if<Maximum>(activation.get()) : nullptr; }
  /// Size of a.
  Index units() const { return maximum() ? maximum()->units() : size; }
};

/// Stage 0 is the input itself (no links), the last one is the network's output (affine).
struct Stages {
  std::vector<Stage> stages;
  std::vector<int> of_layer;      // stage of each layer of a configuration
  std::vector<Index> first_unit;  // of each layer, in a flat configuration; one more at the end: all units

  const Stage& operator[](int s) const { return stages[static_cast<std::size_t>(s)]; }
  int size() const { return static_cast<int>(stages.size()); }
  int last_layer_stage() const { return of_layer.empty() ? 0 : of_layer.back(); }
  Index units() const { return first_unit.back(); }
};

/// @throws Error kUnsupported for an op that has no stage.
Stages stages_of(const Network& network);

}  // namespace unrect
