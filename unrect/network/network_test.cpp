#include "unrect/network/network.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/network/internal/kernels.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

// y(o, oy, ox) = b(o) + Σ K(o, c, ky, kx) x(c, iy, ix), straight from the definition.
Vector convolve_by_definition(const Convolution& conv, const Vector& x) {
  const Window& w = conv.window;
  const Index outs = conv.kernel.rows(), in_group = w.channels / conv.groups;
  Vector y(outs * w.out_height() * w.out_width());
  Index next = 0;
  for (Index o = 0; o < outs; ++o) {
    for (Index oy = 0; oy < w.out_height(); ++oy) {
      for (Index ox = 0; ox < w.out_width(); ++ox) {
        double sum = conv.bias[o];
        for (Index c = 0; c < in_group; ++c) {
          for (Index ky = 0; ky < w.kernel_height; ++ky) {
            for (Index kx = 0; kx < w.kernel_width; ++kx) {
              const Index iy = oy * w.stride_height + ky * w.dilation_height - w.pad_top;
              const Index ix = ox * w.stride_width + kx * w.dilation_width - w.pad_left;
              if (iy < 0 || iy >= w.height || ix < 0 || ix >= w.width) continue;
              const Index channel = o / (outs / conv.groups) * in_group + c;
              sum += conv.kernel(o, (c * w.kernel_height + ky) * w.kernel_width + kx) *
                     x[(channel * w.height + iy) * w.width + ix];
            }
          }
        }
        y[next++] = sum;
      }
    }
  }
  return y;
}

Convolution random_convolution(Rng& rng) {
  Convolution conv;
  Window& w = conv.window;
  conv.groups = 1 + rng.below(2);
  w.channels = conv.groups * (1 + rng.below(3));
  w.kernel_height = 1 + rng.below(3);
  w.kernel_width = 1 + rng.below(3);
  w.dilation_height = 1 + rng.below(2);
  w.dilation_width = 1 + rng.below(2);
  w.stride_height = 1 + rng.below(3);
  w.stride_width = 1 + rng.below(3);
  w.height = w.dilation_height * (w.kernel_height - 1) + 1 + rng.below(5);
  w.width = w.dilation_width * (w.kernel_width - 1) + 1 + rng.below(5);
  w.pad_top = rng.below(4);
  w.pad_left = rng.below(4);
  w.pad_bottom = rng.below(4);
  w.pad_right = rng.below(4);
  conv.kernel =
      rng.normal_matrix(conv.groups * (1 + rng.below(3)), w.channels / conv.groups * w.kernel_height * w.kernel_width);
  conv.bias = rng.normal_vector(conv.kernel.rows());
  return conv;
}

TEST(Convolution, AgreesWithItsDefinition) {
  Rng rng(1);
  for (int trial = 0; trial < 300; ++trial) {
    const Convolution conv = random_convolution(rng);
    const Index in = conv.window.channels * conv.window.height * conv.window.width;
    const Matrix x = rng.normal_matrix(2, in);
    const Matrix* const inputs[] = {&x};
    const Matrix y = value<double>(Op{conv}, inputs);
    for (Index n = 0; n < 2; ++n) {
      const Vector expected = convolve_by_definition(conv, x.row(n));
      ASSERT_EQ(y.cols(), expected.size());
      EXPECT_LT((y.row(n).transpose() - expected).cwiseAbs().maxCoeff(), 1e-12) << "trial " << trial;
    }
  }
}

// A window whose patches are gathered band by band: 40 channels of 61 × 130 pixels, so that bands differ in height and
// those at the edges read beyond the image.
Convolution large_convolution(Rng& rng, Index groups, Index stride) {
  Convolution conv;
  conv.groups = groups;
  conv.window = {.channels = 40,
                 .height = 61,
                 .width = 130,
                 .kernel_height = 3,
                 .kernel_width = 3,
                 .stride_height = stride,
                 .stride_width = stride,
                 .pad_top = 2,
                 .pad_left = 1,
                 .pad_bottom = 2,
                 .pad_right = 1};
  conv.kernel = rng.normal_matrix(2 * groups, 40 / groups * 9);
  conv.bias = rng.normal_vector(2 * groups);
  return conv;
}

