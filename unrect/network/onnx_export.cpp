// ONNX out: every value is a matrix [N, size], whatever shape it had.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect {
namespace {

using onnx::AttributeProto;
using onnx::NodeProto;
using onnx::TensorProto;

constexpr std::int64_t kIrVersion = 8, kOpset = 13;

/// Names in files may hold anything; every reader takes printable ASCII.
std::string printable(std::string name) {
  for (char& c : name) {
    if (c <= ' ' || c >= '\x7f') c = '_';  // bytes above 127 are negative
  }
  return name;
}

class Writer {
 public:
  Writer(const Network& network, ExportPrecision precision, const Metadata& metadata)
      : network_(network), precision_(precision) {
    for (const auto& [key, value] : metadata) model_.metadata_props.push_back({key, value});
    model_.ir_version = kIrVersion;
    model_.producer_name = "unrect";
    model_.opset_import.push_back({"", kOpset});
    graph_ = &model_.graph.emplace();
    graph_->name = "unrect";
  }

  std::string write() && {
    graph_->input.push_back(declared("input", network_.input_shape()));
    for (std::size_t i = 0; i < network_.nodes().size(); ++i) {
      const Node& node = network_.nodes()[i];
      label_ = node.name.empty() ? fmt::format("{}_{}", name_of(*node.op), i) : printable(node.name);
      // A selection's indices depend on its input's width, too.
      owner_ = std::holds_alternative<Select>(*node.op) ? static_cast<const void*>(&node) : node.op.get();
      std::vector<std::string> inputs;
      inputs.reserve(node.inputs.size());
      for (const int input : node.inputs) inputs.push_back(values_[static_cast<std::size_t>(input)]);
      values_.push_back(std::visit([&](const auto& op) { return put(op, inputs); }, *node.op));
    }
    label_ = "output";
    owner_ = nullptr;
    std::vector<std::int64_t> shape{-1};
    shape.insert(shape.end(), network_.output_shape().begin(), network_.output_shape().end());
    const std::string& last = values_[static_cast<std::size_t>(network_.output())];
    NodeProto& end = shape.size() <= 2 ? begin("Identity", {last}) : begin("Reshape", {last, integers("shape", shape)});
    end.name = "output";
    end.output[0] = "output";
    graph_->output.push_back(declared("output", network_.output_shape()));
    return onnx::serialize(model_);
  }

 private:
  /// A name that nothing else in the file has: onnxruntime tells nodes apart by their names, values and initializers
  /// too.
  std::string unique(const std::string& wanted) {
    if (names_.insert(wanted).second) return wanted;
    int& copies = copies_.try_emplace(wanted, 1).first->second;
    std::string name;
    do name = fmt::format("{}_{}", wanted, ++copies);
    while (!names_.insert(name).second);
    return name;
  }

  std::int32_t type() const {
    return precision_ == ExportPrecision::kFloat64 ? TensorProto::DOUBLE : TensorProto::FLOAT;
  }

  onnx::ValueInfoProto declared(const std::string& name, const Shape& shape) const {
    onnx::ValueInfoProto value{name, true, type(), std::vector<onnx::Dimension>{{{}, "N"}}};
    for (const Index extent : shape.empty() ? Shape{1} : shape) value.shape->push_back({extent, ""});
    return value;
  }

  /// The name of one of the node's parameters; nodes that share their parameters share it. True: it is yet to be
  /// written.
  std::pair<std::string, bool> named(const std::string& what) {
    const auto [place, fresh] = parameters_.try_emplace({owner_, what});
    if (fresh) place->second = unique(fmt::format("{}.{}", label_, what));
    return {place->second, fresh};
  }

  /// The bytes of a new initializer, good until the next one.
  std::string& initializer(const std::string& name, std::int32_t type, const std::vector<std::int64_t>& dims) {
    TensorProto& tensor = graph_->initializer.emplace_back();
    tensor.name = name;
    tensor.data_type = type;
    tensor.dims = dims;
    return tensor.raw_data.emplace();
  }

