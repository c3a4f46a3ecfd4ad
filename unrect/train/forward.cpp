#include "unrect/train/internal/forward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <dnnl.hpp>
#include <functional>
#include <limits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/internal/kernels.hpp"
#include "unrect/train/internal/pointwise.hpp"

namespace unrect {
namespace {

using dnnl::memory;

constexpr memory::format_tag kPixels = memory::format_tag::acdb, kPlanes = memory::format_tag::abcd;

// One image.
struct Extents {
  Index channels = 0, height = 0, width = 0;

  memory::dims dims() const { return {1, channels, height, width}; }
  bool operator==(const Extents&) const = default;
};

// Memory that values take and leave while steps are laid out.
class Pool {
 public:
  float* take(Index size) {
    Block* best = nullptr;
    for (Block& block : blocks_) {
      const bool fits = !block.taken && block.values.size() >= size;
      if (fits && (best == nullptr || block.values.size() < best->values.size())) best = &block;
    }
    if (best == nullptr) best = &blocks_.emplace_back(Block{FloatVector::Zero(size), false});
    best->taken = true;
    return best->values.data();
  }
  void leave(const float* data) {
    for (Block& block : blocks_) {
      if (block.values.data() == data) block.taken = false;
    }
  }

 private:
  struct Block {
    FloatVector values;
    bool taken = false;
  };
  std::vector<Block> blocks_;
};

// Where a node's value stands: as the network has it, as pixels of channels, or both.
struct Place {
  float* plain = nullptr;
  float* pixels = nullptr;
  Extents extents;                                       // of pixels
  memory::data_type precision = memory::data_type::f32;  // of pixels
};

// Channels that a convolution reads, in one piece.
struct Source {
  Index channels = 0;
  memory pixels;
};

const ConvolutionOf<float>* mixing(const OpOf<float>& op) {
  const auto* conv = std::get_if<ConvolutionOf<float>>(&op);
  return conv != nullptr && conv->groups == 1 && !conv->window.pointwise() ? conv : nullptr;
}

}  // namespace

struct Forward::State {
  State(const Network& network, Products products);

  // The nodes that read a node's value. A Concat whose parts are written straight to their places in its readers has no
  // memory of its own ("stands nowhere"): its readers are then the parts' readers.
  void find_readers();
  bool stands_nowhere(int concat) const;
  int sole_reader(int node) const;
  bool read_before(int node, int step, int but) const;
  bool read_as_pixels(int node) const;

  // Laying out the steps.
  void lay_out(int node);
  void product(int node, const MatrixOf<float>& weight, const FloatVector& bias);
  void convolve(int node, const ConvolutionOf<float>& conv);
  void plainly(int node);
  std::vector<Source> sources_of(int node, const Window& window, std::vector<float*>& scratch);
  const float* plain(int node);
  void reorder(memory from, memory to);
  void leave_after(int node);

  const OpOf<float>& op(int node) const { return *ops[static_cast<std::size_t>(node)]; }
  const std::vector<int>& inputs(int node) const { return network.node(node).inputs; }
  Place& place(int node) { return places[static_cast<std::size_t>(node)]; }
  memory in(float* data, const memory::desc& layout) const { return {layout, engine, data}; }
  memory pixels(int node) {
    const Place& at = place(node);
    return in(at.pixels, {at.extents.dims(), at.precision, kPixels});
  }
  // Floats that hold so many numbers of that precision.
  static Index floats(Index size, memory::data_type precision) {
    return precision == memory::data_type::f32 ? size : (size + 1) / 2;
  }

