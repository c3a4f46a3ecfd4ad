// The walk over an ONNX graph.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "unrect/base/error.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/internal/onnx_graph.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect {
namespace onnx {
namespace {

constexpr Index kOldestOpset = 7, kNewestOpset = 24;

/// Names in a file may hold anything: the message stays on one line.
std::string one_line(std::string text) {
  constexpr std::size_t kLongest = 600;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string shortened(const std::string& name) { return name.size() > 100 ? name.substr(0, 100) + "…" : name; }

/// Why an op without a reader has none.
std::string_view reason(std::string_view op) {
  struct Why {
    std::string_view reason;
    std::initializer_list<std::string_view> ops;
  };
  static const Why kWhys[] = {
      {"is smooth, not piecewise linear",
       {"Sigmoid",
        "Tanh",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Erf",
        "Exp",
        "Log",
        "Softplus",
        "Softsign",
        "Pow",
        "Sin",
        "Cos",
        "Tan",
        "Asin",
        "Acos",
        "Atan",
        "Sinh",
        "Cosh",
        "Asinh",
        "Acosh",
        "Atanh",
        "Mish",
        "Swish",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceSumSquare",
        "HardSwish",
        "LSTM",
        "GRU",
        "RNN"}},
      {"divides by a function of the input",
       {"LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN", "LpNormalization", "LpPool",
        "GlobalLpPool", "MeanVarianceNormalization", "RMSNormalization"}},
      {"is discontinuous",
       {"Sign", "Round", "Mod", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Xor", "ArgMax",
        "ArgMin", "Hardmax", "TopK", "NonZero", "OneHot", "IsNaN", "IsInf"}},
      {"is a product of variables", {"Attention", "Einsum", "ReduceProd"}},
      {"is random",
       {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}},
      {"holds a subgraph", {"If", "Loop", "Scan", "SequenceMap"}},
  };
  for (const Why& why : kWhys) {
    if (std::find(why.ops.begin(), why.ops.end(), op) != why.ops.end()) return why.reason;
  }
  return "is not an op that unrect knows";
}

const OpReader* reader_of(const NodeProto& node) {
  static const auto* const readers = [] {
    auto* all = new std::unordered_map<std::string_view, const OpReader*>;
    for (const auto& ops : {layout_ops(), shape_ops(), affine_ops(), piecewise_ops(), window_ops()}) {
      for (const OpReader& op : ops) all->emplace(op.name, &op);
    }
    return all;
  }();
  const auto found = readers->find(node.op_type);
  return found == readers->end() ? nullptr : found->second;
}

bool is_default_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

const GraphProto& graph_of(const ModelProto& model) {
  UNRECT_REQUIRE(model.graph.has_value(), ErrorCode::kFormat, "no graph, expected an ONNX model");
  return *model.graph;
}

class Walk {
 public:
  Walk(const ModelProto& model, const ImportOptions& options) : file_(graph_of(model)), options_(options) {
    for (const OperatorSetIdProto& set : model.opset_import) {
      if (is_default_domain(set.domain)) opset_ = index_of(set.version);
    }
    UNRECT_REQUIRE(opset_ >= kOldestOpset && opset_ <= kNewestOpset, ErrorCode::kUnsupported,
                   "opset {}, expected {} to {}", opset_, kOldestOpset, kNewestOpset);
    UNRECT_REQUIRE(model.functions == 0, ErrorCode::kUnsupported, "the model defines functions of its own");
    UNRECT_REQUIRE(file_.sparse_initializers == 0, ErrorCode::kUnsupported, "the model holds sparse tensors");
  }

  Network run() && {
    for (const TensorProto& tensor : file_.initializer) {
      UNRECT_REQUIRE(initializers_.emplace(tensor.name, &tensor).second, ErrorCode::kFormat,
                     "two initializers are named '{}'", shortened(tensor.name));
    }
    read_inputs();
    for (const std::size_t node : needed_nodes()) read_node(file_.node[node], node);
    std::vector<Value> outputs;
    for (const ValueInfoProto& output : file_.output) {
      const Value* value = find(output.name);
      UNRECT_REQUIRE(value != nullptr, ErrorCode::kFormat, "nothing computes the output '{}'", shortened(output.name));
      graph_->set_label(shortened(output.name));
      outputs.push_back(graph_->as_variable(*value));
    }
    UNRECT_REQUIRE(!outputs.empty(), ErrorCode::kFormat, "the graph has no output");
    Value output = outputs[0];
    if (outputs.size() > 1) {
      Index total = 0;
      for (const Value& value : outputs) total += value.size();
      graph_->set_label("outputs");
      output = graph_->add(Concat{}, outputs, {graph_->count({total})});
    }
    return std::move(*graph_).build(output, without_batch(output.shape));
  }

 private:
  /// The leading 1 of a shape with further axes is the batch.
  static Shape without_batch(const Shape& shape) {
    return shape.size() > 1 && shape[0] == 1 ? Shape(shape.begin() + 1, shape.end()) : shape;
  }

  static std::string label_of(const NodeProto& node, std::size_t number) {
    if (!node.name.empty()) return shortened(node.name);
    if (!node.output.empty() && !node.output[0].empty()) return shortened(node.output[0]);
    return fmt::format("#{}", number);
  }

  Shape input_shape(const ValueInfoProto& input) const {
    const std::string name = shortened(input.name);
    UNRECT_REQUIRE(input.tensor, ErrorCode::kUnsupported, "input '{}' is not a tensor", name);
    UNRECT_REQUIRE(is_float_type(input.elem_type), ErrorCode::kUnsupported,
                   "input '{}' has the type {}, expected float", name, type_name(input.elem_type));
    UNRECT_REQUIRE(input.shape && input.shape->size() <= 64, ErrorCode::kUnsupported, "input '{}' has no shape", name);
    Shape shape;
    for (const Dimension& extent : *input.shape) {
      const bool known = extent.dim_value.value_or(0) > 0;
      UNRECT_REQUIRE(known || shape.empty(), ErrorCode::kUnsupported,
                     "input '{}' leaves axis {} open, expected at most the first, the batch, to be open", name,
                     shape.size());
      shape.push_back(known ? index_of(*extent.dim_value) : 1);
    }
    return shape;
  }

  void read_inputs() {
    std::vector<std::pair<std::string, Shape>> inputs;
    Index total = 0;
    for (const ValueInfoProto& input : file_.input) {
      if (initializers_.contains(input.name)) continue;
      inputs.emplace_back(input.name, input_shape(input));
      Index size = 1;
      for (const Index extent : inputs.back().second) {
        UNRECT_REQUIRE(extent <= options_.max_elements / size, ErrorCode::kUnsupported,
                       "input '{}' of shape {} has more than {} elements", shortened(input.name),
                       to_string(inputs.back().second), options_.max_elements);
        size *= extent;
      }
      total += size;
      UNRECT_REQUIRE(total <= options_.max_elements, ErrorCode::kUnsupported, "the inputs have more than {} elements",
                     options_.max_elements);
    }
    UNRECT_REQUIRE(!inputs.empty(), ErrorCode::kUnsupported, "the graph has no input");
    graph_ = std::make_unique<Graph>(inputs.size() == 1 ? without_batch(inputs[0].second) : Shape{total},
                                     options_.max_elements);
    Value all;
    all.node = 0;
    all.shape = {total};
    Index from = 0;
    for (auto& [name, shape] : inputs) {
      const Index size = size_of(shape);
      graph_->set_label(shortened(name));
      std::vector<Index> part = iota(size);
      for (Index& i : part) i += from;
      Value value = select(*graph_, all, std::move(part), std::move(shape));
      define(name, std::move(value));
      from += size;
    }
  }

  /// The nodes that the outputs depend on, each after those it depends on. Files should be sorted so; some are not.
  std::vector<std::size_t> needed_nodes() {
    std::unordered_map<std::string_view, std::size_t> producers;
    for (std::size_t i = 0; i < file_.node.size(); ++i) {
      for (const std::string& output : file_.node[i].output) {
        UNRECT_REQUIRE(output.empty() || producers.emplace(output, i).second, ErrorCode::kFormat,
                       "node '{}' ({}): another node computes '{}', too", label_of(file_.node[i], i),
                       shortened(file_.node[i].op_type), shortened(output));
      }
    }
    enum class State { kUnseen, kOpen, kDone };
    std::vector<State> states(file_.node.size(), State::kUnseen);
    std::vector<std::size_t> order;
    std::vector<std::pair<std::size_t, std::size_t>> path;  // a node and the next of its inputs to look at
    const auto enter = [&](const std::string& name) {
      const auto found = producers.find(name);
      if (name.empty() || found == producers.end()) return;
      State& state = states[found->second];
      const NodeProto& node = file_.node[found->second];
      UNRECT_REQUIRE(state != State::kOpen, ErrorCode::kFormat, "node '{}' ({}): '{}' depends on itself: a cycle",
                     label_of(node, found->second), shortened(node.op_type), shortened(name));
      if (state == State::kDone) return;
      state = State::kOpen;
      path.emplace_back(found->second, 0);
    };
    for (const ValueInfoProto& output : file_.output) {
      enter(output.name);
      while (!path.empty()) {
        const auto [node, next] = path.back();
        if (next < file_.node[node].input.size()) {
          ++path.back().second;
          ++readers_[file_.node[node].input[next]];
          enter(file_.node[node].input[next]);
        } else {
          states[node] = State::kDone;
          order.push_back(node);
          path.pop_back();
        }
      }
    }
    return order;
  }

  void define(const std::string& name, Value value) {
    graph_->count(value.shape);
    value.name = name;
    UNRECT_REQUIRE(!initializers_.contains(name) && values_.emplace(name, std::move(value)).second, ErrorCode::kFormat,
                   "two values are named '{}'", shortened(name));
  }

  /// Null for an unknown name. Initializers are converted when they are first read.
  const Value* find(const std::string& name) {
    if (const auto found = values_.find(name); found != values_.end()) return &found->second;
    const auto found = initializers_.find(name);
    if (found == initializers_.end()) return nullptr;
    Value value = read_tensor(*found->second);
    graph_->count(value.shape);
    return &values_.emplace(name, std::move(value)).first->second;
  }

  const Value* argument(const std::string& name) {
    if (name.empty()) return nullptr;
    const Value* value = find(name);
    if (value != nullptr) return value;
    throw Error(
        ErrorCode::kFormat,
        fmt::format("input '{}' is no input of the graph, no initializer and no node's output", shortened(name)));
  }

  void read_node(const NodeProto& node, std::size_t number) {
    const std::string label = label_of(node, number);
    graph_->set_label(label);
    try {
      std::vector<const Value*> inputs;
      for (const std::string& name : node.input) inputs.push_back(argument(name));
      const std::vector<Value> outputs = is_softmax(node) ? cut(node, inputs) : outputs_of(node, std::move(inputs));
      for (std::size_t k = 0; k < node.output.size(); ++k) {
        if (node.output[k].empty()) continue;
        if (k < outputs.size()) {
          define(node.output[k], outputs[k]);
        } else {
          UNRECT_REQUIRE(!readers_.contains(node.output[k]) && !is_output(node.output[k]), ErrorCode::kUnsupported,
                         "its output {} '{}' is used, expected only the first {}", k, shortened(node.output[k]),
                         outputs.size());
        }
      }
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("node '{}' ({}): {}", label, shortened(node.op_type), error.what()));
    }
  }

  std::vector<Value> outputs_of(const NodeProto& node, std::vector<const Value*> inputs) {
    UNRECT_REQUIRE(is_default_domain(node.domain), ErrorCode::kUnsupported, "belongs to the domain '{}'",
                   shortened(node.domain));
    const OpReader* reader = reader_of(node);
    UNRECT_REQUIRE(reader != nullptr, ErrorCode::kUnsupported, "{}", reason(node.op_type));
    Call call(node, std::move(inputs), *graph_, opset_);
    std::vector<Value> outputs = reader->read(call);
    call.require_all_read();
    return outputs;
  }

  static bool is_softmax(const NodeProto& node) {
    return is_default_domain(node.domain) && (node.op_type == "Softmax" || node.op_type == "LogSoftmax");
  }

  bool is_output(const std::string& name) const {
    return std::any_of(file_.output.begin(), file_.output.end(),
                       [&](const ValueInfoProto& output) { return output.name == name; });
  }

  /// The scores before a final softmax.
  std::vector<Value> cut(const NodeProto& node, const std::vector<const Value*>& inputs) const {
    const bool final = node.output.size() == 1 && !readers_.contains(node.output[0]) && is_output(node.output[0]);
    UNRECT_REQUIRE(final, ErrorCode::kUnsupported, "is smooth, not piecewise linear, and does not end the network");
    UNRECT_REQUIRE(options_.cut_softmax, ErrorCode::kUnsupported,
                   "is smooth; it ends the network, so that it can be cut off (cut_softmax)");
    UNRECT_REQUIRE(inputs.size() == 1 && inputs[0] != nullptr, ErrorCode::kFormat, "{} inputs, expected 1",
                   inputs.size());
    return {*inputs[0]};
  }

  const GraphProto& file_;
  const ImportOptions& options_;
  Index opset_ = 0;
  std::unordered_map<std::string, const TensorProto*> initializers_;
  std::unordered_map<std::string, Value> values_;
  std::unordered_map<std::string, int> readers_;  // needed nodes that read each name
  std::unique_ptr<Graph> graph_;
};

}  // namespace
}  // namespace onnx

Metadata parse_onnx_metadata(std::string_view bytes, std::string_view name) {
  try {
    Metadata metadata;
    for (auto& [key, value] : onnx::parse_metadata(bytes)) metadata[key] = std::move(value);
    return metadata;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", name, error.what()));
  }
}

Network parse_onnx(std::string_view bytes, std::string_view name, const ImportOptions& options) {
  validate(options);
  try {
    const onnx::ModelProto model = onnx::parse_model(bytes);
    const Network network = onnx::Walk(model, options).run();
    return options.fold ? fold(network) : network;
  } catch (const Error& error) {
    // To the library a bad parameter is a wrong argument; here it came from the file.
    const ErrorCode code = error.code() == ErrorCode::kInvalidArgument ? ErrorCode::kFormat : error.code();
    throw Error(code, onnx::one_line(fmt::format("{}: {}", name, error.what())));
  }
}

}  // namespace unrect
