// unrect bench recovery: trained networks beside what needs no training, over a whole test set.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "montage.hpp"
#include "picture_files.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/recipes/ensemble.hpp"
#include "unrect/recipes/training_data.hpp"
#include "unrect/sensing/lmmse.hpp"
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

// A signal of `width` values, or a picture of more than one row.
struct Extents {
  Index height = 1, width = 0;

  bool picture() const { return height > 1; }
  std::string text() const {
    return picture() ? fmt::format("{} × {} pixels", height, width) : fmt::format("{} values", width);
  }
};

struct Command {
  DataRequest data;
  std::vector<std::filesystem::path> networks;
  Index sparse = 200;
  double lambda = 0.01;
  std::vector<Index> shape;  // height, width of pictures in flat rows
  PictureName picture;
  std::filesystem::path first;
  bool json = false;

  void run(const CLI::App& verb) const;
  Extents extents_of(const TrainingData& sets) const;
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

AffineDecoder affine(const TrainingData& sets) {
  const Matrix x = sets.train.targets.cast<double>();
  BlockStatistics statistics{x.colwise().mean().transpose(), {}, x.rows()};
  const Matrix centred = x.rowwise() - statistics.mean.transpose();
  statistics.covariance = centred.transpose() * centred / static_cast<double>(x.rows());
  return lmmse(sets.sensing, statistics);
}

// What --shape says, else what the data's array is: rows of numbers are signals, whatever their number.
Extents Command::extents_of(const TrainingData& sets) const {
  const Index values = sets.sensing.cols();
  if (!shape.empty()) {
    UNRECT_REQUIRE(shape.size() == 2 && shape[0] * shape[1] == values, ErrorCode::kInvalidArgument,
                   "--shape {}: expected HEIGHT,WIDTH of pictures of {} pixels, as {} has them", fmt::join(shape, ","),
                   values, data.data);
    return {shape[0], shape[1]};
  }
  const bool pictures = sets.extents.size() == 2 && sets.extents[0] > 1 && sets.extents[1] > 1;
  return pictures ? Extents{sets.extents[0], sets.extents[1]} : Extents{1, values};
}

Figure pictures_of(const Samples& test, const std::vector<Row>& rows, Index count, Extents size) {
  const auto picture = [&](const auto& row) {
    const Vector pixels = row.template cast<double>().transpose();
    return Image(Eigen::Map<const Matrix>(pixels.data(), size.height, size.width));
  };
  std::vector<MontageRow> shown;
  for (Index i = 0; i < count; ++i) {
    MontageRow& line = shown.emplace_back(MontageRow{fmt::format("{}", i), picture(test.targets.row(i)), {}});
    for (const Row& row : rows) line.found.push_back(picture(row.first.row(i)));
  }
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.decoder);
  return montage(shown, names, fmt::format("from {} of {} numbers", test.inputs.cols(), test.targets.cols()));
}

// Signals one above the other, each in a strip of its own, and what became of them on the same scale.
Figure signals_of(const Samples& test, const std::vector<Row>& rows, Index count) {
  const Index values = test.targets.cols();
  const Matrix truth = test.targets.topRows(count).cast<double>();
  FigureOptions options;
  options.title = fmt::format("signals, from {} of {} numbers", test.inputs.cols(), values);
  options.x = {.label = "entry"};
  options.y = {.label = "signal", .grid = false};
  options.width = 900;
  options.height = static_cast<int>(140 + 110 * count);
  for (Index i = 0; i < count; ++i) options.y.ticks.push_back({-static_cast<double>(i), fmt::format("{}", i)});
  Figure figure(options);
  const auto line = [&](const Vector& signal, Index i, const LineStyle& style) {
    const double size = std::max(truth.row(i).maxCoeff() - truth.row(i).minCoeff(), 1e-300);
    const double middle = (truth.row(i).maxCoeff() + truth.row(i).minCoeff()) / 2;
    Matrix points(std::max<Index>(values, 2), 2);
    for (Index j = 0; j < points.rows(); ++j) {
      const double y = 0.8 * (signal[std::min(j, values - 1)] - middle) / size;
      points.row(j) << static_cast<double>(j), std::clamp(y, -0.48, 0.48) - static_cast<double>(i);
    }
    figure.polyline(points, style);
  };
  for (Index i = 0; i < count; ++i) {
    line(truth.row(i).transpose(), i, {.color = kMuted, .width = 3.2, .name = i == 0 ? "signal" : ""});
    for (std::size_t k = 1; k < rows.size(); ++k) {  // the first row is the zero answer
      line(rows[k].first.row(i).transpose(), i,
           {.color = categorical(static_cast<Index>(k) - 1), .width = 1.2, .name = i == 0 ? rows[k].decoder : ""});
    }
  }
  return figure;
}