  const Network network;
  const memory::data_type factors;
  const dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::vector<std::shared_ptr<const OpOf<float>>> ops;  // equal ones are one, as in the network
  std::vector<std::vector<int>> readers;
  std::vector<char> nowhere;  // a Concat whose parts are read where they stand
  std::vector<char> within;   // a part of such a Concat
  std::vector<char> done;     // laid out with an earlier convolution
  std::vector<Place> places;
  Pool pool;
  std::vector<std::function<void()>> steps;
  float* input = nullptr;
  const float* result = nullptr;
  FloatVector output;
};

Forward::State::State(const Network& n, Products products)
    : network(n),
      factors(products == Products::kBfloat16 && multiplies_bfloat16() ? memory::data_type::bf16
                                                                       : memory::data_type::f32),
      ops(converted_ops<float>(n)),
      readers(n.nodes().size()),
      nowhere(n.nodes().size()),
      within(n.nodes().size()),
      done(n.nodes().size()),
      places(n.nodes().size()),
      output(n.output_size()) {
  const OnThisThread alone;
  find_readers();
  place(0).plain = input = pool.take(network.input_size());
  for (int node = 1; node < static_cast<int>(ops.size()); ++node) {
    if (done[static_cast<std::size_t>(node)] == 0) lay_out(node);
    leave_after(node);
  }
  result = plain(network.output());
}

void Forward::State::find_readers() {
  for (int node = static_cast<int>(ops.size()) - 1; node > 0; --node) {
    const auto own = static_cast<std::size_t>(node);
    nowhere[own] = stands_nowhere(node) ? 1 : 0;
    // What nobody reads needs no step.
    done[own] = nowhere[own] != 0 || (readers[own].empty() && node != network.output()) ? 1 : 0;
    for (const int read : inputs(node)) {
      std::vector<int>& by = readers[static_cast<std::size_t>(read)];
      if (nowhere[own] != 0) {
        by.insert(by.end(), readers[own].begin(), readers[own].end());
        within[static_cast<std::size_t>(read)] = 1;
      } else if (done[own] == 0) {
        by.push_back(node);
      }
    }
  }
}

bool Forward::State::stands_nowhere(int node) const {
  const std::vector<int>& own = readers[static_cast<std::size_t>(node)];
  if (!std::holds_alternative<Concat>(op(node)) || own.empty() || node == network.output()) return false;
  if (within[static_cast<std::size_t>(node)] != 0) return false;  // of another one that does
  return std::ranges::all_of(own, [&](int reader) {
    const auto* conv = mixing(op(reader));
    return conv != nullptr && std::ranges::all_of(inputs(node), [&](int part) {
             return network.node(part).size % (conv->window.height * conv->window.width) == 0;
           });
  });
}

int Forward::State::sole_reader(int node) const {
  const std::vector<int>& own = readers[static_cast<std::size_t>(node)];
  return own.size() == 1 && node != network.output() ? own[0] : -1;
}

// Everything but one reader is done with it by then.
bool Forward::State::read_before(int node, int step, int but) const {
  return node != network.output() && std::ranges::all_of(readers[static_cast<std::size_t>(node)],
                                                         [&](int reader) { return reader == but || reader < step; });
}

bool Forward::State::read_as_pixels(int node) const {
  return std::ranges::any_of(readers[static_cast<std::size_t>(node)],
                             [&](int reader) { return mixing(op(reader)) != nullptr; });
}

void Forward::State::lay_out(int node) {
  if (const auto* conv = mixing(op(node))) return convolve(node, *conv);
  if (const auto* dense = std::get_if<DenseOf<float>>(&op(node))) return product(node, dense->weight, dense->bias);
  if (const auto* conv = std::get_if<ConvolutionOf<float>>(&op(node)); conv != nullptr && conv->groups == 1)
    return product(node, conv->kernel, conv->bias);
  plainly(node);
}

// Y = W X + b for a matrix X of columns: one, or a pixel each.
void Forward::State::product(int node, const MatrixOf<float>& weight, const FloatVector& bias) {
  const Index columns = network.node(node).size / weight.rows();
  const Eigen::Map<const FloatMatrix> x(plain(inputs(node)[0]), weight.cols(), columns);
  Eigen::Map<FloatMatrix> y(place(node).plain = pool.take(network.node(node).size), weight.rows(), columns);
  steps.emplace_back([&weight, &bias, x, y]() mutable {
    y.colwise() = bias;
    gemm(weight, Transpose::kNo, x, Transpose::kNo, y, 1, 1);
  });
}

void Forward::State::convolve(int node, const ConvolutionOf<float>& conv) {
  const Window& w = conv.window;
  const Extents extents{conv.kernel.rows(), w.out_height(), w.out_width()};
  std::vector<float*> scratch;
  const std::vector<Source> sources = sources_of(node, w, scratch);

  // A sum with a value that nobody needs any more, and a ReLU, are done on the way.
  int tail = node, addend = -1;
  bool rectified = false;
  const auto take_over = [&](int reader) {
    done[static_cast<std::size_t>(reader)] = 1;
    tail = reader;
  };
  if (const int reader = sole_reader(tail); reader >= 0) {
    const auto* sum = std::get_if<SumOf<float>>(&op(reader));
    if (sum != nullptr && sum->factors == std::vector<float>{1, 1}) {
      const std::vector<int>& terms = inputs(reader);
      const int other = terms[0] == tail ? terms[1] : terms[0];
      const Place& at = place(other);
      if (at.pixels != nullptr && at.extents == extents && at.precision == factors &&
          read_before(other, node, reader)) {
        addend = other;
        take_over(reader);
      }
    }
  }
  if (const int reader = sole_reader(tail); reader >= 0) {
    const auto* piecewise = std::get_if<PiecewiseOf<float>>(&op(reader));
    if (piecewise != nullptr && piecewise->is_relu()) {
      rectified = true;
      take_over(reader);
    }
  }
  Place& to = place(tail);
  to.extents = extents;
  to.precision = addend >= 0 || read_as_pixels(tail) ? factors : memory::data_type::f32;
  to.pixels = addend >= 0 ? std::exchange(place(addend).pixels, nullptr)
                          : pool.take(floats(network.node(node).size, to.precision));

  Index begin = 0;
  for (const Source& source : sources) {
    const bool first = begin == 0, last = begin + source.channels == w.channels;
    dnnl::post_ops after;
    if (!first || addend >= 0) after.append_sum();
    if (last && rectified) after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(after);
    const memory::dims kernel{extents.channels, source.channels, w.kernel_height, w.kernel_width};
    const Index taps = w.kernel_height * w.kernel_width;
    const memory::desc bias =
        first ? memory::desc({extents.channels}, memory::data_type::f32, memory::format_tag::a) : memory::desc();
    const dnnl::convolution_forward::primitive_desc plan({dnnl::prop_kind::forward_inference,
                                                          dnnl::algorithm::convolution_direct,
                                                          source.pixels.get_desc(),
                                                          {kernel, factors, memory::format_tag::any},
                                                          bias,
                                                          {extents.dims(), to.precision, kPixels},
                                                          {w.stride_height, w.stride_width},
                                                          {w.dilation_height - 1, w.dilation_width - 1},
                                                          {w.pad_top, w.pad_left},
                                                          {w.pad_bottom, w.pad_right}},
                                                         attributes, engine);
    memory weights(plan.weights_desc(), engine);
    float* const ours = const_cast<float*>(conv.kernel.data()) + begin * taps;  // oneDNN's handles know no const
    memory given = in(ours, {kernel, memory::data_type::f32, {conv.kernel.cols(), taps, w.kernel_width, 1}});
    dnnl::reorder(given, weights).execute(stream, given, weights);
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, source.pixels}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, pixels(tail)}};
    if (first) arguments[DNNL_ARG_BIAS] = in(const_cast<float*>(conv.bias.data()), bias);
    steps.emplace_back([this, step = dnnl::convolution_forward(plan), arguments] { step.execute(stream, arguments); });
    begin += source.channels;
  }
  for (const float* own : scratch) pool.leave(own);
}

