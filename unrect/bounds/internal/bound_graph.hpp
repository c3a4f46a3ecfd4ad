// The network as bounds walk it: affine sums of earlier activations, forward and backward, with what rounding can do.
#pragma once

#include <memory>
#include <vector>

#include "unrect/forms/stages.hpp"

namespace unrect {

/// z[rows] += M a_source, M kept so that both directions are fast: dense as it is, sparse by columns.
struct BoundLink {
  int source = 0;
  Matrix weight;  // dense: size × source size; empty if sparse
  std::vector<Index> start, row;
  std::vector<double> entry;  // sparse: column j is (row[e], entry[e]), start[j] ≤ e < start[j + 1]

  bool dense() const { return weight.size() > 0; }
};

/// z = Σ_links M a_source + bias, a = activation(z).
struct BoundStage {
  Index size = 0;   // of z
  Index units = 0;  // of a
  std::vector<BoundLink> links;
  Vector bias;                           // rounded
  Vector bias_error;                     // at most so far from the sum of the network's own biases
  std::shared_ptr<const Op> activation;  // Piecewise or Maximum; null for the input, for affine stages, and the output

  const Piecewise* piecewise() const { return activation ? std::get_if<Piecewise>(activation.get()) : nullptr; }
  const Maximum* maximum() const { return activation ? std::get_if<Maximum>(activation.get()) : nullptr; }
};

/// Stage 0 is the input, the last one the output. An affine stage is left out where the products and sums that replace
/// it are exact in double, so that the graph's function is the network's own.
class BoundGraph {
 public:
  explicit BoundGraph(const Stages& stages);

  int size() const { return static_cast<int>(stages_.size()); }
  const BoundStage& operator[](int s) const { return stages_[static_cast<std::size_t>(s)]; }
  Index inputs() const { return stages_.front().size; }
  Index outputs() const { return stages_.back().size; }
  /// Links of the whole graph: no coefficient of a backward sweep is a sum of more products than these and a stage's
  /// size.
  Index links() const { return links_; }

 private:
  std::vector<BoundStage> stages_;
  Index links_ = 0;
};

/// out += u M for rows u over z of the link's stage; out: rows × source units.
void add_backward(const BoundLink& link, const Matrix& u, Matrix& out);
/// out += a Mᵀ for rows a over the source's units; out: rows × size. `absolute`: with |M|.
void add_forward(const BoundLink& link, const Matrix& a, Matrix& out, bool absolute = false);

}  // namespace unrect
