#include "unrect/train/internal/model.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// [W, b] of an affine node with weights; nullptr for any other.
struct WeightsOf {
  const Matrix* matrix = nullptr;
  const Vector* bias = nullptr;
};

WeightsOf weights_of(const Op& op) {
  if (const Dense* dense = std::get_if<Dense>(&op)) return {&dense->weight, &dense->bias};
  if (const Convolution* conv = std::get_if<Convolution>(&op)) return {&conv->kernel, &conv->bias};
  return {};
}

}  // namespace

Model::Model(Network network, const std::vector<int>& fixed) : network_(std::move(network)) {
  std::map<const Op*, int> seen;
  for (int i = 0; i < static_cast<int>(network_.nodes().size()); ++i) {
    const Op* op = network_.node(i).op.get();
    const WeightsOf own = weights_of(*op);
    int& layer = layer_of_.emplace_back(-1);
    if (own.matrix == nullptr || std::ranges::find(fixed, i) != fixed.end()) continue;
    const auto [place, fresh] = seen.try_emplace(op, static_cast<int>(layers_.size()));
    layer = place->second;
    if (!fresh) continue;
    const Index cols = own.matrix->cols() + 1;
    layers_.push_back({i, own.matrix->rows(), cols, padded(cols), size_});
    size_ += own.matrix->rows() * padded(cols);
  }
  UNRECT_REQUIRE(!layers_.empty(), ErrorCode::kInvalidArgument, "a network without weights to train");
}

FloatVector Model::weights() const {
  FloatVector weights = FloatVector::Zero(size_);
  for (const Layer& layer : layers_) {
    const WeightsOf own = weights_of(*network_.node(layer.node).op);
    layer.in(weights.data()) << own.matrix->cast<float>(), own.bias->cast<float>();
  }
  return weights;
}

Network Model::with(const FloatVector& weights) const {
  std::vector<Node> nodes = network_.nodes();
  std::vector<std::shared_ptr<const Op>> trained(layers_.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Matrix matrix = layers_[l].in(weights.data()).cast<double>();
    const Index inputs = matrix.cols() - 1;
    Op op = *network_.node(layers_[l].node).op;
    if (Dense* dense = std::get_if<Dense>(&op)) {
      *dense = {matrix.leftCols(inputs), matrix.col(inputs)};
    } else {
      Convolution& conv = std::get<Convolution>(op);
      conv.kernel = matrix.leftCols(inputs);
      conv.bias = matrix.col(inputs);
    }
    trained[l] = std::make_shared<const Op>(std::move(op));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (layer_of_[i] >= 0) nodes[i].op = trained[static_cast<std::size_t>(layer_of_[i])];
  }
  return Network(std::move(nodes), network_.output(), network_.input_shape(), network_.output_shape());
}

}  // namespace unrect