TEST(Convolution, LargeImagesInBandsAgreeWithItsDefinition) {
  Rng rng(3);
  for (const Index groups : {1, 2}) {
    for (const Index stride : {1, 2}) {
      const Convolution conv = large_convolution(rng, groups, stride);
      const Matrix x = rng.normal_matrix(2, 40 * 61 * 130);
      const Matrix* const inputs[] = {&x};
      const Matrix y = value<double>(Op{conv}, inputs);
      for (Index n = 0; n < 2; ++n) {
        EXPECT_LT((y.row(n).transpose() - convolve_by_definition(conv, x.row(n))).cwiseAbs().maxCoeff(), 1e-11);
      }
      const Matrix linear = linear_part<double>(Op{conv}, inputs);
      const Matrix u = rng.normal_matrix(2, linear.cols());
      Matrix back = Matrix::Zero(2, x.cols());
      Matrix* const outputs[] = {&back};
      add_adjoint<double>(Op{conv}, u, outputs);
      const double there = u.cwiseProduct(linear).sum(), here = back.cwiseProduct(x).sum();
      EXPECT_NEAR(there, here, 1e-12 * u.norm() * linear.norm());
    }
  }
}

// Each product of a large image once had the system hand out and clear a patch matrix of its own.
TEST(Convolution, LargeImagesTakeNoPagesForTheirPatches) {
  Rng rng(4);
  Convolution conv;
  conv.window = {.channels = 32,
                 .height = 160,
                 .width = 160,
                 .kernel_height = 3,
                 .kernel_width = 3,
                 .pad_top = 1,
                 .pad_left = 1,
                 .pad_bottom = 1,
                 .pad_right = 1};
  conv.kernel = rng.normal_matrix(1, 32 * 9);
  conv.bias = Vector::Zero(1);
  const Matrix x = rng.normal_matrix(1, 32 * 160 * 160);
  const auto faults = [] {
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  const long before = faults();
  const Matrix* const inputs[] = {&x};
  const Matrix y = linear_part<double>(Op{conv}, inputs);
  Matrix back = Matrix::Zero(1, x.cols());
  Matrix* const outputs[] = {&back};
  add_adjoint<double>(Op{conv}, y, outputs);
  const long patch_pages = 32 * 9 * 160 * 160 * 8 / ::sysconf(_SC_PAGESIZE);
  EXPECT_LT(faults() - before, patch_pages / 2);
}

// ⟨u, L v⟩ = ⟨Lᵀ u, v⟩ for every affine node.
TEST(Kernels, AdjointsAreAdjoint) {
  Rng rng(2);
  std::vector<std::pair<Op, std::vector<Index>>> cases;
  for (int k = 0; k < 50; ++k) {
    const Convolution conv = random_convolution(rng);
    cases.push_back({conv, {conv.window.channels * conv.window.height * conv.window.width}});
  }
  cases.push_back({Dense{rng.normal_matrix(3, 5), rng.normal_vector(3)}, {5}});
  cases.push_back({Scale{rng.normal_vector(4), rng.normal_vector(4)}, {4}});
  cases.push_back({Select{{2, -1, 0, 2}, rng.normal_vector(4)}, {3}});
  cases.push_back({Sum{{1, -2, 0.5}}, {4, 4, 4}});
  cases.push_back({Concat{}, {2, 3, 1}});
  for (const auto& [op, sizes] : cases) {
    std::vector<Matrix> in, back;
    std::vector<const Matrix*> in_pointers;
    std::vector<Matrix*> back_pointers;
    for (const Index size : sizes) {
      in.push_back(rng.normal_matrix(2, size));
      back.push_back(Matrix::Zero(2, size));
    }
    for (std::size_t k = 0; k < in.size(); ++k) {
      in_pointers.push_back(&in[k]);
      back_pointers.push_back(&back[k]);
    }
    const Matrix y = linear_part<double>(op, in_pointers);
    ASSERT_EQ(y.cols(), output_size(op, sizes));
    const Matrix u = rng.normal_matrix(y.rows(), y.cols());
    add_adjoint<double>(op, u, back_pointers);
    double right = 0;
    for (std::size_t k = 0; k < in.size(); ++k) right += in[k].cwiseProduct(back[k]).sum();
    EXPECT_NEAR(u.cwiseProduct(y).sum(), right, 1e-10) << name_of(op);
  }
}

// A kind without a case, and a case for any kind, do not compile.
template <class Kind>
using WithAnother = std::variant<Dense, Maximum, Kind>;
constexpr auto kOne = [](const Dense&) { return 1; };
constexpr auto kTwo = [](const Maximum&) { return 2; };
constexpr auto kAny = [](const auto&) { return 3; };
template <class Op, class... Cases>
concept Compiles = requires(const Op& op, Cases... cases) { by_kind(op, cases...); };
static_assert(Compiles<std::variant<Dense, Maximum>, decltype(kOne), decltype(kTwo)>);
static_assert(!Compiles<WithAnother<Concat>, decltype(kOne), decltype(kTwo)>);
static_assert(!Compiles<WithAnother<Concat>, decltype(kOne), decltype(kTwo), decltype(kAny)>);
static_assert(Compiles<WithAnother<Concat>, decltype(kTwo), decltype(alike<Dense, Concat>(kAny))>);
static_assert(!Compiles<WithAnother<int>, decltype(kTwo), decltype(alike<Dense, Concat>(kAny))>);

TEST(Kernels, ByKindCallsTheCaseOfTheKind) {
  EXPECT_EQ(by_kind(std::variant<Dense, Maximum>(Maximum{}), kOne, kTwo), 2);
  EXPECT_EQ(by_kind(WithAnother<Concat>(Concat{}), kTwo, alike<Dense, Concat>(kAny)), 3);
}

TEST(Kernels, NodesWithPiecesHaveNoLinearPartAndOthersNoPieces) {
  const Matrix x = Matrix::Ones(1, 2);
  Matrix back = Matrix::Zero(1, 2);
  const Matrix* const in[] = {&x};
  Matrix* const out[] = {&back};
  for (const Op& op : {Op(relu()), Op(Maximum{1, {0, 1}})}) {
    EXPECT_TRUE(is_piecewise(op));
    EXPECT_THROW(linear_part<double>(op, in), Error);
    EXPECT_THROW(add_adjoint<double>(op, x, out), Error);
    EXPECT_EQ(pieces_at<double>(op, std::span(x.data(), 2)).size(), 2U);
  }
  for (const Op& op :
       {Op(Input{2}), Op(Dense{Matrix::Ones(2, 2), Vector::Zero(2)}), Op(Convolution{}),
        Op(Scale{Vector::Ones(2), Vector::Zero(2)}), Op(Select{{0, 1}, Vector::Zero(2)}), Op(Sum{{1}}), Op(Concat{})}) {
    EXPECT_FALSE(is_piecewise(op)) << name_of(op);
    EXPECT_THROW(pieces_at<double>(op, std::span(x.data(), 2)), Error) << name_of(op);
  }
}

TEST(Piecewise, FunctionsHaveTheirTextbookValues) {
  const auto at = [](const Piecewise& f, double z) {
    const Index p = f.piece(0, z);
    return f.slopes(0, p) * z + f.offsets(0, p);
  };
  for (const double z : {-3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.0}) {
    EXPECT_DOUBLE_EQ(at(relu(), z), std::max(z, 0.0));
    EXPECT_DOUBLE_EQ(at(leaky_relu(0.1), z), z < 0 ? 0.1 * z : z);
    EXPECT_DOUBLE_EQ(at(clip(-1, 2), z), std::clamp(z, -1.0, 2.0));
    EXPECT_DOUBLE_EQ(at(clip(-1, std::numeric_limits<double>::infinity()), z), std::max(z, -1.0));
    EXPECT_DOUBLE_EQ(at(clip(-std::numeric_limits<double>::infinity(), 1), z), std::min(z, 1.0));
    EXPECT_DOUBLE_EQ(at(absolute(), z), std::abs(z));
    EXPECT_DOUBLE_EQ(at(hard_sigmoid(0.2, 0.5), z), std::clamp(0.2 * z + 0.5, 0.0, 1.0));
    EXPECT_DOUBLE_EQ(at(soft_threshold(0.5), z), std::copysign(std::max(std::abs(z) - 0.5, 0.0), z));
  }
}

TEST(Network, ChainComputesTheRecursion) {
  Rng rng(3);
  const Matrix w1 = rng.normal_matrix(4, 3), w2 = rng.normal_matrix(2, 4);
  const Vector b1 = rng.normal_vector(4), b2 = rng.normal_vector(2), x = rng.normal_vector(3);
  const Network network = Network::chain({w1, w2}, {b1, b2});
  const Vector expected = w2 * (w1 * x + b1).cwiseMax(0) + b2;
  EXPECT_LT((evaluate(network, x) - expected).norm(), 1e-14);
  EXPECT_EQ(network.units(), 4);
  EXPECT_EQ(network.parameters(), 12 + 4 + 8 + 2);
}

TEST(Network, BatchesAndFloatAgreeWithSingleSamples) {
  Rng rng(4);
  const Network network = random_residual(2, 8, 5, rng.split(1));
  const Matrix x = rng.normal_matrix(7, network.input_size());
  const Matrix y = Evaluator<double>(network)(x);
  const MatrixOf<float> yf = Evaluator<float>(network)(x.cast<float>());
  for (Index n = 0; n < x.rows(); ++n) {
    const Vector one = evaluate(network, x.row(n).transpose());
    EXPECT_LT((one.transpose() - y.row(n)).norm(), 1e-12);
    EXPECT_LT((yf.row(n).cast<double>() - y.row(n)).norm(), 1e-5 * (1 + y.row(n).norm()));
  }
}

TEST(Network, SaysWhichNodeIsWrong) {
  NetworkBuilder builder(Shape{3});
  try {
    builder.add(Dense{Matrix::Zero(2, 4), Vector::Zero(2)}, {0}, "first");
    FAIL() << "a 2×4 matrix was applied to 3 inputs";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(), "node 1 'first' (Dense): weight is 2×4, expected 3 columns for an input of 3");
  }
  EXPECT_THROW(builder.add(relu(), {5}), Error);
  Matrix nan = Matrix::Zero(2, 3);
  nan(1, 1) = std::nan("");
  EXPECT_THROW(builder.add(Dense{nan, Vector::Zero(2)}, {0}), Error);
  EXPECT_THROW(Network::chain({}, {}), Error);
  EXPECT_THROW(evaluate(Network::chain({Matrix::Zero(1, 2)}, {Vector::Zero(1)}), Vector::Zero(3)), Error);
}

