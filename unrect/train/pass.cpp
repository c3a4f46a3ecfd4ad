#include "unrect/train/internal/pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/train/internal/convolution_pass.hpp"
#include "unrect/train/internal/pointwise.hpp"

namespace unrect {
namespace {

// Of W̃ = [W, b].
Index columns_of(const OpOf<float>& op) {
  const auto* dense = std::get_if<DenseOf<float>>(&op);
  return (dense != nullptr ? dense->weight.cols() : std::get<ConvolutionOf<float>>(op).kernel.cols()) + 1;
}

}  // namespace

struct Pass::State {
  // Values and cotangents, rows × padded(size + 1): column `size` of a value holds the constant 1 of Ã.
  struct Buffer {
    FloatMatrix value, cotangent;
  };

  const Model& model;
  Index rows;
  std::vector<std::shared_ptr<const OpOf<float>>> ops;         // equal ones are one, as in the network
  std::vector<std::unique_ptr<ConvolutionPass>> convolutions;  // of Convolution nodes
  std::vector<int> home;                                       // the node in whose buffer a node's value stands
  std::vector<Buffer> buffers;
  std::vector<char> written;                            // backward: this buffer's cotangent holds something already
  std::vector<char> layer_written;                      // backward: so does this layer's gradient
  std::map<const OpOf<float>*, FloatMatrix> constants;  // W̃ of affine nodes that are not trained
  FloatMatrix transformed;                              // Ã in a layer's metric

  State(const Model& m, Index n, bool bfloat16);

  const Network& network() const { return model.network(); }
  Index size(int node) const { return network().node(node).size; }
  Buffer& buffer(int node) { return buffers[static_cast<std::size_t>(home[static_cast<std::size_t>(node)])]; }
  const Buffer& buffer(int node) const {
    return buffers[static_cast<std::size_t>(home[static_cast<std::size_t>(node)])];
  }
  FloatOut value(int node) { return buffer(node).value.leftCols(size(node)); }
  FloatRef value(int node) const { return buffer(node).value.leftCols(size(node)); }
  FloatRef with_one(int node) const { return buffer(node).value.leftCols(size(node) + 1); }
  FloatOut cotangent(int node) { return buffer(node).cotangent.leftCols(size(node)); }
  const OpOf<float>& op(int node) const { return *ops[static_cast<std::size_t>(node)]; }
  int input(int node, std::size_t k = 0) const { return network().node(node).inputs[k]; }

  FloatRef weights_at(int node, const float* weights) const {
    const int layer = model.layer_of(node);
    if (layer >= 0) return model.layers()[static_cast<std::size_t>(layer)].in(weights);
    const FloatMatrix& constant = constants.at(&op(node));
    return constant.leftCols(columns_of(op(node)));
  }

