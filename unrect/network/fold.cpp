#include "unrect/network/fold.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

// Asked of nodes with one input.
bool is_identity(const Op& op, Index input_size) {
  return by_kind(
      op, [](const Scale& s) { return (s.factor.array() == 1).all() && s.shift.isZero(0); },
      [](const Sum& s) { return s.factors[0] == 1; }, [](const Concat&) { return true; },
      [&](const Select& s) {
        bool same = std::ssize(s.index) == input_size;
        for (Index i = 0; same && i < input_size; ++i) same = s.index[static_cast<std::size_t>(i)] == i;
        return same;
      },
      alike<Input, Dense, Convolution, Piecewise, Maximum>([](const auto&) { return false; }));
}

// One value a channel, if the vector over (channels × pixels) is constant within each channel.
std::optional<Vector> per_channel(const Vector& v, Index channels) {
  const Index pixels = v.size() / channels;
  Vector result(channels);
  for (Index c = 0; c < channels; ++c) {
    result[c] = v[c * pixels];
    if ((v.segment(c * pixels, pixels).array() != result[c]).any()) return std::nullopt;
  }
  return result;
}

std::optional<Op> compose(const Select& first, const Select& second) {
  Select both{second.index, second.fill};
  for (std::size_t i = 0; i < both.index.size(); ++i) {
    if (both.index[i] < 0) continue;
    const auto middle = static_cast<std::size_t>(both.index[i]);
    both.index[i] = first.index[middle];
    both.fill[static_cast<Index>(i)] = first.fill[static_cast<Index>(middle)];
  }
  return both;
}

std::optional<Op> compose(const Scale& first, const Scale& second) {
  return Scale{second.factor.cwiseProduct(first.factor), second.factor.cwiseProduct(first.shift) + second.shift};
}

std::optional<Op> compose(const Scale& first, const Dense& second) {
  return Dense{second.weight * first.factor.asDiagonal(), second.weight * first.shift + second.bias};
}

std::optional<Op> compose(const Dense& first, const Scale& second) {
  return Dense{second.factor.asDiagonal() * first.weight, second.factor.cwiseProduct(first.bias) + second.shift};
}

std::optional<Op> compose(const Select& first, const Dense& second, Index input_size) {
  if (input_size > second.weight.cols()) return std::nullopt;  // a selection of few inputs saves work as it is
  Dense both{Matrix::Zero(second.weight.rows(), input_size), second.bias};
  for (Index j = 0; j < second.weight.cols(); ++j) {
    const Index from = first.index[static_cast<std::size_t>(j)];
    if (from >= 0) {
      both.weight.col(from) += second.weight.col(j);
    } else if (first.fill[j] != 0) {
      both.bias += second.weight.col(j) * first.fill[j];
    }
  }
  return both;
}

std::optional<Op> compose(const Dense& first, const Select& second) {
  if (static_cast<Index>(second.index.size()) > first.weight.rows()) return std::nullopt;
  Dense both{Matrix::Zero(static_cast<Index>(second.index.size()), first.weight.cols()), second.fill};
  for (Index i = 0; i < both.weight.rows(); ++i) {
    const Index from = second.index[static_cast<std::size_t>(i)];
    if (from < 0) continue;
    both.weight.row(i) = first.weight.row(from);
    both.bias[i] = first.bias[from];
  }
  return both;
}

std::optional<Op> compose(const Dense& first, const Dense& second) {
  if (second.weight.rows() * first.weight.cols() > first.weight.size() + second.weight.size()) return std::nullopt;
  return Dense{second.weight * first.weight, second.weight * first.bias + second.bias};
}

std::optional<Op> compose(const Convolution& first, const Scale& second) {
  const auto factor = per_channel(second.factor, first.kernel.rows());
  const auto shift = per_channel(second.shift, first.kernel.rows());
  if (!factor || !shift) return std::nullopt;
  Convolution both = first;
  both.kernel = factor->asDiagonal() * first.kernel;
  both.bias = factor->cwiseProduct(first.bias) + *shift;
  return both;
}

