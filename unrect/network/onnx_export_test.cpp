#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <set>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/internal/random_graph_for_tests.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {
namespace {

using std::filesystem::path;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Matrix samples(Index rows, Index cols, std::uint64_t seed = 1) {
  Rng rng(seed);
  Matrix x(rows, cols);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = 2 * rng.normal();
  return x;
}

Network again(const Network& network, bool fold = true) {
  ImportOptions options;
  options.fold = fold;
  return parse_onnx(format_onnx(network, ExportPrecision::kFloat64), "export", options);
}

/// Written in double and read back, the network is the same function.
void expect_round_trip(const Network& network, double tolerance = 0) {
  const Matrix x = samples(50, network.input_size());
  const Matrix y = Evaluator<double>(network)(x);
  for (const bool fold : {false, true}) {
    const Network back = again(network, fold);
    EXPECT_EQ(back.input_shape(), network.input_shape());
    EXPECT_EQ(back.output_shape(), network.output_shape());
    EXPECT_EQ(back.widths(), network.widths());
    EXPECT_LE((Evaluator<double>(back)(x) - y).cwiseAbs().maxCoeff(), (fold ? 1e-13 : 0) + tolerance);
  }
}

/// x → op → y.
Network unary(Op op, Index inputs) {
  NetworkBuilder builder(Shape{inputs});
  const int node = builder.add(std::move(op), {0}, "it");
  return std::move(builder).build(node);
}

/// The op types of the file.
std::vector<std::string> ops_of(const Network& network, ExportPrecision precision = ExportPrecision::kFloat64) {
  const onnx::ModelProto model = onnx::parse_model(format_onnx(network, precision));
  std::vector<std::string> ops;
  for (const onnx::NodeProto& node : model.graph->node) ops.push_back(node.op_type);
  return ops;
}

TEST(OnnxExport, FullyConnectedNetworksComeBackExactly) {
  const Network network = random_chain({3, 8, 8, 2}, Rng(7));
  expect_round_trip(network);
  EXPECT_EQ(again(network).parameters(), network.parameters());
  EXPECT_EQ(ops_of(network), (std::vector<std::string>{"Gemm", "Relu", "Gemm", "Relu", "Gemm", "Identity"}));
}

TEST(OnnxExport, ResidualConvolutionalNetworksComeBack) { expect_round_trip(random_residual(2, 8, 3, Rng(3)), 1e-12); }

TEST(OnnxExport, EightBitsAreAQuarterOfTheBytesAndNearlyTheSameNetwork) {
  Network network = random_residual(3, 16, 400, Rng(3));
  const std::string wide = format_onnx(network, ExportPrecision::kFloat32);
  const std::string narrow = format_onnx(network, ExportPrecision::kInt8);
  EXPECT_LT(narrow.size(), 0.35 * static_cast<double>(wide.size()));
  const Network back = parse_onnx(narrow, "narrow");
  const Matrix x = samples(50, network.input_size());
  const Matrix y = Evaluator<double>(network)(x), z = Evaluator<double>(back)(x);
  EXPECT_LT((z - y).norm(), 0.02 * y.norm());
  EXPECT_GT((z - y).norm(), 0);
  // Every weight is within half a step of what it was, the largest of a row exact.
  Matrix weight(2, 3);
  weight << 1.27, -0.634, 0.006, 0, 0, 0;
  const Network rows = parse_onnx(
      format_onnx(unary(Dense{weight, Vector::Constant(2, 0.1)}, 3), ExportPrecision::kInt8), "rows", {.fold = false});
  const auto& kept = std::get<Dense>(*rows.node(1).op);
  EXPECT_LE((kept.weight - weight).cwiseAbs().maxCoeff(), 0.005 + 1e-6);
  EXPECT_NEAR(kept.weight(0, 0), 1.27, 1e-6);
  EXPECT_TRUE(kept.weight.row(1).isZero(0));
  weight(1, 1) = 1e-46;  // no float32
  EXPECT_NO_THROW(format_onnx(unary(Dense{weight, Vector::Zero(2)}, 3), ExportPrecision::kInt8));
  weight(1, 1) = 1e39;
  EXPECT_THROW(format_onnx(unary(Dense{weight, Vector::Zero(2)}, 3), ExportPrecision::kInt8), Error);
}

TEST(OnnxExport, PiecewiseOpsKeepTheirNames) {
  const Index n = 6;
  const Vector slopes = Vector::LinSpaced(n, -1, 0.9);
  // The ops in float32 and in float64, where onnxruntime lacks LeakyRelu, PRelu, HardSigmoid and Shrink.
  const auto expect_ops = [&](const Piecewise& f, const std::string& single, const std::string& wide) {
    const Network network = unary(f, n);
    expect_round_trip(network, 1e-15);
    EXPECT_EQ(fmt::format("{}", fmt::join(ops_of(network, ExportPrecision::kFloat32), " ")), single + " Identity");
    EXPECT_EQ(fmt::format("{}", fmt::join(ops_of(network), " ")), wide + " Identity");
  };
  expect_ops(relu(), "Relu", "Relu");
  expect_ops(absolute(), "Abs", "Abs");
  expect_ops(leaky_relu(0.01), "LeakyRelu", "Mul Max");
  expect_ops(leaky_relu(1.5), "LeakyRelu", "Mul Min");
  expect_ops(parametric_relu(slopes), "PRelu", "Mul Max");
  expect_ops(clip(-0.3, 0.7), "Clip", "Clip");
  expect_ops(clip(0.1, kInfinity), "Max", "Max");
  expect_ops(clip(-kInfinity, 0.1), "Min", "Min");
  expect_ops(hard_sigmoid(0.25, 0.5), "HardSigmoid", "Mul Add Clip");
  expect_ops(soft_threshold(0.5), "Shrink", "Clip Sub");
  // One node of the same slopes comes back, whichever way it was written.
  for (const Piecewise& f : {leaky_relu(0.01), leaky_relu(1.5), parametric_relu(slopes)}) {
    const Network back = again(unary(f, n));
    const auto& own = std::get<Piecewise>(*back.node(1).op);
    EXPECT_EQ(own.kind, f.kind);
    EXPECT_EQ(own.slopes, f.slopes);
    EXPECT_EQ(own.breaks, f.breaks);
  }
}

/// Every name of the file, by what it names.
void expect_names_of_their_own(const std::string& bytes) {
  const onnx::ModelProto model = onnx::parse_model(bytes);
  std::set<std::string> nodes, values{"input"};
  for (const onnx::TensorProto& tensor : model.graph->initializer) {
    EXPECT_TRUE(values.insert(tensor.name).second) << tensor.name;
  }
  for (const onnx::NodeProto& node : model.graph->node) {
    EXPECT_TRUE(nodes.insert(node.name).second) << node.name;
    for (const std::string& input : node.input) EXPECT_TRUE(values.contains(input)) << input;
    for (const std::string& value : node.output) EXPECT_TRUE(values.insert(value).second) << value;
  }
  for (const auto* names : {&nodes, &values}) {
    for (const std::string& name : *names) {
      EXPECT_FALSE(name.empty());
      EXPECT_TRUE(std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; })) << name;
    }
  }
}