// A convolution's input, or the parts of one that stands nowhere: those that are pixels where they are, the others
// side by side in pixels of their own.
std::vector<Source> Forward::State::sources_of(int node, const Window& window, std::vector<float*>& scratch) {
  const int whole = inputs(node)[0];
  const std::vector<int> parts =
      nowhere[static_cast<std::size_t>(whole)] != 0 ? inputs(whole) : std::vector<int>{whole};
  const Index image = window.height * window.width;
  const auto channels_of = [&](int part) { return network.node(part).size / image; };
  const auto ready = [&](int part) {
    const Place& at = place(part);
    return at.pixels != nullptr && at.precision == factors &&
           at.extents == Extents{channels_of(part), window.height, window.width};
  };
  std::vector<Source> sources;
  for (auto part = parts.begin(); part != parts.end();) {
    if (ready(*part)) {
      sources.push_back({channels_of(*part), pixels(*part)});
      ++part;
      continue;
    }
    const auto end = std::find_if(part, parts.end(), ready);
    Extents extents{0, window.height, window.width};
    std::for_each(part, end, [&](int own) { extents.channels += channels_of(own); });
    scratch.push_back(pool.take(floats(extents.channels * image, factors)));
    const memory::desc layout(extents.dims(), factors, kPixels);
    for (Index at = 0; part != end; ++part) {
      const Extents own{channels_of(*part), window.height, window.width};
      reorder(in(const_cast<float*>(plain(*part)), {own.dims(), memory::data_type::f32, kPlanes}),
              in(scratch.back(), layout.submemory_desc(own.dims(), {0, at, 0, 0})));
      at += own.channels;
    }
    sources.push_back({extents.channels, in(scratch.back(), layout)});
  }
  return sources;
}

