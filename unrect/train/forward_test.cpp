#include "unrect/train/internal/forward.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

constexpr Index kHeight = 7, kWidth = 9, kImage = kHeight * kWidth;

// Against the network in double, several inputs in turn: nothing of an earlier one may be left.
void check(const Network& network, std::uint64_t seed, const std::string& what = {}) {
  for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
    Forward forward(network, products);
    for (std::uint64_t k = 0; k < 3; ++k) {
      const FloatVector x = Rng(seed).split(k).normal_vector(network.input_size()).cast<float>();
      const Vector expected = evaluate(network, x.cast<double>());
      const Vector error = forward(x).cast<double>() - expected;
      // Bfloat16 rounds by 2⁻⁹ at most; a few layers of it, added at random.
      EXPECT_LT(error.norm(), (products == Products::kFloat32 ? 1e-5 : 0.03) * (1 + expected.norm())) << what;
    }
  }
}

void check_build(NetworkBuilder& builder, int output, std::uint64_t seed, const std::string& what = {}) {
  check(std::move(builder).build(output), seed, what);
}

TEST(Forward, IsTheNetwork) {
  check(random_chain({5, 20, 17, 3}, Rng(1)), 10);
  check(random_residual(3, 12, 4, Rng(3)), 11);
  check(random_residual(4, 9, 2, Rng(4)), 12);
}

TEST(Forward, ThroughEveryOp) {
  NetworkBuilder b({4});
  Rng rng(5);
  const auto dense = [&](Index out, Index in) { return Dense{rng.normal_matrix(out, in), rng.normal_vector(out)}; };
  const int scaled = b.add(Scale{rng.normal_vector(4), rng.normal_vector(4)}, {0}, "scale");
  const int left = b.add(dense(6, 4), {scaled}, "left");
  const int leaky = b.add(leaky_relu(0.25), {left}, "leaky");
  const int picked = b.add(Select{{5, 0, -1, 0, 3}, Vector{{0, 0, 2, 0, 0}}}, {leaky}, "select");
  const int joined = b.add(Concat{}, {picked, left, scaled}, "concat");
  const int hidden = b.add(dense(5, 15), {joined}, "hidden");
  b.add(dense(3, 5), {hidden}, "read by nobody");
  const int top = b.add(Maximum{2, {0, 1, 2, 3, 4, -1}}, {hidden}, "max");
  const int one = b.add(dense(3, 5), {b.add(clip(-1, 1), {hidden}, "clip")}, "one");
  check_build(b, b.add(Sum{{1.0, -0.5}}, {one, top}, "sum"), 20);
}

// Images of kHeight × kWidth, in 3 × 3 convolutions.
class ImageBuilder : public NetworkBuilder {
 public:
  explicit ImageBuilder(Index channels) : NetworkBuilder({channels, kHeight, kWidth}) {}

  int conv(int from, Index out, Index kernel = 3) {
    Convolution conv;
    conv.window = {.channels = size(from) / kImage,
                   .height = kHeight,
                   .width = kWidth,
                   .kernel_height = kernel,
                   .kernel_width = kernel,
                   .pad_top = kernel / 2,
                   .pad_left = kernel / 2,
                   .pad_bottom = kernel / 2,
                   .pad_right = kernel / 2};
    conv.kernel = rng_.normal_matrix(out, conv.window.channels * kernel * kernel) /
                  std::sqrt(static_cast<double>(conv.window.channels * kernel * kernel));
    conv.bias = rng_.normal_vector(out);
    return add(conv, {from}, "conv");
  }
  int bent(int from) { return add(relu(), {from}, "relu"); }
  int sum(int a, int b, double factor = 1) { return add(Sum{{1, factor}}, {a, b}, "sum"); }
  int joined(const std::vector<int>& parts) { return add(Concat{}, parts, "concat"); }

 private:
  Rng rng_{77};
};