TEST(OnnxExport, EveryNameIsThereOnce) {
  // Names that are alike, or like those of values, parameters and copies; and two nodes of shared parameters.
  NetworkBuilder builder(Shape{2, 3});
  int last = 0;
  const auto matrix = std::make_shared<const Op>(Dense{Matrix::Constant(6, 6, 0.1), Vector::Ones(6)});
  for (const char* name : {"a", "a", "a_2", "a.W", "input", "output", "", "größe\n", "a_2"}) {
    last = builder.add(matrix, {last}, name);
    last = builder.add(Dense{Matrix::Constant(6, 6, 0.2), Vector::Ones(6)}, {last}, name);
    last = builder.add(Select{{0, 1, 2, 3, 4, -1}, Vector::Ones(6)}, {last}, name);
    last = builder.add(hard_sigmoid(0.3, 0.45), {last}, name);
  }
  const Network network = std::move(builder).build(last, Shape{3, 2});
  for (const ExportPrecision precision :
       {ExportPrecision::kFloat64, ExportPrecision::kFloat32, ExportPrecision::kInt8}) {
    expect_names_of_their_own(format_onnx(network, precision));
  }
  expect_round_trip(network, 1e-12);
}

TEST(OnnxExport, NamesStayAsTheyAreOverManyExports) {
  const Network network = random_residual(2, 8, 3, Rng(3));
  const auto names = [](const Network& net) {
    std::vector<std::string> all;
    for (const Node& node : net.nodes()) all.push_back(node.name);
    return all;
  };
  const Network back = again(network);
  EXPECT_EQ(names(back), names(network));
  EXPECT_EQ(format_onnx(again(back), ExportPrecision::kFloat64), format_onnx(back, ExportPrecision::kFloat64));
}

