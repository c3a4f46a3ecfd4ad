#include "unrect/train/internal/convolution_pass.hpp"

#include <dnnl.hpp>
#include <unordered_map>

namespace unrect {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

memory::desc strided(const memory::dims& extents, const memory::dims& strides) {
  return {extents, memory::data_type::f32, strides};
}

// A value in the caller's layout beside the one a primitive asks for, with the way between them.
class Port {
 public:
  Port(const dnnl::engine& engine, const memory::desc& ours, const memory::desc& theirs)
      : ours_(ours, engine, nullptr), theirs_(theirs, engine, DNNL_MEMORY_ALLOCATE), same_(ours == theirs) {
    if (same_) theirs_ = memory(theirs, engine, nullptr);
    dnnl::post_ops sum;
    sum.append_sum();
    dnnl::primitive_attr adding;
    adding.set_post_ops(sum);
    in_ = dnnl::reorder({engine, ours, engine, theirs});
    out_ = dnnl::reorder({engine, theirs, engine, ours});
    added_ = dnnl::reorder({engine, theirs, engine, ours, adding});
  }

  memory read(const dnnl::stream& stream, const float* data) {
    float* const place = const_cast<float*>(data);  // oneDNN's handles know no const
    if (same_) {
      theirs_.set_data_handle(place);
    } else {
      ours_.set_data_handle(place);
      in_.execute(stream, ours_, theirs_);
    }
    return theirs_;
  }
  memory last() const { return theirs_; }
  // Where the primitive writes; write() brings it home.
  memory target(float* data, bool add) {
    if (same_ && !add) theirs_.set_data_handle(data);
    if (same_ && add && !spare_) spare_ = memory(theirs_.get_desc(), theirs_.get_engine());
    return same_ && add ? spare_ : theirs_;
  }
  void write(const dnnl::stream& stream, float* data, bool add) {
    if (same_ && !add) return;
    ours_.set_data_handle(data);
    memory from = same_ ? spare_ : theirs_;
    (add ? added_ : out_).execute(stream, from, ours_);
  }

 private:
  memory ours_, theirs_, spare_;
  bool same_;
  dnnl::reorder in_, out_, added_;
};

}  // namespace

struct ConvolutionPass::State {
  Window window;
  Index rows;
  bool fixed;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::convolution_forward forward;
  dnnl::convolution_backward_data backward_data;
  dnnl::convolution_backward_weights backward_weights;
  std::unique_ptr<Port> x_forward, w_forward, y_forward;
  std::unique_ptr<Port> u_data, w_data, x_data;
  std::unique_ptr<Port> x_weights, u_weights, w_weights;
  bool one_x, one_u;                                 // both products want the value in one layout
  bool has_u = false;                                // u_weights holds this step's cotangent
  bool w_known = false, w_transposed_known = false;  // fixed weights are where they are wanted
  VectorOf<float> bias;
  memory bias_memory;
  FloatMatrix patches;

  Index taps() const { return window.kernel_height * window.kernel_width; }
};

ConvolutionPass::ConvolutionPass(const Window& window, Index out_channels, Index rows, Weights kind, Products products)
    : state_(std::make_unique<State>()) {
  const OnThisThread alone;
  State& s = *state_;
  s.window = window;
  s.rows = rows;
  s.fixed = kind == Weights::kFixed;
  const Index cols = window.channels * s.taps() + 1;
  const Index out_size = out_channels * window.out_height() * window.out_width();
  const Index in_pixels = window.height * window.width;
  const Index out_pixels = window.out_height() * window.out_width();
  const memory::dims x{rows, window.channels, window.height, window.width};
  const memory::dims w{out_channels, window.channels, window.kernel_height, window.kernel_width};
  const memory::dims y{rows, out_channels, window.out_height(), window.out_width()};
  const memory::dims strides{window.stride_height, window.stride_width};
  const memory::dims dilation{window.dilation_height - 1, window.dilation_width - 1};
  const memory::dims before{window.pad_top, window.pad_left};
  const memory::dims after{window.pad_bottom, window.pad_right};
  const auto factors =
      products == Products::kBfloat16 && multiplies_bfloat16() ? memory::data_type::bf16 : memory::data_type::f32;
  const auto any = [&](const memory::dims& extents) { return memory::desc(extents, factors, memory::format_tag::any); };
  const memory::desc b({out_channels}, memory::data_type::f32, memory::format_tag::a);
  const memory::desc our_x = strided(x, {padded(window.channels * in_pixels + 1), in_pixels, window.width, 1});
  const memory::desc our_w = strided(w, {padded(cols), s.taps(), window.kernel_width, 1});
  const memory::desc our_y = strided(y, {padded(out_size + 1), out_pixels, window.out_width(), 1});

  const auto direct = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, direct, any(x), any(w), b, any(y), strides, dilation, before, after},
      s.engine);
  s.forward = dnnl::convolution_forward(forward);
  s.x_forward = std::make_unique<Port>(s.engine, our_x, forward.src_desc());
  s.w_forward = std::make_unique<Port>(s.engine, our_w, forward.weights_desc());
  s.y_forward = std::make_unique<Port>(s.engine, our_y, forward.dst_desc());
  const dnnl::convolution_backward_data::primitive_desc data(
      {direct, any(x), any(w), any(y), strides, dilation, before, after}, s.engine, forward);
  s.backward_data = dnnl::convolution_backward_data(data);
  s.u_data = std::make_unique<Port>(s.engine, our_y, data.diff_dst_desc());
  s.w_data = std::make_unique<Port>(s.engine, our_w, data.weights_desc());
  s.x_data = std::make_unique<Port>(s.engine, our_x, data.diff_src_desc());
  const dnnl::convolution_backward_weights::primitive_desc weights(
      {direct,
       any(x),
       {w, memory::data_type::f32, memory::format_tag::any},
       b,
       any(y),
       strides,
       dilation,
       before,
       after},
      s.engine, forward);
  s.backward_weights = dnnl::convolution_backward_weights(weights);
  s.x_weights = std::make_unique<Port>(s.engine, our_x, weights.src_desc());
  s.u_weights = std::make_unique<Port>(s.engine, our_y, weights.diff_dst_desc());
  s.w_weights = std::make_unique<Port>(s.engine, our_w, weights.diff_weights_desc());
  s.one_x = forward.src_desc() == weights.src_desc();
  s.one_u = data.diff_dst_desc() == weights.diff_dst_desc();
  s.bias = VectorOf<float>::Zero(out_channels);
  s.bias_memory = memory(b, s.engine, s.bias.data());
  s.patches = FloatMatrix::Zero(rows * std::min(out_pixels, kPatchesPerSample), padded(cols));
}