TEST(Forward, ShortcutsKeepWhatIsStillRead) {
  {
    ImageBuilder b(2);  // the usual block, and one more reader of the sum
    const int t = b.conv(0, 5), s = b.sum(t, b.conv(b.bent(b.conv(t, 5)), 5)), h = b.bent(s);
    check_build(b, b.joined({b.conv(h, 3), b.conv(s, 2)}), 30, "two readers of a sum");
  }
  {
    ImageBuilder b(2);  // t is read after its sum: it must not be overwritten
    const int t = b.conv(0, 5), s = b.sum(t, b.conv(b.bent(b.conv(t, 5)), 5));
    check_build(b, b.joined({b.conv(s, 3), b.conv(t, 2)}), 31, "a shortcut read later");
  }
  {
    ImageBuilder b(2);  // the output is the shortcut itself
    const int t = b.conv(0, 5);
    b.conv(b.sum(t, b.conv(t, 5)), 2);
    check_build(b, t, 32, "the output in the middle");
  }
  {
    ImageBuilder b(2);  // other sums
    const int t = b.conv(0, 5), u = b.conv(t, 5);
    const int three = b.add(Sum{{1, 1, 1}}, {t, u, b.conv(u, 5)}, "three");
    check_build(b, b.conv(b.sum(three, b.conv(b.sum(t, t), 5), -0.5), 4), 33, "sums of other kinds");
  }
  {
    ImageBuilder b(3);  // the addend is the input, which stands plainly
    check_build(b, b.bent(b.sum(b.conv(0, 3), 0)), 34, "a sum with the input");
  }
  {
    ImageBuilder b(2);  // two convolutions into one sum: one of them is the addend
    const int x = b.conv(0, 4), y = b.conv(0, 4);
    check_build(b, b.conv(b.bent(b.sum(x, y)), 3), 35, "a sum of two");
  }
  {
    ImageBuilder b(2);  // a rectified value is not what its sum reads
    const int t = b.conv(0, 4), h = b.bent(t), u = b.conv(h, 4);
    check_build(b, b.conv(b.sum(t, u), 3), 36, "around a ReLU");
  }
}

TEST(Forward, PartsOfAConcatenationAreReadWhereTheyStand) {
  {
    ImageBuilder b(3);
    const int h = b.bent(b.conv(0, 8));
    check_build(b, b.conv(b.joined({0, b.conv(h, 1, 1), h, 0}), 4), 40, "plain ones and pixels");
  }
  {
    ImageBuilder b(3);  // also read as a whole
    const int h = b.bent(b.conv(0, 8)), both = b.joined({h, 0});
    check_build(b, b.joined({b.conv(both, 4), both}), 41, "a concatenation with two kinds of readers");
  }
  {
    ImageBuilder b(3);  // parts that are no whole channels
    const int part = b.add(Select{{0, 1, 2}, Vector::Zero(3)}, {0}, "select");
    std::vector<Index> rest(static_cast<std::size_t>(2 * kImage - 3), 5);
    const int other = b.add(Select{rest, Vector::Zero(2 * kImage - 3)}, {0}, "select");
    check_build(b, b.conv(b.joined({part, other}), 4), 42, "parts of channels");
  }
}

TEST(Forward, ConvolutionsOfEveryKind) {
  ImageBuilder b(4);
  Rng rng(9);
  Convolution odd;
  odd.window = {.channels = 4,
                .height = kHeight,
                .width = kWidth,
                .kernel_height = 3,
                .kernel_width = 2,
                .stride_height = 2,
                .stride_width = 1,
                .dilation_height = 2,
                .dilation_width = 3,
                .pad_top = 2,
                .pad_left = 0,
                .pad_bottom = 1,
                .pad_right = 3};
  odd.kernel = rng.normal_matrix(5, 24);
  odd.bias = rng.normal_vector(5);
  Convolution grouped;
  grouped.window = {.channels = 4, .height = kHeight, .width = kWidth, .kernel_height = 3, .kernel_width = 3};
  grouped.groups = 2;
  grouped.kernel = rng.normal_matrix(6, 18);
  grouped.bias = rng.normal_vector(6);
  const int one = b.add(odd, {0}, "odd"), two = b.add(grouped, {b.conv(0, 4)}, "grouped");
  check_build(b, b.joined({b.bent(one), two}), 50);
}

TEST(Forward, ConcatenationsOfConcatenations) {
  ImageBuilder b(2);
  const int h = b.bent(b.conv(0, 5));
  check_build(b, b.conv(b.joined({b.joined({0, h}), b.joined({h, b.joined({0, 0})})}), 3), 51);
}

TEST(Forward, RefusesOtherInputs) {
  Forward forward(random_chain({5, 8, 3}, Rng(1)));
  EXPECT_THROW(forward(FloatVector::Zero(4)), Error);
}

}  // namespace
}  // namespace unrect