TEST(OnnxExport, PointwiseConvolutionsAreProductsInDoubleAndComeBack) {
  for (const Index groups : {1, 2}) {
    Convolution conv;
    conv.window = {4, 2, 3};
    conv.groups = groups;
    conv.kernel = samples(6, 4 / groups);
    conv.bias = samples(6, 1);
    const Network network = unary(conv, 24);
    expect_round_trip(network, 1e-14);
    EXPECT_EQ(ops_of(network), (std::vector<std::string>{"Reshape", "MatMul", "Add", "Flatten", "Identity"}));
    EXPECT_EQ(ops_of(network, ExportPrecision::kFloat32).at(1), "Conv");
    const Network back = again(network);
    ASSERT_EQ(back.nodes().size(), 2U);
    const auto& own = std::get<Convolution>(*back.node(1).op);
    EXPECT_EQ(own.groups, groups);
    EXPECT_EQ(own.kernel, conv.kernel);
    EXPECT_EQ(own.bias, conv.bias);
  }
}

TEST(OnnxExport, OtherPiecewiseFunctionsBecomeSumsOfRelus) {
  // |z| to the left of 1, then 3 z − 2, and per unit a hat with its break elsewhere.
  const Index n = 4;
  Matrix breaks(1, 2), slopes(1, 3), offsets(1, 3);
  breaks << 0, 1;
  slopes << -1, 1, 3;
  offsets << 0, 0, -2;
  const Matrix x = samples(40, n);
  for (const Piecewise& f : {Piecewise{"Bent", breaks, slopes, offsets}}) {
    const Network network = unary(f, n), back = again(network);
    EXPECT_LE((Evaluator<double>(back)(x) - Evaluator<double>(network)(x)).cwiseAbs().maxCoeff(), 1e-13) << f.kind;
    EXPECT_EQ(back.units(), 2 * n);
  }
  Piecewise rows{"Bent", Matrix(n, 1), Matrix(n, 2), Matrix(n, 2)};
  for (Index i = 0; i < n; ++i) {
    const double t = 0.5 * static_cast<double>(i);
    rows.breaks(i, 0) = t;
    rows.slopes.row(i) << 2, -1;
    rows.offsets.row(i) << 1, 1 + 3 * t;
  }
  const Network network = unary(rows, n);
  EXPECT_LE((Evaluator<double>(again(network))(x) - Evaluator<double>(network)(x)).cwiseAbs().maxCoeff(), 1e-13);
}

TEST(OnnxExport, SelectionsWithAndWithoutFill) {
  expect_round_trip(unary(Select{{2, 0, 0, 1}, Vector::Zero(4)}, 3));
  Vector fill = Vector::Zero(4);
  fill << 0, 0.5, 0, -3;
  expect_round_trip(unary(Select{{2, -1, -1, -1}, fill}, 3));
  expect_round_trip(unary(Select{{-1, -1}, Vector::Constant(2, 0.1)}, 3));
}