ConvolutionPass::~ConvolutionPass() = default;

void ConvolutionPass::forward(const FloatRef& x, const FloatRef& weights, FloatOut y) {
  const OnThisThread alone;
  State& s = *state_;
  s.bias = weights.col(weights.cols() - 1);
  s.has_u = false;
  const memory kernel = s.w_known ? s.w_forward->last() : s.w_forward->read(s.stream, weights.data());
  s.w_known = s.fixed;
  s.forward.execute(s.stream, Arguments{{DNNL_ARG_SRC, s.x_forward->read(s.stream, x.data())},
                                        {DNNL_ARG_WEIGHTS, kernel},
                                        {DNNL_ARG_BIAS, s.bias_memory},
                                        {DNNL_ARG_DST, s.y_forward->target(y.data(), false)}});
  s.y_forward->write(s.stream, y.data(), false);
}

void ConvolutionPass::backward_weights(const FloatRef& x, const FloatRef& cotangent, FloatOut gradient, bool add) {
  const OnThisThread alone;
  State& s = *state_;
  const memory seen = s.one_x ? s.x_forward->last() : s.x_weights->read(s.stream, x.data());
  s.backward_weights.execute(s.stream, Arguments{{DNNL_ARG_SRC, seen},
                                                 {DNNL_ARG_DIFF_DST, s.u_weights->read(s.stream, cotangent.data())},
                                                 {DNNL_ARG_DIFF_WEIGHTS, s.w_weights->target(gradient.data(), add)},
                                                 {DNNL_ARG_DIFF_BIAS, s.bias_memory}});
  s.has_u = s.one_u;
  s.w_weights->write(s.stream, gradient.data(), add);
  if (add) {
    gradient.col(gradient.cols() - 1) += s.bias;
  } else {
    gradient.col(gradient.cols() - 1) = s.bias;
  }
}

void ConvolutionPass::backward_data(const FloatRef& cotangent, const FloatRef& weights, FloatOut into, bool add) {
  const OnThisThread alone;
  State& s = *state_;
  const memory kernel = s.w_transposed_known ? s.w_data->last() : s.w_data->read(s.stream, weights.data());
  s.w_transposed_known = s.fixed;
  s.backward_data.execute(s.stream, Arguments{{DNNL_ARG_DIFF_DST, s.has_u ? s.u_weights->last()
                                                                          : s.u_data->read(s.stream, cotangent.data())},
                                              {DNNL_ARG_WEIGHTS, kernel},
                                              {DNNL_ARG_DIFF_SRC, s.x_data->target(into.data(), add)}});
  s.x_data->write(s.stream, into.data(), add);
}

void ConvolutionPass::gram(const FloatRef& x, const FloatOut& gram) {
  State& s = *state_;
  const Window& w = s.window;
  const Index positions = w.out_height() * w.out_width();
  const Index count = s.patches.rows() / s.rows;
  for (Index n = 0; n < s.rows; ++n) {
    for (Index k = 0; k < count; ++k) {
      const Index position = (2 * k + 1) * positions / (2 * count);
      const Index top = position / w.out_width() * w.stride_height - w.pad_top;
      const Index left = position % w.out_width() * w.stride_width - w.pad_left;
      float* out = s.patches.row(n * count + k).data();
      for (Index c = 0; c < w.channels; ++c) {
        const float* const plane = x.row(n).data() + c * w.height * w.width;
        for (Index i = 0; i < w.kernel_height; ++i) {
          const Index row = top + i * w.dilation_height;
          for (Index j = 0; j < w.kernel_width; ++j, ++out) {
            const Index col = left + j * w.dilation_width;
            const bool inside = row >= 0 && row < w.height && col >= 0 && col < w.width;
            *out = inside ? plane[row * w.width + col] : 0;
          }
        }
      }
      *out = 1;
    }
  }
  const FloatRef patches = s.patches.leftCols(gram.cols());
  gemm(patches, Transpose::kYes, patches, Transpose::kNo, gram);
}

}  // namespace unrect