  void forward(int node, const float* weights);
  void backward(int node, const float* weights, float* gradients, const std::vector<const float*>& metric);
  void tangent(int node, const float* weights, const float* direction);
  // Adds (or, for the first, assigns) `change` to the cotangent of a node; the input's is nobody's business.
  template <class Change>
  void add(int node, const Change& change) {
    if (node == 0) return;
    if (first(node)) {
      cotangent(node) = change;
    } else {
      cotangent(node) += change;
    }
  }
  bool first(int node) {
    char& flag = written[static_cast<std::size_t>(home[static_cast<std::size_t>(node)])];
    return std::exchange(flag, 1) == 0;
  }
};

Pass::State::State(const Model& m, Index n, bool bfloat16) : model(m), rows(n), ops(converted_ops<float>(m.network())) {
  const std::vector<Node>& nodes = network().nodes();
  std::vector<int> readers(nodes.size(), 0);
  for (const Node& node : nodes) {
    for (const int i : node.inputs) ++readers[static_cast<std::size_t>(i)];
  }
  ++readers[static_cast<std::size_t>(network().output())];
  buffers.resize(nodes.size());
  convolutions.resize(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    home.push_back(static_cast<int>(i));
    const PiecewiseOf<float>* piecewise = std::get_if<PiecewiseOf<float>>(ops[i].get());
    if (piecewise != nullptr && piecewise->is_relu() && nodes[i].inputs[0] != 0 &&
        readers[static_cast<std::size_t>(nodes[i].inputs[0])] == 1) {
      home[i] = home[static_cast<std::size_t>(nodes[i].inputs[0])];
      continue;
    }
    const Index width = padded(nodes[i].size + 1);
    buffers[i].value = FloatMatrix::Zero(rows, width);
    buffers[i].value.col(nodes[i].size).setOnes();
    if (i > 0) buffers[i].cotangent = FloatMatrix::Zero(rows, width);
    const auto* conv = std::get_if<ConvolutionOf<float>>(ops[i].get());
    if (conv != nullptr) {
      const bool trained = model.layer_of(static_cast<int>(i)) >= 0;
      convolutions[i] = std::make_unique<ConvolutionPass>(
          conv->window, conv->kernel.rows(), rows,
          trained ? ConvolutionPass::Weights::kTrained : ConvolutionPass::Weights::kFixed,
          trained && bfloat16 ? Products::kBfloat16 : Products::kFloat32);
    }
    UNRECT_REQUIRE(conv == nullptr || conv->groups == 1, ErrorCode::kUnsupported,
                   "node '{}': a convolution in {} groups cannot be trained; expected one", nodes[i].name,
                   conv->groups);
    if (model.layer_of(static_cast<int>(i)) >= 0) continue;
    const auto* dense = std::get_if<DenseOf<float>>(ops[i].get());
    if (dense == nullptr && conv == nullptr) continue;
    FloatMatrix& constant = constants[ops[i].get()];
    if (constant.size() > 0) continue;
    const FloatMatrix& w = dense != nullptr ? dense->weight : conv->kernel;
    constant = FloatMatrix::Zero(w.rows(), padded(w.cols() + 1));
    constant.leftCols(w.cols()) = w;
    constant.col(w.cols()) = dense != nullptr ? dense->bias : conv->bias;
  }
  written.resize(nodes.size());
  layer_written.resize(model.layers().size());
}

void Pass::State::forward(int node, const float* weights) {
  FloatOut y = value(node);
  by_kind(
      op(node), [](const Input&) {},
      [&](const DenseOf<float>&) {
        gemm(with_one(input(node)), Transpose::kNo, weights_at(node, weights), Transpose::kYes, y);
      },
      [&](const ConvolutionOf<float>&) {
        convolutions[static_cast<std::size_t>(node)]->forward(value(input(node)), weights_at(node, weights), y);
      },
      alike<ScaleOf<float>, SelectOf<float>, SumOf<float>, Concat, PiecewiseOf<float>, Maximum>([&](const auto&) {
        std::vector<FloatRef> inputs;
        for (const int i : network().node(node).inputs) inputs.push_back(std::as_const(*this).value(i));
        pointwise(op(node), inputs, y);
      }));
}

void Pass::State::backward(int node, const float* weights, float* gradients, const std::vector<const float*>& metric) {
  const FloatOut u = cotangent(node);
  by_kind(
      op(node), [](const Input&) {},
      [&](const DenseOf<float>& dense) {
        const int in = input(node);
        if (const int l = model.layer_of(node); l >= 0) {
          const bool again = std::exchange(layer_written[static_cast<std::size_t>(l)], 1) != 0;
          const Layer& layer = model.layers()[static_cast<std::size_t>(l)];
          const float* const p = metric.empty() ? nullptr : metric[static_cast<std::size_t>(l)];
          if (p != nullptr) {
            const Eigen::Map<const FloatMatrix, 0, Eigen::OuterStride<>> in_metric(p, layer.cols, layer.cols,
                                                                                   Eigen::OuterStride<>(layer.stride));
            transformed.resize(rows, layer.stride);
            gemm(with_one(in), Transpose::kNo, in_metric, Transpose::kNo, transformed.leftCols(layer.cols));
          }
          gemm(u, Transpose::kYes, p != nullptr ? FloatRef(transformed.leftCols(layer.cols)) : with_one(in),
               Transpose::kNo, layer.in(gradients), 1, again ? 1.F : 0.F);
        }
        if (in == 0) return;
        const float beta = first(in) ? 0.F : 1.F;
        gemm(u, Transpose::kNo, weights_at(node, weights).leftCols(dense.weight.cols()), Transpose::kNo, cotangent(in),
             1, beta);
      },
      [&](const ConvolutionOf<float>&) {
        const int in = input(node);
        ConvolutionPass& conv = *convolutions[static_cast<std::size_t>(node)];
        if (const int l = model.layer_of(node); l >= 0) {
          const bool again = std::exchange(layer_written[static_cast<std::size_t>(l)], 1) != 0;
          conv.backward_weights(value(in), u, model.layers()[static_cast<std::size_t>(l)].in(gradients), again);
        }
        if (in == 0) return;
        const bool again = !first(in);
        conv.backward_data(u, weights_at(node, weights), cotangent(in), again);
      },
      [&](const ScaleOf<float>& scale) {
        add(input(node), (u.array().rowwise() * scale.factor.transpose().array()).matrix());
      },
      [&](const SelectOf<float>& select) {
        const int in = input(node);
        if (in == 0) return;
        FloatOut into = cotangent(in);
        if (first(in)) into.setZero();
        for (Index i = 0; i < rows; ++i) {
          for (std::size_t k = 0; k < select.index.size(); ++k) {
            if (select.index[k] >= 0) into(i, select.index[k]) += u(i, static_cast<Index>(k));
          }
        }
      },
      [&](const SumOf<float>& sum) {
        for (std::size_t k = 0; k < sum.factors.size(); ++k) add(input(node, k), sum.factors[k] * u);
      },
      [&](const Concat&) {
        Index begin = 0;
        for (const int part : network().node(node).inputs) {
          add(part, u.middleCols(begin, size(part)));
          begin += size(part);
        }
      },
      [&](const PiecewiseOf<float>& f) {
        const int in = input(node);
        if (f.is_relu()) {
          const FloatOut a = value(node);
          const auto passed = (a.array() > 0.F).select(u.array(), 0.F).matrix();
          if (home[static_cast<std::size_t>(node)] == home[static_cast<std::size_t>(in)]) {
            cotangent(in) = passed;  // its only reader: entry by entry in place
          } else {
            add(in, passed);
          }
          return;
        }
        if (in == 0) return;
        const FloatOut z = value(in);
        FloatOut into = cotangent(in);
        if (first(in)) into.setZero();
        for (Index i = 0; i < rows; ++i) {
          for (Index j = 0; j < u.cols(); ++j) into(i, j) += f.slopes(f.row_of(j), f.piece(j, z(i, j))) * u(i, j);
        }
      },
      [&](const Maximum& max) {
        const int in = input(node);
        if (in == 0) return;
        const FloatOut x = value(in);
        FloatOut into = cotangent(in);
        if (first(in)) into.setZero();
        for (Index i = 0; i < rows; ++i) {
          for (Index j = 0; j < u.cols(); ++j) {
            const Index slot = max.top_slot(j, x.row(i).data());
            into(i, max.index[static_cast<std::size_t>(j * max.width + slot)]) += u(i, j);
          }
        }
      });
}

void Pass::State::tangent(int node, const float* weights, const float* direction) {
  const int in = input(node);
  FloatOut t = cotangent(node);
  const auto* piecewise = std::get_if<PiecewiseOf<float>>(&op(node));
  if (std::holds_alternative<DenseOf<float>>(op(node))) {
    const int layer = model.layer_of(node);
    if (layer >= 0) {
      gemm(with_one(in), Transpose::kNo, model.layers()[static_cast<std::size_t>(layer)].in(direction), Transpose::kYes,
           t);
    } else {
      t.setZero();
    }
    if (in != 0)  // the input does not move
      gemm(cotangent(in), Transpose::kNo, weights_at(node, weights).leftCols(size(in)), Transpose::kYes, t, 1, 1);
  } else if (piecewise != nullptr && piecewise->is_relu()) {
    if (in == 0) {
      t.setZero();
    } else {
      t = (value(node).array() > 0.F).select(cotangent(in).array(), 0.F).matrix();
    }
  } else {
    throw Error(ErrorCode::kUnsupported, fmt::format("node '{}' ({}): tangents go through matrices and ReLUs alone",
                                                     network().node(node).name, name_of(*network().node(node).op)));
  }
}

Index positions_of(const Model& model, int layer) {
  const auto* conv =
      std::get_if<Convolution>(model.network().node(model.layers()[static_cast<std::size_t>(layer)].node).op.get());
  return conv == nullptr ? 1 : conv->window.out_height() * conv->window.out_width();
}

Index gram_rows_of(const Model& model, int layer) {
  return std::min(positions_of(model, layer), ConvolutionPass::kPatchesPerSample);
}

Pass::Pass(const Model& model, Index rows, bool bfloat16)
    : rows_(rows), state_(std::make_unique<State>(model, rows, bfloat16)) {}
Pass::~Pass() = default;
Pass::Pass(Pass&&) noexcept = default;

void Pass::load(const FloatRef& inputs, std::span<const Index> rows) {
  FloatOut x = state_->value(0);
  for (Index i = 0; i < rows_; ++i) x.row(i) = inputs.row(rows[static_cast<std::size_t>(i)]);
}

Index Pass::load(const FloatRef& inputs, Index begin) {
  const Index count = std::min(rows_, inputs.rows() - begin);
  FloatOut x = state_->value(0);
  x.topRows(count) = inputs.middleRows(begin, count);
  x.bottomRows(rows_ - count).rowwise() = inputs.row(begin + count - 1);
  return count;
}

FloatRef Pass::forward(const float* weights) {
  const int count = static_cast<int>(state_->ops.size());
  for (int node = 1; node < count; ++node) state_->forward(node, weights);
  return value(state_->network().output());
}

FloatOut Pass::output_cotangent() { return state_->cotangent(state_->network().output()); }

void Pass::backward(const float* weights, float* gradients, const std::vector<const float*>& metric) {
  State& s = *state_;
  std::ranges::fill(s.written, char{0});
  std::ranges::fill(s.layer_written, char{0});
  s.first(s.network().output());
  for (int node = static_cast<int>(s.ops.size()) - 1; node > 0; --node) {
    // A node that the output does not depend on has no cotangent.
    if (s.written[static_cast<std::size_t>(s.home[static_cast<std::size_t>(node)])] != 0)
      s.backward(node, weights, gradients, metric);
  }
  for (std::size_t l = 0; l < s.layer_written.size(); ++l) {
    if (s.layer_written[l] == 0) s.model.layers()[l].in(gradients).setZero();
  }
}

FloatRef Pass::tangent(const float* weights, const float* direction) {
  const int count = static_cast<int>(state_->ops.size());
  for (int node = 1; node < count; ++node) state_->tangent(node, weights, direction);
  return output_cotangent();
}

void Pass::gram(int layer, FloatOut gram) const {
  const int node = state_->model.layers()[static_cast<std::size_t>(layer)].node;
  const int in = state_->input(node);
  if (const auto& conv = state_->convolutions[static_cast<std::size_t>(node)]) {
    conv->gram(state_->value(in), gram);
    return;
  }
  gemm(state_->with_one(in), Transpose::kYes, state_->with_one(in), Transpose::kNo, gram);
}

FloatRef Pass::value(int node) const { return std::as_const(*state_).value(node); }

}  // namespace unrect