void Command::run(const CLI::App& verb) const {
  require_used(verb, {{"--lambda", sparse > 0, "ℓ1 decoders, not with --sparse 0"}});
  picture.require_place("--picture");
  require_place(first, {".npy"}, "--first");
  const TrainingData sets = read_training_data(data);
  UNRECT_REQUIRE(!sets.images, ErrorCode::kInvalidArgument, "--data {}: images; unrect bench sensing scores those",
                 data.data);
  const Matrix& phi = sets.sensing;
  const Index values = phi.cols();
  const Extents size = extents_of(sets);
  const Samples& test = sets.test;
  std::vector<Row> rows{scored("zero", test, [&](const Matrix& y) { return Matrix(Matrix::Zero(y.rows(), values)); })};
  if (sparse > 0) {
    const Index count = std::min(sparse, test.size());
    const Samples few{test.inputs.topRows(count), test.targets.topRows(count)};
    rows.push_back(scored(size.picture() ? "lasso, pixels" : "lasso, values", few,
                          [&](const Matrix& y) { return codes_of(phi, y, lambda); }));
    const LinearOperator transform = size.picture() ? dct_2d(size.height, size.width) : dct(values);
    rows.push_back(scored("lasso, DCT", few, [&](const Matrix& y) {
      return Matrix(transform.adjoint_rows(codes_of(transform.apply_rows(phi), y, lambda)));
    }));
  }
  const AffineDecoder best_affine = affine(sets);
  rows.push_back(scored("lmmse", test, [&](const Matrix& y) { return best_affine.decode(phi, y); }));
  const auto answers = [&](const std::string& name, const std::vector<std::filesystem::path>& files) {
    const Ensemble ensemble(files, phi);
    rows.push_back(
        scored(name, test, [&](const Matrix& y) { return Matrix(ensemble(y.cast<float>()).cast<double>()); }));
  };
  for (const std::filesystem::path& file : networks) answers(file.filename().string(), {file});
  if (networks.size() > 1) answers("mean of networks", networks);
  if (!picture.empty()) {
    Index count = kShown;
    for (const Row& row : rows) count = std::min(count, row.first.rows());
    picture.save(size.picture() ? pictures_of(test, rows, count, size) : signals_of(test, rows, count));
  }
  if (!first.empty()) write_npy(first, Array::from(Vector(test.inputs.row(0).cast<double>().transpose())));
  if (json) {
    nlohmann::ordered_json result{{"measurements", phi.rows()}, {"values", values}};
    result["shape"] = size.picture() ? std::vector<Index>{size.height, size.width} : std::vector<Index>{size.width};
    for (const Row& row : rows)
      result["decoders"].push_back({{"decoder", row.decoder},
                                    {"squared_error", row.error},
                                    {"signals", row.signals},
                                    {"seconds_per_signal", row.seconds}});
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  Table table;
  table.caption = fmt::format("{} measurements of {}", phi.rows(), size.text());
  table.header = {"decoder", "mean ‖x − x̂‖²", "signals", "seconds a signal"};
  for (const Row& row : rows)
    table.rows.push_back({row.decoder, fmt::format("{:.3f}", row.error), std::to_string(row.signals),
                          fmt::format("{:.2g}", row.seconds)});
  fmt::print("{}", to_text(table));
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
  verb->add_option("--shape", command->shape,
                   "HEIGHT,WIDTH: rows of a file are pictures (default: as its array is; rows of numbers are signals)")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  add_picture(*verb, "--picture", command->picture, "draw the first test signals and their recoveries");
  verb->add_option("--first", command->first, "write the first test signal's measurements: .npy");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Examples:\n"
      "  unrect bench recovery --data mnist --measurements 25 --seed 1 --net mnist-25.onnx");
  verb->callback([command, verb] { command->run(*verb); });
}

}  // namespace unrect::cli