TEST(OnnxExport, ASelectionOfValuesOfDifferentSizes) {
  // The column of the fill is after the last one of either.
  const auto both = std::make_shared<const Op>(Select{{1, -1, 0}, Vector::Unit(3, 1) * 0.5});
  NetworkBuilder builder(Shape{3});
  const int wide = builder.add(Concat{}, {0, 0});
  const int one = builder.add(both, {0}), other = builder.add(both, {wide});
  const int last = builder.add(Concat{}, {one, other});
  expect_round_trip(std::move(builder).build(last));
}

TEST(OnnxExport, SumsConcatenationsScalesAndMaxima) {
  NetworkBuilder builder(Shape{2, 3});
  const Vector factor = Vector::LinSpaced(6, -1, 1.5), shift = Vector::LinSpaced(6, 0.1, 2);
  const int scaled = builder.add(Scale{factor, shift}, {0}, "scale");
  const int total = builder.add(Sum{{-1, 0.3, 1}}, {scaled, 0, scaled}, "sum");
  const int both = builder.add(Concat{}, {total, 0}, "both");
  const int largest = builder.add(Maximum{3, {0, 7, -1, 3, -1, 11}}, {both}, "max");
  expect_round_trip(std::move(builder).build(largest, Shape{2, 1}));
}

TEST(OnnxExport, AnyNetworkComesBack) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const Network network = random_graph(seed);
    const Matrix x = samples(10, network.input_size());
    const Matrix y = Evaluator<double>(network)(x);
    const double size = 1 + y.cwiseAbs().maxCoeff();
    for (const bool fold : {false, true}) {
      EXPECT_LE((Evaluator<double>(again(network, fold))(x) - y).cwiseAbs().maxCoeff(), 1e-12 * size);
    }
    for (const ExportPrecision precision :
         {ExportPrecision::kFloat64, ExportPrecision::kFloat32, ExportPrecision::kInt8}) {
      expect_names_of_their_own(format_onnx(network, precision));
    }
  }
}

TEST(OnnxExport, SharedParametersAreWrittenOnce) {
  NetworkBuilder builder(Shape{20});
  int last = 0;
  for (int i = 0; i < 5; ++i) {
    last = builder.add(Dense{Matrix::Constant(20, 20, 0.05), Vector::Ones(20)}, {last});
    last = builder.add(relu(), {last});
  }
  const Network network = std::move(builder).build(last);
  ImportOptions options;
  const Network shared = parse_onnx(format_onnx(network, ExportPrecision::kFloat64), "export", options);
  EXPECT_LT(format_onnx(shared, ExportPrecision::kFloat64).size(),
            format_onnx(network, ExportPrecision::kFloat64).size() / 3);
  expect_round_trip(shared);
}

TEST(OnnxExport, NodesKeepTheirNames) {
  const Network back = again(unary(relu(), 2), false);
  EXPECT_EQ(back.nodes().back().name, "it");
}

TEST(OnnxExport, FloatFilesHoldFloats) {
  const Network network = random_chain({3, 8, 2}, Rng(1));  // its weights are representable in float32
  const std::string bytes = format_onnx(network, ExportPrecision::kFloat32);
  const Network back = parse_onnx(bytes, "export");
  const Matrix x = samples(20, 3);
  EXPECT_EQ(Evaluator<double>(back)(x), Evaluator<double>(network)(x));
  EXPECT_LT(bytes.size(), format_onnx(network, ExportPrecision::kFloat64).size());
  const Network large = unary(Scale{Vector::Constant(2, 1e300), Vector::Zero(2)}, 2);
  EXPECT_THROW(format_onnx(large, ExportPrecision::kFloat32), Error);
  expect_round_trip(large, 1e290);
}

