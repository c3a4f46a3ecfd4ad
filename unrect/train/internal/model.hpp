// A network seen as what training changes: its affine nodes' weights in one float buffer.
#pragma once

#include <vector>

#include "unrect/network/network.hpp"
#include "unrect/train/internal/gemm.hpp"

namespace unrect {

/// Where layer l's W̃_l = [W_l, b_l] stands in the buffer: rows × cols, rows `stride` floats apart. A convolution's
/// W̃ is its kernel, one row an output channel.
struct Layer {
  int node = 0;  // the first node with these weights
  Index rows = 0, cols = 0, stride = 0, offset = 0;

  FloatOut in(float* weights) const {
    return Eigen::Map<FloatMatrix, 0, Eigen::OuterStride<>>(weights + offset, rows, cols, Eigen::OuterStride<>(stride));
  }
  FloatRef in(const float* weights) const {
    return Eigen::Map<const FloatMatrix, 0, Eigen::OuterStride<>>(weights + offset, rows, cols,
                                                                  Eigen::OuterStride<>(stride));
  }
};

/// Nodes that share parameters share a layer. Padding between rows is and stays zero.
class Model {
 public:
  /// Every Dense and Convolution node is trained, unless `fixed` names it. @throws Error kInvalidArgument if none is
  /// left.
  explicit Model(Network network, const std::vector<int>& fixed = {});

  const Network& network() const { return network_; }
  const std::vector<Layer>& layers() const { return layers_; }
  Index size() const { return size_; }  // floats in the buffer
  /// The layer of a node, −1 for one that has no weights or keeps them.
  int layer_of(int node) const { return layer_of_[static_cast<std::size_t>(node)]; }

  FloatVector weights() const;                     // the network's own
  Network with(const FloatVector& weights) const;  // the same graph with these

 private:
  Network network_;
  std::vector<Layer> layers_;
  std::vector<int> layer_of_;
  Index size_ = 0;
};

}  // namespace unrect