std::optional<Op> compose(const Scale& first, const Convolution& second) {
  const Window& w = second.window;
  const auto factor = per_channel(first.factor, w.channels), shift = per_channel(first.shift, w.channels);
  const bool padded = w.pad_top || w.pad_left || w.pad_bottom || w.pad_right;
  if (!factor || !shift || (padded && !shift->isZero(0))) return std::nullopt;  // the padding is not shifted
  Convolution both = second;
  const Index taps = w.kernel_height * w.kernel_width, channels = w.channels / second.groups;
  for (Index o = 0; o < both.kernel.rows(); ++o) {
    const Index group = o / (both.kernel.rows() / second.groups);
    for (Index c = 0; c < channels; ++c) {
      auto weights = both.kernel.row(o).segment(c * taps, taps);
      both.bias[o] += weights.sum() * (*shift)[group * channels + c];
      weights *= (*factor)[group * channels + c];
    }
  }
  return both;
}

// Slots that read one element twice are empty from the second on: a tie with oneself is no boundary.
std::optional<Op> compose(const Select& first, const Maximum& second) {
  Maximum both = second;
  for (Index unit = 0; unit < both.units(); ++unit) {
    Index* const slots = both.index.data() + unit * both.width;
    for (Index j = 0; j < both.width; ++j) {
      if (slots[j] < 0) continue;
      slots[j] = first.index[static_cast<std::size_t>(slots[j])];
      if (slots[j] < 0) return std::nullopt;  // a constant takes part
      if (std::find(slots, slots + j, slots[j]) != slots + j) slots[j] = -1;
    }
  }
  return both;
}

// second ∘ first as one op, where there is one and it is not larger.
std::optional<Op> compose(const Op& first, const Op& second, Index input_size) {
  const auto* select1 = std::get_if<Select>(&first);
  const auto* scale1 = std::get_if<Scale>(&first);
  const auto* dense1 = std::get_if<Dense>(&first);
  const auto* conv1 = std::get_if<Convolution>(&first);
  if (const auto* select2 = std::get_if<Select>(&second)) {
    if (select1) return compose(*select1, *select2);
    if (dense1) return compose(*dense1, *select2);
  } else if (const auto* scale2 = std::get_if<Scale>(&second)) {
    if (scale1) return compose(*scale1, *scale2);
    if (dense1) return compose(*dense1, *scale2);
    if (conv1) return compose(*conv1, *scale2);
  } else if (const auto* dense2 = std::get_if<Dense>(&second)) {
    if (select1) return compose(*select1, *dense2, input_size);
    if (scale1) return compose(*scale1, *dense2);
    if (dense1) return compose(*dense1, *dense2);
  } else if (const auto* max2 = std::get_if<Maximum>(&second)) {
    if (select1) return compose(*select1, *max2);
  } else if (const auto* conv2 = std::get_if<Convolution>(&second)) {
    if (scale1) return compose(*scale1, *conv2);
  }
  return std::nullopt;
}

class Folder {
 public:
  explicit Folder(const Network& network)
      : nodes_(network.nodes()),
        output_(network.output()),
        input_shape_(network.input_shape()),
        output_shape_(network.output_shape()) {}

  Network run() && {
    while (pass()) {
    }
    drop_dead_nodes();
    share_equal_ops();
    return Network(std::move(nodes_), output_, std::move(input_shape_), std::move(output_shape_));
  }

 private:
  Node& node(int i) { return nodes_[static_cast<std::size_t>(i)]; }