TEST(OnnxExport, IsReadByOnnxAndEvaluatedAlikeByTheReference) {
  const path folder = std::filesystem::temp_directory_path() / fmt::format("unrect_export_test_{}", ::getpid());
  std::filesystem::create_directories(folder);
  const path script = path(__FILE__).parent_path() / "../../tools/reference_forward.py";
  const std::vector<Network> networks = {random_chain({3, 8, 8, 2}, Rng(7)), random_residual(2, 8, 3, Rng(3)),
                                         unary(hard_sigmoid(0.3, 0.45), 4), unary(clip(-0.3, 0.7), 4)};
  for (const Network& network : networks) {
    const Matrix x = samples(10, network.input_size());
    write_network(folder / "net.onnx", network);
    write_npy(folder / "x.npy", Array::from(x));
    const std::string check = "import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)";
    ASSERT_EQ(
        std::system(fmt::format("/usr/bin/python3 -c '{1}' '{0}/net.onnx' && /usr/bin/python3 '{2}' '{0}/net.onnx' "
                                "'{0}/x.npy' '{0}/y.npy' --double",
                                folder.string(), check, script.string())
                        .c_str()),
        0)
        << "needs /usr/bin/python3 with numpy and onnx";
    const Matrix y = read_npy(folder / "y.npy").to_matrix("y");
    EXPECT_LE((y - Evaluator<double>(network)(x)).cwiseAbs().maxCoeff(), 1e-12 * (1 + y.cwiseAbs().maxCoeff()));
  }
  std::filesystem::remove_all(folder);
}

// ---- files by extension, and chains in .npz

class NetworkFile : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  path folder_ = std::filesystem::temp_directory_path() / fmt::format("unrect_network_file_test_{}", ::getpid());
};

std::string failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_F(NetworkFile, ChainsComeBackFromNpzAndOnnx) {
  const Network network = random_chain({2, 5, 4, 3}, Rng(2));
  const Matrix x = samples(20, 2);
  for (const char* name : {"n.npz", "n.onnx"}) {
    write_network(folder_ / name, network);
    EXPECT_EQ(Evaluator<double>(read_network(folder_ / name))(x), Evaluator<double>(network)(x)) << name;
  }
  const ArrayMap arrays = read_npz(folder_ / "n.npz");
  EXPECT_EQ(arrays.size(), 6U);
  EXPECT_EQ(arrays.at("W1").shape, (std::vector<Index>{4, 5}));
  EXPECT_EQ(arrays.at("b2").shape, (std::vector<Index>{3}));
}

TEST_F(NetworkFile, NpzHoldsChainsOnly) {
  const std::string message = failure([&] { write_network(folder_ / "n.npz", unary(absolute(), 2)); });
  EXPECT_NE(message.find("node 'it' (Abs): an .npz holds fully connected ReLU networks only"), std::string::npos);
  EXPECT_NE(failure([&] { write_network(folder_ / "n.npz", unary(relu(), 2)); }).find("(Relu)"), std::string::npos);
}

TEST_F(NetworkFile, OtherExtensionsAreRefused) {
  EXPECT_NE(failure([&] { read_network("net.pb"); }).find("extension '.pb', expected .onnx or .npz"),
            std::string::npos);
  EXPECT_NE(failure([&] { write_network("net.pb", unary(relu(), 1)); }).find("expected .onnx"), std::string::npos);
  EXPECT_NE(failure([&] { read_network(folder_ / "none.onnx"); }).find("cannot open"), std::string::npos);
}

TEST_F(NetworkFile, NpzArraysThatAreNoChain) {
  const Array w = Array::from(Matrix(Matrix::Ones(2, 3))), b = Array::from(Vector(Vector::Ones(2)));
  const auto message = [](const ArrayMap& arrays) {
    return failure([&] { parse_npz_network(format_npz(arrays), "n.npz"); });
  };
  EXPECT_EQ(message({{"W0", w}}), "n.npz: expected the 1 arrays to be W0, b0, W1, b1, …, but W0 or b0 is missing");
  EXPECT_NE(message({{"W0", w}, {"b0", b}, {"other", b}}).find("W1 or b1 is missing"), std::string::npos);
  EXPECT_NE(message({{"W0", b}, {"b0", b}}).find("W0 has 1 axes and b0 1, expected 2 and 1"), std::string::npos);
  EXPECT_NE(message({{"W0", w}, {"b0", b}, {"W1", w}, {"b1", b}}).find("n.npz: "), std::string::npos);
  EXPECT_EQ(message({}), "n.npz: no arrays, expected W0, b0, W1, b1, …");
}

}  // namespace
}  // namespace unrect
