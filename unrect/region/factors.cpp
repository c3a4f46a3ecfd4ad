#include "unrect/region/factors.hpp"

#include <fmt/format.h>

#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/upward.hpp"
#include "unrect/network/internal/kernels.hpp"

namespace unrect {
namespace {

struct Affine {
  Matrix weight;
  Vector bias;
  double error = 0;  // of the weight
};

Affine as_matrix(const Node& node, Index input_size, Index max_elements) {
  if (const Dense* dense = std::get_if<Dense>(node.op.get())) return {dense->weight, dense->bias};
  UNRECT_REQUIRE(input_size * std::max(input_size, node.size) <= max_elements, ErrorCode::kUnsupported,
                 "node '{}' ({}) as a {}×{} matrix is over the limit of {} elements", node.name, name_of(*node.op),
                 node.size, input_size, max_elements);
  const Matrix identity = Matrix::Identity(input_size, input_size), zero = Matrix::Zero(1, input_size);
  const Matrix* const directions[] = {&identity};
  const Matrix* const origin[] = {&zero};
  return {linear_part<double>(*node.op, directions).transpose(), value<double>(*node.op, origin).transpose()};
}

// ‖fl(N O) − N O*‖_F ≤ γ ‖N‖_F ‖O‖_F + ‖N‖_F ‖O − O*‖_F. A selection's product is exact.
double product_error(const Op& op, const Matrix& next, const Affine& open) {
  const Upper length = frobenius_length(next);
  Upper error = length * open.error;
  if (!std::holds_alternative<Select>(op)) {
    const Upper terms(static_cast<double>(next.cols() + 2));
    error += terms * std::numeric_limits<double>::epsilon() * length * frobenius_length(open.weight);
    // Underflow.
    error += terms * static_cast<double>(next.rows() + open.weight.cols()) * std::numeric_limits<double>::denorm_min();
  }
  return error.value();
}

}  // namespace

std::vector<Index> Factors::support(int l) const {
  const Vector& d = diagonals[static_cast<std::size_t>(l - 1)];
  std::vector<Index> active;
  for (Index i = 0; i < d.size(); ++i) {
    if (d[i] != 0) active.push_back(i);
  }
  return active;
}

Factors factors(const Region& region, Index max_elements) {
  const Network& network = region.network();
  Factors result;
  Affine open;  // the affine map since the last rectifier; empty means identity
  int last = 0;
  std::size_t layer = 0;
  const auto close = [&] {
    const Index size = network.node(last).size;
    if (open.weight.size() == 0) open = {Matrix::Identity(size, size), Vector::Zero(size)};
    result.weights.push_back(std::move(open.weight));
    result.biases.push_back(std::move(open.bias));
    result.weight_errors.push_back(open.error);
    open = {};
  };
  for (int i = 1; i <= network.output(); ++i) {
    const Node& node = network.node(i);
    UNRECT_REQUIRE(node.inputs.size() == 1 && node.inputs[0] == last && !std::holds_alternative<Maximum>(*node.op),
                   ErrorCode::kUnsupported,
                   "node '{}' ({}) is not part of a chain of affine maps and point-wise rectifiers", node.name,
                   name_of(*node.op));
    if (const Piecewise* f = std::get_if<Piecewise>(node.op.get())) {
      close();
      Vector slopes(node.size), offsets(node.size);
      for (Index k = 0; k < node.size; ++k) {
        const Index p = region.configuration().layers[layer][static_cast<std::size_t>(k)];
        slopes[k] = f->slopes(f->row_of(k), p);
        offsets[k] = f->offsets(f->row_of(k), p);
      }
      result.diagonals.push_back(std::move(slopes));
      result.offsets.push_back(std::move(offsets));
      ++layer;
    } else {
      Affine next = as_matrix(node, network.node(last).size, max_elements);
      if (open.weight.size() > 0) {
        next.error = product_error(*node.op, next.weight, open);
        next.bias += next.weight * open.bias;
        next.weight *= open.weight;
      }
      open = std::move(next);
    }
    last = i;
  }
  close();
  return result;
}

}  // namespace unrect