  std::vector<int> count_uses() const {
    std::vector<int> uses(nodes_.size(), 0);
    ++uses[static_cast<std::size_t>(output_)];
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (uses[i] == 0) continue;  // dead nodes use nothing
      for (const int input : nodes_[i].inputs) ++uses[static_cast<std::size_t>(input)];
    }
    return uses;
  }

  // One sweep of rewrites from the input on; true if anything changed.
  bool pass() {
    std::vector<int> uses = count_uses();
    bool changed = false;
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      if (uses[i] == 0) continue;
      for (int& input : nodes_[i].inputs) changed |= skip_identity(input, uses);
      changed |=
          merge_equal_summands(nodes_[i]) || merge_with_producer(nodes_[i], uses) || merge_matrices(nodes_[i], uses);
    }
    changed |= skip_identity(output_, uses);
    return changed;
  }

  bool skip_identity(int& reader, std::vector<int>& uses) {
    const Node& source = node(reader);
    if (source.inputs.size() != 1 || !is_identity(*source.op, node(source.inputs[0]).size)) return false;
    --uses[static_cast<std::size_t>(reader)];
    reader = source.inputs[0];
    ++uses[static_cast<std::size_t>(reader)];
    return true;
  }

  bool merge_with_producer(Node& second, std::vector<int>& uses) {
    if (second.inputs.size() != 1) return false;
    const int producer = second.inputs[0];
    const Node& first = node(producer);
    // A matrix or convolution that others read too would be computed twice; a selection or scale costs nothing.
    const bool cheap = std::holds_alternative<Select>(*first.op) || std::holds_alternative<Scale>(*first.op);
    if (first.inputs.size() != 1 || (uses[static_cast<std::size_t>(producer)] > 1 && !cheap)) return false;
    std::optional<Op> both = compose(*first.op, *second.op, node(first.inputs[0]).size);
    if (!both) return false;
    second.op = std::make_shared<const Op>(std::move(*both));
    second.inputs = first.inputs;
    --uses[static_cast<std::size_t>(producer)];
    ++uses[static_cast<std::size_t>(second.inputs[0])];
    if (second.name.empty()) second.name = first.name;
    return true;
  }

  // f x + g x = (f + g) x.
  bool merge_equal_summands(Node& sum) {
    const Sum* op = std::get_if<Sum>(sum.op.get());
    if (!op) return false;
    std::vector<int> inputs;
    Sum merged;
    for (std::size_t k = 0; k < sum.inputs.size(); ++k) {
      const auto at = std::find(inputs.begin(), inputs.end(), sum.inputs[k]);
      if (at == inputs.end()) {
        inputs.push_back(sum.inputs[k]);
        merged.factors.push_back(op->factors[k]);
      } else {
        merged.factors[static_cast<std::size_t>(at - inputs.begin())] += op->factors[k];
      }
    }
    if (inputs.size() == sum.inputs.size()) return false;
    sum.op = std::make_shared<const Op>(std::move(merged));
    sum.inputs = std::move(inputs);
    return true;
  }

  // A sum of matrices of one input is a matrix.
  bool merge_matrices(Node& sum, const std::vector<int>& uses) {
    const Sum* op = std::get_if<Sum>(sum.op.get());
    if (!op) return false;
    int source = -1;
    for (const int input : sum.inputs) {
      const Node& term = node(input);
      if (!std::holds_alternative<Dense>(*term.op) || uses[static_cast<std::size_t>(input)] > 1) return false;
      if (source >= 0 && term.inputs[0] != source) return false;
      source = term.inputs[0];
    }
    Dense total{Matrix::Zero(sum.size, node(source).size), Vector::Zero(sum.size)};
    for (std::size_t k = 0; k < sum.inputs.size(); ++k) {
      const Dense& term = std::get<Dense>(*node(sum.inputs[k]).op);
      total.weight += op->factors[k] * term.weight;
      total.bias += op->factors[k] * term.bias;
    }
    sum.op = std::make_shared<const Op>(std::move(total));
    sum.inputs = {source};
    return true;
  }

  void drop_dead_nodes() {
    const std::vector<int> uses = count_uses();
    std::vector<int> renumbered(nodes_.size(), -1);
    std::vector<Node> kept;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (i > 0 && uses[i] == 0) continue;
      renumbered[i] = static_cast<int>(kept.size());
      for (int& input : nodes_[i].inputs) input = renumbered[static_cast<std::size_t>(input)];
      kept.push_back(std::move(nodes_[i]));
    }
    nodes_ = std::move(kept);
    output_ = renumbered[static_cast<std::size_t>(output_)];
  }

  void share_equal_ops() {
    std::map<std::pair<Index, double>, std::vector<std::shared_ptr<const Op>>> seen;
    for (Node& node : nodes_) {
      const Dense* dense = std::get_if<Dense>(node.op.get());
      if (!dense) continue;
      auto& alike = seen[{dense->weight.size(), dense->weight.sum()}];
      const auto same = std::find_if(alike.begin(), alike.end(), [&](const std::shared_ptr<const Op>& other) {
        const Dense& d = std::get<Dense>(*other);
        return d.weight.rows() == dense->weight.rows() && d.weight == dense->weight && d.bias == dense->bias;
      });
      if (same == alike.end()) {
        alike.push_back(node.op);
      } else {
        node.op = *same;
      }
    }
  }

  std::vector<Node> nodes_;
  int output_;
  Shape input_shape_, output_shape_;
};

}  // namespace

Network fold(const Network& network) { return Folder(network).run(); }

}  // namespace unrect