void Forward::State::plainly(int node) {
  std::vector<Eigen::Map<const FloatMatrix>> from;
  for (const int read : inputs(node)) from.emplace_back(plain(read), 1, network.node(read).size);
  Eigen::Map<FloatMatrix> y(place(node).plain = pool.take(network.node(node).size), 1, network.node(node).size);
  if (std::holds_alternative<ConvolutionOf<float>>(op(node))) {  // in groups
    steps.emplace_back([&own = op(node), from, y]() mutable {
      const FloatMatrix x = from[0];
      const FloatMatrix* const one = &x;
      y = value<float>(own, {&one, 1});
    });
    return;
  }
  steps.emplace_back([&own = op(node), from, y] {
    const std::vector<FloatRef> all(from.begin(), from.end());
    pointwise(own, all, y);
  });
}

// A node's value as the network has it.
const float* Forward::State::plain(int node) {
  Place& at = place(node);
  if (at.plain == nullptr) {
    at.plain = pool.take(network.node(node).size);
    reorder(pixels(node), in(at.plain, {at.extents.dims(), memory::data_type::f32, kPlanes}));
  }
  return at.plain;
}

void Forward::State::reorder(memory from, memory to) {
  steps.emplace_back([this, step = dnnl::reorder(from, to), from, to]() mutable { step.execute(stream, from, to); });
}

void Forward::State::leave_after(int node) {
  for (int earlier = 0; earlier < node; ++earlier) {
    if (!read_before(earlier, node + 1, -1)) continue;
    for (float* Place::*form : {&Place::plain, &Place::pixels}) {
      if (float* const data = std::exchange(place(earlier).*form, nullptr)) pool.leave(data);
    }
  }
}

Forward::Forward(const Network& network, Products products) : state_(std::make_unique<State>(network, products)) {}
Forward::~Forward() = default;
Forward::Forward(Forward&&) noexcept = default;

const FloatVector& Forward::operator()(const VectorRefOf<float>& x) {
  State& s = *state_;
  UNRECT_REQUIRE(x.size() == s.network.input_size(), ErrorCode::kInvalidArgument, "{} numbers for a network of {}",
                 x.size(), s.network.input_size());
  const OnThisThread alone;
  std::copy_n(x.data(), x.size(), s.input);
  for (const std::function<void()>& step : s.steps) step();
  std::copy_n(s.result, s.output.size(), s.output.data());
  return s.output;
}

}  // namespace unrect