  std::string parameter(const std::string& what, const std::vector<std::int64_t>& dims, const double* data) {
    const auto [name, fresh] = named(what);
    if (!fresh) return name;
    std::int64_t count = 1;
    for (const std::int64_t extent : dims) count *= extent;
    std::string& raw = initializer(name, type(), dims);
    if (precision_ == ExportPrecision::kFloat64) {
      raw.assign(reinterpret_cast<const char*>(data), sizeof(double) * static_cast<std::size_t>(count));
      return name;
    }
    raw.resize(sizeof(float) * static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      UNRECT_REQUIRE(std::abs(data[i]) <= std::numeric_limits<float>::max(), ErrorCode::kInvalidArgument,
                     "node '{}': {} holds {}, more than float32 can", label_, what, data[i]);
      const float narrow = static_cast<float>(data[i]);
      std::copy_n(reinterpret_cast<const char*>(&narrow), sizeof narrow,
                  &raw[sizeof narrow * static_cast<std::size_t>(i)]);
    }
    return name;
  }
  std::string parameter(const std::string& what, const Vector& values) {
    return parameter(what, {values.size()}, values.data());
  }
  /// W, one row an output. As int8: a row's integers times the row's factor, its largest entry at ±127.
  std::string weights(const std::vector<std::int64_t>& dims, const Matrix& rows) {
    if (precision_ != ExportPrecision::kInt8) return parameter("W", dims, rows.data());
    const auto [name, fresh] = named("W");
    if (!fresh) return name;
    Vector factor = rows.cwiseAbs().rowwise().maxCoeff() / 127;
    for (double& f : factor) {
      UNRECT_REQUIRE(127 * f <= std::numeric_limits<float>::max(), ErrorCode::kInvalidArgument,
                     "node '{}': W holds {}, more than float32 can", label_, 127 * f);
      const auto narrow = static_cast<float>(f);
      f = narrow > 0 ? narrow : 1;
    }
    const std::string rounded = named("W.int8").first;
    std::string& raw = initializer(rounded, TensorProto::INT8, dims);
    for (Index i = 0; i < rows.rows(); ++i) {
      for (const double w : rows.row(i))
        raw.push_back(static_cast<char>(std::clamp(std::nearbyint(w / factor[i]), -127.0, 127.0)));
    }
    NodeProto& node = graph_->node.emplace_back();
    node.op_type = "DequantizeLinear";
    node.name = name;
    node.input = {rounded, parameter("W.factor", factor)};
    node.output = {name};
    set(node, "axis", std::int64_t{0});
    return name;
  }
  std::string scalar(const std::string& what, double value) { return parameter(what, {}, &value); }

  std::string integers(const std::string& what, const std::vector<std::int64_t>& values) {
    const auto [name, fresh] = named(what);
    if (!fresh) return name;
    initializer(name, TensorProto::INT64, {std::ssize(values)})
        .assign(reinterpret_cast<const char*>(values.data()), sizeof(std::int64_t) * values.size());
    return name;
  }

  /// A new node, good until the next one. The one that is the network's node has its name, what stands beside it that
  /// and its op's.
  NodeProto& begin(const std::string& op, const std::vector<std::string>& inputs, bool beside = false) {
    NodeProto& node = graph_->node.emplace_back();
    node.op_type = op;
    node.name = unique(beside ? fmt::format("{}/{}", label_, op) : label_);
    node.input = inputs;
    node.output = {node.name};
    return node;
  }
  std::string add(const std::string& op, const std::vector<std::string>& inputs) { return begin(op, inputs).output[0]; }
  std::string beside(const std::string& op, const std::vector<std::string>& inputs) {
    return begin(op, inputs, true).output[0];
  }

  static AttributeProto& attribute(NodeProto& node, const std::string& name, AttributeProto::Type type) {
    AttributeProto& a = node.attribute.emplace_back();
    a.name = name;
    a.type = type;
    return a;
  }
  static void set(NodeProto& node, const std::string& name, std::int64_t value) {
    attribute(node, name, AttributeProto::INT).i = value;
  }
  static void set(NodeProto& node, const std::string& name, double value) {
    attribute(node, name, AttributeProto::FLOAT).f = static_cast<float>(value);
  }
  static void set(NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values) {
    attribute(node, name, AttributeProto::INTS).ints = values;
  }

  std::string flat(const std::string& value) {
    NodeProto& node = begin("Flatten", {value}, true);
    set(node, "axis", std::int64_t{1});
    return node.output[0];
  }

  using Inputs = std::vector<std::string>;

  std::string put(const Input&, const Inputs&) {
    if (network_.input_shape().size() <= 1) return "input";
    return flat("input");
  }

  std::string put(const Dense& op, const Inputs& in) {
    NodeProto& node =
        begin("Gemm", {in[0], weights({op.weight.rows(), op.weight.cols()}, op.weight), parameter("b", op.bias)});
    set(node, "transB", std::int64_t{1});
    return node.output[0];
  }