TEST(Fold, KeepsTheFunctionAndDropsNodes) {
  Rng rng(5);
  NetworkBuilder builder(Shape{1, 6, 6});
  int x = builder.add(Scale{Vector::Constant(36, 2), Vector::Zero(36)}, {0}, "normalise");
  Convolution conv;
  conv.window = {1, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  conv.kernel = rng.normal_matrix(2, 9);
  conv.bias = rng.normal_vector(2);
  x = builder.add(conv, {x}, "conv");
  Vector factor(72), shift(72);
  for (Index i = 0; i < 72; ++i) {
    factor[i] = i < 36 ? 0.5 : -3;
    shift[i] = i < 36 ? 1 : 2;
  }
  x = builder.add(Scale{factor, shift}, {x}, "batch_norm");
  x = builder.add(relu(), {x}, "relu");
  Select transpose{{}, Vector::Zero(72)};
  for (Index p = 0; p < 36; ++p) {
    for (Index c = 0; c < 2; ++c) transpose.index.push_back(c * 36 + p);
  }
  x = builder.add(transpose, {x}, "transpose");
  x = builder.add(Dense{rng.normal_matrix(5, 72), rng.normal_vector(5)}, {x}, "W");
  x = builder.add(Dense{rng.normal_matrix(4, 5), rng.normal_vector(4)}, {x}, "V");
  builder.add(relu(), {x}, "dead");
  x = builder.add(Scale{rng.normal_vector(4), rng.normal_vector(4)}, {x}, "out");
  const Network network = std::move(builder).build(x);
  const Network folded = fold(network);
  EXPECT_EQ(folded.nodes().size(), 4u);  // input, convolution, relu, matrix
  EXPECT_EQ(folded.layers().size(), 1u);
  const Matrix samples = rng.normal_matrix(20, 36);
  const Matrix before = Evaluator<double>(network)(samples), after = Evaluator<double>(folded)(samples);
  EXPECT_LT((before - after).cwiseAbs().maxCoeff(), 1e-12 * before.cwiseAbs().maxCoeff());
}

TEST(Fold, AMaximumReadsThroughASelection) {
  NetworkBuilder builder(Shape{3});
  const int copies = builder.add(Select{{2, 0, 0, 1}, Vector::Zero(4)}, {0});
  const int largest = builder.add(Maximum{2, {0, 1, 1, 2}}, {copies});
  const Network network = std::move(builder).build(largest);
  const Network folded = fold(network);
  ASSERT_EQ(folded.nodes().size(), 2u);
  EXPECT_EQ(std::get<Maximum>(*folded.node(1).op).index, (std::vector<Index>{2, 0, 0, -1}));
  const Vector x = Eigen::Vector3d(1, 2, 3);
  EXPECT_EQ(evaluate(network, x), evaluate(folded, x));
}

// Two roundings of the numbers that meet at a break are no jump; a gap of 10⁻¹⁰ is.
TEST(Piecewise, AJumpIsOneHoweverSmall) {
  const auto with_gap = [](double gap) {
    NetworkBuilder builder(Shape{1});
    Piecewise f = parametric_relu(Vector{{0.5}});
    f.breaks(0, 0) = 1.0 / 3;
    f.offsets(0, 0) = 1.0 / 6;
    f.offsets(0, 1) = gap;
    f.slopes(0, 1) = 1;
    return std::move(builder).build(builder.add(f, {0}));
  };
  EXPECT_NO_THROW(with_gap(0));
  EXPECT_NO_THROW(with_gap(0x1p-54));
  EXPECT_THROW(with_gap(1e-10), Error);
  EXPECT_THROW(with_gap(-1e-14), Error);
}

TEST(Network, RefusesEmptyValuesAndMaximaPast16Bits) {
  EXPECT_THROW(Network::chain({Matrix::Zero(0, 3), Matrix::Zero(2, 0)}, {Vector::Zero(0), Vector::Zero(2)}), Error);
  NetworkBuilder builder(Shape{70000});
  EXPECT_THROW(builder.add(Maximum{70000, std::vector<Index>(70000, 0)}, {0}), Error);
}

TEST(Fold, ASumOfMatricesOfOneInputIsAMatrix) {
  Rng rng(6);
  NetworkBuilder builder(Shape{3});
  const int a = builder.add(Dense{rng.normal_matrix(2, 3), rng.normal_vector(2)}, {0});
  const int b = builder.add(Dense{rng.normal_matrix(2, 3), rng.normal_vector(2)}, {0});
  const int sum = builder.add(Sum{{1, -1}}, {a, b});
  const Network network = std::move(builder).build(sum);
  const Network folded = fold(network);
  EXPECT_EQ(folded.nodes().size(), 2u);
  const Vector x = rng.normal_vector(3);
  EXPECT_LT((evaluate(network, x) - evaluate(folded, x)).norm(), 1e-14);
}

TEST(Fold, EqualMatricesAreHeldOnce) {
  Rng rng(7);
  const Matrix w = rng.normal_matrix(3, 3);
  const Vector b = rng.normal_vector(3);
  const Network folded = fold(Network::chain({w, w, w}, {b, b, b}));
  EXPECT_EQ(folded.parameters(), 12);
}

}  // namespace
}  // namespace unrect
