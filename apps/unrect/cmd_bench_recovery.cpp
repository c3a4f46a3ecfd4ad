// unrect bench recovery: trained networks beside what needs no training, over a whole test set.
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "ensemble.hpp"
#include "montage.hpp"
#include "training_data.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/lmmse.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

constexpr Index kShown = 6;

struct Row {
  std::string decoder;
  double error = 0;  // mean ‖x − x̂‖²
  Index signals = 0;
  double seconds = 0;  // of a processor, a signal
  Matrix first;        // what the first signals became, a row each
};

struct Command {
  DataRequest data;
  std::vector<std::filesystem::path> networks;
  Index sparse = 200;
  double lambda = 0.01;
  std::filesystem::path picture, first;
  bool json = false;

  void run() const;
  void draw(const Samples& test, const std::vector<Row>& rows, Index side) const;
};

template <class Decode>
Row scored(std::string name, const Samples& test, const Decode& decode) {
  const std::clock_t start = std::clock();
  const Matrix found = decode(Matrix(test.inputs.cast<double>()));
  const auto count = static_cast<double>(test.size());
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return {std::move(name), (found - test.targets.cast<double>()).squaredNorm() / count, test.size(), seconds / count,
          found.topRows(std::min(kShown, test.size()))};
}

Matrix codes_of(const Matrix& dictionary, const Matrix& y, double lambda) {
  const std::vector<SparseResult> results =
      lasso_rows(LinearOperator(dictionary), y, {.lambda = lambda, .continuation = 5, .tolerance = 1e-4});
  Matrix codes(y.rows(), dictionary.cols());
  for (Index i = 0; i < y.rows(); ++i) codes.row(i) = results[static_cast<std::size_t>(i)].x.transpose();
  return codes;
}

AffineDecoder affine(const TrainingData& sets, Index side) {
  const Matrix x = sets.train.targets.cast<double>();
  BlockStatistics statistics{x.colwise().mean().transpose(), {}, x.rows()};
  const Matrix centred = x.rowwise() - statistics.mean.transpose();
  statistics.covariance = centred.transpose() * centred / static_cast<double>(x.rows());
  return lmmse(sets.sensing, statistics, side, side);
}

void Command::run() const {
  require_place(picture, {".png", ".svg"}, "--picture");
  require_place(first, {".npy"}, "--first");
  const TrainingData sets = read_training_data(data);
  UNRECT_REQUIRE(!sets.images, ErrorCode::kInvalidArgument, "--data {}: images; unrect bench sensing scores those",
                 data.data);
  const Matrix& phi = sets.sensing;
  const Index pixels = phi.cols(), side = block_side(pixels);
  UNRECT_REQUIRE(side >= 1, ErrorCode::kInvalidArgument, "--data {}: signals of {} values; expected square pictures",
                 data.data, pixels);
  const Samples& test = sets.test;
  std::vector<Row> rows{scored("zero", test, [&](const Matrix& y) { return Matrix(Matrix::Zero(y.rows(), pixels)); })};
  if (sparse > 0) {
    const Index count = std::min(sparse, test.size());
    const Samples few{test.inputs.topRows(count), test.targets.topRows(count)};
    rows.push_back(scored("lasso, pixels", few, [&](const Matrix& y) { return codes_of(phi, y, lambda); }));
    const LinearOperator dct = dct_2d(side, side);
    rows.push_back(scored("lasso, DCT", few, [&](const Matrix& y) {
      return Matrix(dct.adjoint_rows(codes_of(dct.apply_rows(phi), y, lambda)));
    }));
  }
  const AffineDecoder best_affine = affine(sets, side);
  rows.push_back(scored("lmmse", test, [&](const Matrix& y) { return best_affine.decode(phi, y); }));
  const auto answers = [&](const std::string& name, const std::vector<std::filesystem::path>& files) {
    const Ensemble ensemble(files, phi, "--net");
    rows.push_back(
        scored(name, test, [&](const Matrix& y) { return Matrix(ensemble(y.cast<float>()).cast<double>()); }));
  };
  for (const std::filesystem::path& file : networks) answers(file.filename().string(), {file});
  if (networks.size() > 1) answers("mean of networks", networks);
  if (!picture.empty()) draw(test, rows, side);
  if (!first.empty()) write_npy(first, Array::from(Vector(test.inputs.row(0).cast<double>().transpose())));
  if (json) {
    nlohmann::ordered_json result{{"measurements", phi.rows()}, {"pixels", pixels}};
    for (const Row& row : rows)
      result["decoders"].push_back({{"decoder", row.decoder},
                                    {"squared_error", row.error},
                                    {"signals", row.signals},
                                    {"seconds_per_signal", row.seconds}});
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  Table table;
  table.caption = fmt::format("{} measurements of {} pixels", phi.rows(), pixels);
  table.header = {"decoder", "mean ‖x − x̂‖²", "signals", "seconds a signal"};
  for (const Row& row : rows)
    table.rows.push_back({row.decoder, fmt::format("{:.3f}", row.error), std::to_string(row.signals),
                          fmt::format("{:.2g}", row.seconds)});
  fmt::print("{}", to_text(table));
}

void Command::draw(const Samples& test, const std::vector<Row>& rows, Index side) const {
  const auto square = [&](const auto& row) {
    const Vector pixels = row.template cast<double>().transpose();
    return Image(Eigen::Map<const Matrix>(pixels.data(), side, side));
  };
  Index count = kShown;
  for (const Row& row : rows) count = std::min(count, row.first.rows());
  std::vector<MontageRow> shown;
  for (Index i = 0; i < count; ++i) {
    MontageRow& line = shown.emplace_back(MontageRow{fmt::format("{}", i), square(test.targets.row(i)), {}});
    for (const Row& row : rows) line.found.push_back(square(row.first.row(i)));
  }
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.decoder);
  montage(shown, names, fmt::format("from {} of {} numbers", test.inputs.cols(), side * side)).save(picture);
}

}  // namespace

void add_bench_recovery(CLI::App& bench) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = bench.add_subcommand("recovery", "Score networks of unrect train --task recovery on the test set");
  verb->add_option("--data", command->data.data, "a folder with MNIST, x.npy or digits: as it was for train")
      ->required();
  verb->add_option("--measurements", command->data.measurements, "rows of Φ, drawn from N(0, 1/m)");
  verb->add_option("--phi", command->data.phi, "Φ itself, m × n, .npy")->excludes("--measurements");
  verb->add_option("--samples", command->data.samples, "training samples, as they were for train");
  add_seed(*verb, command->data.seed, "seed of Φ and of what is held out");
  verb->add_option("--net", command->networks, "networks from y to x; of several their mean, too")->delimiter(',');
  verb->add_option("--sparse", command->sparse, "ℓ1 decoders: the first so many test signals; 0 for none")
      ->capture_default_str()
      ->check(not_negative());
  verb->add_option("--lambda", command->lambda, "λ of ½‖y − Ac‖² + λ‖c‖₁")->capture_default_str()->check(positive());
  verb->add_option("--picture", command->picture, "draw the first test signals and their recoveries: .png or .svg");
  verb->add_option("--first", command->first, "write the first test signal's measurements: .npy");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Examples:\n"
      "  unrect bench recovery --data mnist --measurements 25 --seed 1 --net mnist-25.onnx");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
