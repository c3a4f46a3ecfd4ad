// Convolutions and pooling, against loops over their definition.
#include <gtest/gtest.h>

#include <cmath>

#include "unrect/network/internal/onnx_model_for_tests.hpp"

namespace unrect::onnx_tests {
namespace {

struct WindowCase {
  Index height, width, kernel_height, kernel_width, stride, dilation;
  Ints pads;  // top, left, bottom, right
};

/// Calls f(output row, output column, list of (kernel place, input pixel or −1)).
template <class F>
void for_windows(const WindowCase& c, Index rows, Index cols, const F& f) {
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      std::vector<Index> pixels;
      for (Index u = 0; u < c.kernel_height; ++u) {
        for (Index v = 0; v < c.kernel_width; ++v) {
          const Index r = i * c.stride + u * c.dilation - c.pads[0], s = j * c.stride + v * c.dilation - c.pads[1];
          pixels.push_back(r < 0 || s < 0 || r >= c.height || s >= c.width ? -1 : r * c.width + s);
        }
      }
      f(pixels);
    }
  }
}

Index out_extent(Index in, Index pads, Index kernel, Index dilation, Index stride) {
  return (in + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

const std::vector<WindowCase> kWindows = {{4, 5, 3, 2, 1, 1, {0, 0, 0, 0}},
                                          {5, 4, 2, 2, 2, 1, {1, 0, 0, 1}},
                                          {6, 6, 2, 3, 1, 2, {1, 1, 1, 1}},
                                          {3, 3, 1, 1, 3, 1, {0, 0, 0, 0}}};

std::vector<Attribute> attributes_of(const WindowCase& c) {
  return {{"kernel_shape", Ints{c.kernel_height, c.kernel_width}},
          {"strides", Ints{c.stride, c.stride}},
          {"dilations", Ints{c.dilation, c.dilation}},
          {"pads", c.pads}};
}

TEST(OnnxWindow, ConvolutionInGroupsAndBatches) {
  for (const WindowCase& c : kWindows) {
    for (const Index groups : {1, 2}) {
      for (const Index batch : {1, 3}) {
        const Index channels = 4, filters = 6, area = c.height * c.width, taps = c.kernel_height * c.kernel_width;
        const Index rows = out_extent(c.height, c.pads[0] + c.pads[2], c.kernel_height, c.dilation, c.stride);
        const Index cols = out_extent(c.width, c.pads[1] + c.pads[3], c.kernel_width, c.dilation, c.stride);
        const Reals x = counting(batch * channels * area, -20), w = counting(filters * channels / groups * taps, -9);
        const Reals b = counting(filters);
        Reals want;
        for (Index n = 0; n < batch; ++n) {
          for (Index f = 0; f < filters; ++f) {
            for_windows(c, rows, cols, [&](const std::vector<Index>& pixels) {
              double sum = b[static_cast<std::size_t>(f)];
              const Index each = channels / groups, first = f / (filters / groups) * each;
              for (Index k = 0; k < each; ++k) {
                for (Index t = 0; t < taps; ++t) {
                  const Index pixel = pixels[static_cast<std::size_t>(t)];
                  if (pixel < 0) continue;
                  sum += w[static_cast<std::size_t>((f * each + k) * taps + t)] *
                         x[static_cast<std::size_t>((n * channels + first + k) * area + pixel)];
                }
              }
              want.push_back(sum);
            });
          }
        }
        std::vector<Attribute> attributes = attributes_of(c);
        attributes.emplace_back("group", std::int64_t{groups});
        Model model = Model().input("x", {batch, channels, c.height, c.width}).constant("b", {filters}, b);
        model.constant("w", {filters, channels / groups, c.kernel_height, c.kernel_width}, w);
        expect_near(run(model.node("Conv", {"x", "w", "b"}, {"y"}, attributes).output(), x), want);
      }
    }
  }
}

TEST(OnnxWindow, PoolingOverTheInputAlone) {
  for (const WindowCase& c : kWindows) {
    const Index area = c.height * c.width, channels = 2;
    const Index rows = out_extent(c.height, c.pads[0] + c.pads[2], c.kernel_height, c.dilation, c.stride);
    const Index cols = out_extent(c.width, c.pads[1] + c.pads[3], c.kernel_width, c.dilation, c.stride);
    Reals x = counting(channels * area);
    for (double& v : x) v = std::sin(3 * v);
    Reals largest, means, padded_means;
    for (Index k = 0; k < channels; ++k) {
      for_windows(c, rows, cols, [&](const std::vector<Index>& pixels) {
        double best = -HUGE_VAL, sum = 0, count = 0;
        for (const Index p : pixels) {
          if (p < 0) continue;
          best = std::max(best, x[static_cast<std::size_t>(k * area + p)]);
          sum += x[static_cast<std::size_t>(k * area + p)];
          ++count;
        }
        largest.push_back(best);
        means.push_back(sum / count);
        padded_means.push_back(sum / static_cast<double>(pixels.size()));
      });
    }
    const Ints shape = {1, channels, c.height, c.width};
    std::vector<Attribute> attributes = attributes_of(c);
    expect_near(run(single("MaxPool", shape, attributes), x), largest);
    expect_near(run(single("AveragePool", shape, attributes, 19), x), means);
    const Attribute with_pads("count_include_pad", 1);
    attributes.push_back(with_pads);
    expect_near(run(single("AveragePool", shape, attributes, 19), x), padded_means);
  }
}

TEST(OnnxWindow, CeilModeDoesNotStartInThePadding) {
  // Over [1 5 2 | 0 0]: a second window would start at the first pad.
  const std::vector<Attribute> padded = {
      {"kernel_shape", Ints{2}}, {"strides", Ints{3}}, {"pads", Ints{0, 2}}, {"ceil_mode", 1}};
  expect_near(run(single("MaxPool", {1, 1, 3}, padded), {1, 5, 2}), {5});
  // What hangs over the pads counts nowhere: 2 / 1 at the end of [1 5 2], and (2 + 0) / 2 with a pad there.
  std::vector<Attribute> mean = {
      {"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", 1}, {"count_include_pad", 1}};
  expect_near(run(single("AveragePool", {1, 1, 3}, mean), {1, 5, 2}), {3, 2});
  mean.push_back({"pads", Ints{0, 1}});
  expect_near(run(single("AveragePool", {1, 1, 3}, mean), {1, 5, 2}), {3, 1});
}

TEST(OnnxWindow, CeilModeHangsOverTheEnd) {
  const std::vector<Attribute> attributes = {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", 1}};
  expect_near(run(single("MaxPool", {1, 1, 5}, attributes), {1, 5, 2, 4, 3}), {5, 4, 3});
  expect_near(run(single("AveragePool", {1, 1, 5}, attributes), {1, 5, 2, 4, 3}), {3, 3, 3});
  // A window that would start behind the input is none.
  std::vector<Attribute> padded = attributes;
  padded.emplace_back("pads", Ints{0, 1});
  expect_near(run(single("MaxPool", {1, 1, 4}, padded), {1, 5, 2, 4}), {5, 4});
}

TEST(OnnxWindow, AutoPad) {
  const auto y = [](const char* mode) {
    Model model = Model().input("x", {1, 1, 4}).constant("w", {1, 1, 2}, {1, 10});
    return run(model.node("Conv", {"x", "w"}, {"y"}, {{"auto_pad", mode}}).output(), {1, 2, 3, 4});
  };
  expect_near(y("SAME_UPPER"), {21, 32, 43, 4});
  expect_near(y("SAME_LOWER"), {10, 21, 32, 43});
  expect_near(y("VALID"), {21, 32, 43});
}

TEST(OnnxWindow, PoolingOverThreeAxes) {
  expect_near(run(single("MaxPool", {1, 1, 2, 2, 2}, {{"kernel_shape", Ints{2, 1, 2}}}), counting(8)), {6, 8});
  EXPECT_NE(refusal(single("AveragePool", {1, 1, 2, 2, 2}, {{"kernel_shape", Ints{2, 1, 2}}}), kUnsupported)
                .find("3 spatial axes"),
            std::string::npos);
}

TEST(OnnxWindow, GlobalPooling) {
  expect_near(run(single("GlobalAveragePool", {1, 2, 1, 3}), counting(6)), {2, 5});
  expect_near(run(single("GlobalMaxPool", {1, 2, 1, 3}), counting(6)), {3, 6});
}

TEST(OnnxWindow, ConvTransposeScattersItsInput) {
  for (const Index groups : {1, 2}) {
    const Index channels = 2, each = 2, in = 3, kernel = 2, stride = 2, dilation = 2, before = 1, after = 0, extra = 1;
    const Index full = stride * (in - 1) + dilation * (kernel - 1) + 1 + extra, out = full - before - after;
    const Reals x = counting(channels * in), w = counting(channels * each * kernel, -3), b = counting(groups * each);
    Reals want;
    for (Index m = 0; m < groups * each; ++m) want.insert(want.end(), static_cast<std::size_t>(out), b[m]);
    for (Index c = 0; c < channels; ++c) {
      for (Index i = 0; i < in; ++i) {
        for (Index m = 0; m < each; ++m) {
          for (Index t = 0; t < kernel; ++t) {
            const Index to = i * stride + t * dilation - before, filter = c / (channels / groups) * each + m;
            if (to < 0 || to >= out) continue;
            want[static_cast<std::size_t>(filter * out + to)] +=
                x[static_cast<std::size_t>(c * in + i)] * w[static_cast<std::size_t>((c * each + m) * kernel + t)];
          }
        }
      }
    }
    Model model = Model().input("x", {1, channels, in}).constant("w", {channels, each, kernel}, w);
    model.constant("b", {groups * each}, b);
    model.node("ConvTranspose", {"x", "w", "b"}, {"y"},
               {{"strides", Ints{stride}},
                {"dilations", Ints{dilation}},
                {"pads", Ints{before, after}},
                {"output_padding", Ints{extra}},
                {"group", std::int64_t{groups}}});
    expect_near(run(model.output(), x), want);
  }
}

TEST(OnnxWindow, ConvTransposeToAWantedShape) {
  Model model = Model().input("x", {1, 1, 2}).constant("w", {1, 1, 3}, {1, 1, 1});
  model.node("ConvTranspose", {"x", "w"}, {"y"}, {{"strides", Ints{2}}, {"output_shape", Ints{4}}}).output();
  expect_near(run(model, {1, 10}), {1, 11, 10, 10});
}

TEST(OnnxWindow, BadWindowsAreRefused) {
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{5}}}), kFormat).find("a kernel of 5"),
            std::string::npos);
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{2}}, {"strides", Ints{0}}}), kFormat)
                .find("strides holds 0"),
            std::string::npos);
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{2, 2}}}), kFormat).find("kernel_shape"),
            std::string::npos);
  EXPECT_NE(refusal(single("AveragePool", {1, 1, 3}, {{"kernel_shape", Ints{1}}, {"pads", Ints{2, 0}}}), kFormat)
                .find("in the padding"),
            std::string::npos);
  Model chained = Model().input("x", {1, 3, 4, 4}).constant("w", {2, 2, 1, 1}, counting(4));
  EXPECT_EQ(refusal(chained.node("Conv", {"x", "w"}, {"y"}).output(), kFormat),
            "node 'the_Conv' (Conv): weights of shape [2, 2, 1, 1] for an input of shape [1, 3, 4, 4] in 1 groups");
}

}  // namespace
}  // namespace unrect::onnx_tests