  std::string put(const Convolution& op, const Inputs& in) {
    const Window& w = op.window;
    if (precision_ == ExportPrecision::kFloat64 && w.pointwise()) return pixels(op, in[0]);
    const std::string image = beside("Reshape", {in[0], integers("image", {-1, w.channels, w.height, w.width})});
    const std::string kernel =
        weights({op.kernel.rows(), w.channels / op.groups, w.kernel_height, w.kernel_width}, op.kernel);
    NodeProto& node = begin("Conv", {image, kernel, parameter("b", op.bias)});
    set(node, "group", std::int64_t{op.groups});
    set(node, "strides", {w.stride_height, w.stride_width});
    set(node, "dilations", {w.dilation_height, w.dilation_width});
    set(node, "pads", {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
    return flat(node.output[0]);
  }

  /// A convolution that mixes channels alone: a product of matrices, which onnxruntime has in float64.
  std::string pixels(const Convolution& op, const std::string& x) {
    const Index groups = op.groups, in = op.kernel.cols(), out = op.kernel.rows() / groups;
    const std::string image =
        beside("Reshape", {x, integers("image", {-1, groups, in, op.window.height * op.window.width})});
    const std::string product = beside("MatMul", {parameter("W", {groups, out, in}, op.kernel.data()), image});
    return flat(add("Add", {product, parameter("b", {groups, out, 1}, op.bias.data())}));
  }

  /// factor ⊙ x + shift beside a node, without the parts that do nothing.
  std::string affine(const std::string& x, const Vector& factor, const Vector& shift, const std::string& what) {
    std::string value = x;
    if ((factor.array() != 1).any()) value = beside("Mul", {value, parameter(what + ".factor", factor)});
    if ((shift.array() != 0).any()) value = beside("Add", {value, parameter(what + ".shift", shift)});
    return value;
  }

  std::string put(const Scale& op, const Inputs& in) {
    if (op.shift.isZero(0)) return add("Mul", {in[0], parameter("factor", op.factor)});
    const std::string scaled = affine(in[0], op.factor, Vector::Zero(1), "scale");
    return add("Add", {scaled, parameter("shift", op.shift)});
  }

  /// The columns of x; the column after the last one is 0.
  std::string columns(const std::string& x, const std::vector<std::int64_t>& index, bool beside = false) {
    NodeProto& node = begin("Gather", {x, integers("index", index)}, beside);
    set(node, "axis", std::int64_t{1});
    return node.output[0];
  }

  std::string put(const Select& op, const Inputs& in) {
    std::vector<std::int64_t> index(op.index.begin(), op.index.end());
    Vector fill = Vector::Zero(op.fill.size());
    std::string x = in[0];
    if (std::find(index.begin(), index.end(), -1) != index.end()) {
      x = beside("Pad", {x, integers("pads", {0, 0, 0, 1})});
      for (std::size_t i = 0; i < index.size(); ++i) {
        if (index[i] >= 0) continue;
        index[i] = width_of(in[0]);
        fill[static_cast<Index>(i)] = op.fill[static_cast<Index>(i)];
      }
    }
    return affine(columns(x, index), Vector::Ones(1), fill, "fill");
  }

  std::string put(const Sum& op, const Inputs& in) {
    std::string total;
    const bool common =
        op.factors[0] != -1 && std::ranges::all_of(op.factors, [&](double f) { return f == op.factors[0]; });
    const bool scaled = common && op.factors[0] != 1;
    for (std::size_t k = 0; k < in.size(); ++k) {
      const double factor = common ? 1 : op.factors[k];
      const bool minus = factor == -1 && k > 0;
      std::string term = in[k];
      if (factor != 1 && !minus) term = beside("Mul", {term, scalar(fmt::format("factor{}", k), factor)});
      total = k == 0 ? term : begin(minus ? "Sub" : "Add", {total, term}, scaled || k + 1 < in.size()).output[0];
    }
    return scaled ? add("Mul", {total, scalar("factor", op.factors[0])}) : total;
  }

  std::string put(const Concat&, const Inputs& in) {
    NodeProto& node = begin("Concat", in);
    set(node, "axis", std::int64_t{1});
    return node.output[0];
  }

  std::string put(const Maximum& op, const Inputs& in) {
    std::vector<std::int64_t> index(op.index.begin(), op.index.end());
    for (Index unit = 0; unit < op.units(); ++unit) {
      const auto slots = index.begin() + unit * op.width, end = slots + op.width;
      const std::int64_t inside = *std::max_element(slots, end);
      std::replace(slots, end, std::int64_t{-1}, inside);  // an element twice is as good as once
    }
    const std::string all = columns(in[0], index, true);
    const std::string rows = beside("Reshape", {all, integers("rows", {-1, op.units(), op.width})});
    NodeProto& node = begin("ReduceMax", {rows});
    set(node, "axes", std::vector<std::int64_t>{2});
    set(node, "keepdims", std::int64_t{0});
    return node.output[0];
  }

  std::string put(const Piecewise& f, const Inputs& in) {
    const Matrix &t = f.breaks, &s = f.slopes, &o = f.offsets;
    const std::string& x = in[0];
    const bool one = s.rows() == 1, hinge = f.pieces() == 2, centred = hinge && t.isZero(0) && o.isZero(0);
    const bool wide = precision_ == ExportPrecision::kFloat64;
    const auto all = [](const auto& column, double value) { return (column.array() == value).all(); };
    if (centred && all(s.col(1), 1)) {
      if (all(s.col(0), 0)) return add("Relu", {x});
      if (all(s.col(0), -1)) return add("Abs", {x});
      // onnxruntime has the next two, and HardSigmoid and Shrink, in float32 alone.
      if (!wide && one) {
        NodeProto& node = begin("LeakyRelu", {x});
        set(node, "alpha", s(0, 0));
        return node.output[0];
      }
      if (!wide) return add("PRelu", {x, parameter("slope", s.col(0))});
      if ((s.col(0).array() <= 1).all()) return add("Max", {x, beside("Mul", {x, parameter("slope", s.col(0))})});
      if ((s.col(0).array() >= 1).all()) return add("Min", {x, beside("Mul", {x, parameter("slope", s.col(0))})});
    }
    if (hinge && all(s.col(0), 0) && all(s.col(1), 1) && t == o.col(0) && o.col(1).isZero(0)) {
      return add("Max", {x, parameter("low", t)});
    }
    if (hinge && all(s.col(0), 1) && all(s.col(1), 0) && t == o.col(1) && o.col(0).isZero(0)) {
      return add("Min", {x, parameter("high", t)});
    }
    if (one && f.pieces() == 3 && s(0, 0) == 0 && s(0, 1) == 1 && s(0, 2) == 0 && o(0, 0) == t(0, 0) && o(0, 1) == 0 &&
        o(0, 2) == t(0, 1)) {
      return add("Clip", {x, scalar("low", t(0, 0)), scalar("high", t(0, 1))});
    }
    if (one && f.pieces() == 3 && s(0, 0) == 0 && s(0, 2) == 0 && o(0, 0) == 0 && o(0, 2) == 1 &&
        t(0, 0) == -o(0, 1) / s(0, 1) && t(0, 1) == (1 - o(0, 1)) / s(0, 1)) {
      if (wide) {
        return add("Clip", {affine(x, s.col(1), o.col(1), "first"), scalar("low", 0), scalar("high", 1)});
      }
      NodeProto& node = begin("HardSigmoid", {x});
      set(node, "alpha", s(0, 1));
      set(node, "beta", o(0, 1));
      return node.output[0];
    }
    if (one && f.pieces() == 3 && s(0, 0) == 1 && s(0, 1) == 0 && s(0, 2) == 1 && t(0, 0) == -t(0, 1) &&
        o(0, 0) == t(0, 1) && o(0, 1) == 0 && o(0, 2) == -t(0, 1)) {
      if (wide) return add("Sub", {x, beside("Clip", {x, scalar("low", t(0, 0)), scalar("high", t(0, 1))})});
      NodeProto& node = begin("Shrink", {x});
      set(node, "lambd", t(0, 1));
      set(node, "bias", t(0, 1));
      return node.output[0];
    }
    // s_0 x + o_0 + Σ_p (s_{p+1} − s_p) max(x − t_p, 0)
    std::string total = affine(x, s.col(0), o.col(0), "first");
    for (Index p = 0; p < t.cols(); ++p) {
      const std::string hinged = beside("Relu", {affine(x, Vector::Ones(1), -t.col(p), fmt::format("break{}", p))});
      const Vector step = s.col(p + 1) - s.col(p);
      const std::string term = affine(hinged, step, Vector::Zero(1), fmt::format("step{}", p));
      total = begin("Add", {total, term}, p + 1 < t.cols()).output[0];
    }
    return total;
  }

  /// Columns of a value that is already written.
  Index width_of(const std::string& value) const {
    const auto found = std::find(values_.begin(), values_.end(), value);
    return network_.nodes()[static_cast<std::size_t>(found - values_.begin())].size;
  }

  const Network& network_;
  ExportPrecision precision_;
  onnx::ModelProto model_;
  onnx::GraphProto* graph_;
  std::vector<std::string> values_;                                        // of the network's nodes
  std::set<std::string> names_{"input", "output"};                         // taken
  std::map<std::string, int> copies_;                                      // of a name, so far
  std::map<std::pair<const void*, std::string>, std::string> parameters_;  // written, by whose they are
  std::string label_;                                                      // of the node being written
  const void* owner_ = nullptr;                                            // of its parameters
};

}  // namespace

std::string format_onnx(const Network& network, ExportPrecision precision, const Metadata& metadata) {
  return Writer(network, precision, metadata).write();
}

}  // namespace unrect
