// unrect signal lista: a network that finds sparse codes, trained on pairs, beside what it was unrolled from.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "progress.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/lista.hpp"
#include "unrect/signal/sensing_operator.hpp"
#include "unrect/train/train.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

struct Pairs {
  Matrix signals, codes;  // one a row
};

struct Row {
  std::string decoder;
  int iterations = 0;
  double decibels = 0;
};

struct Command {
  std::filesystem::path dictionary, out;
  Index n = 100, m = 50, sparsity = 5, samples = 20000;
  int phases = 6;
  double lambda = 0.1, noise = 0;
  Context context;
  TrainOptions options;
  bool json = false;

  void run() const;
  Matrix sensing() const;
  Pairs draw(const Matrix& a, Index count, Rng rng) const;
};

Matrix Command::sensing() const {
  Matrix a = dictionary.empty() ? gaussian_operator(m, n, Rng(context.seed).split(0)).to_matrix()
                                : read_npy(dictionary).to_matrix(dictionary.string());
  const double largest = a.size() > 0 ? a.cwiseAbs().maxCoeff<Eigen::PropagateNaN>() : 0;
  UNRECT_REQUIRE(largest >= 1e-50 && largest <= 1e50, ErrorCode::kInvalidArgument,
                 "--dictionary {}: {} × {}, the largest entry is {:g}; expected numbers, the largest of 1e-50 … 1e50",
                 dictionary.string(), a.rows(), a.cols(), largest);
  constexpr double kMost = 0x1p28;  // numbers, of weights and of pairs
  const double units = 2 * static_cast<double>(a.rows() + a.cols());
  UNRECT_REQUIRE(units * units * phases <= kMost && static_cast<double>(samples) * units / 2 <= kMost,
                 ErrorCode::kInvalidArgument,
                 "{} phases of (2 · {} + 2 · {})² weights and {} pairs: too large, expected 2^28 numbers at most",
                 phases, a.rows(), a.cols(), samples);
  UNRECT_REQUIRE(sparsity <= a.cols(), ErrorCode::kInvalidArgument, "--sparsity {}, expected at most {}, a code's size",
                 sparsity, a.cols());
  return a;
}

// y = A c + σ N(0, I), c with `sparsity` entries N(0, 1) anywhere.
Pairs Command::draw(const Matrix& a, Index count, Rng rng) const {
  Pairs pairs{{}, Matrix::Zero(count, a.cols())};
  for (Index i = 0; i < count; ++i) {
    const Rng own = rng.split(0).split(static_cast<std::uint64_t>(i));
    const std::vector<Index> order = permutation(a.cols(), own.split(0));
    Rng values = own.split(1);
    for (Index k = 0; k < sparsity; ++k) pairs.codes(i, order[static_cast<std::size_t>(k)]) = values.normal();
  }
  pairs.signals = add_noise(pairs.codes * a.transpose(), noise, rng.split(1));
  return pairs;
}

// Σ‖ĉ − c‖² / Σ‖c‖² in dB.
double decibels(const Matrix& found, const Matrix& codes) {
  return 10 * std::log10((found - codes).squaredNorm() / codes.squaredNorm());
}

Samples samples_of(const Pairs& pairs) { return {pairs.signals.cast<float>(), pairs.codes.cast<float>()}; }

void Command::run() const {
  require_place(out, {".onnx", ".npz"}, "--out");
  const Matrix a = sensing();
  const std::vector<ListaPhase> untrained = ista_phases(a, lambda, phases);
  const LayerChain chain = lista_chain(untrained);
  const Rng rng(context.seed);
  const Samples train_pairs = samples_of(draw(a, samples, rng.split(1)));
  const Samples held = samples_of(draw(a, std::max<Index>(samples / 20, 1), rng.split(2)));
  const Pairs test = draw(a, 1000, rng.split(3));
  const auto line = [&](const Progress& p, double seconds) {
    return fmt::format("lista: {:.0f} % of {} epochs, {:.0f} s", 100 * p.done / p.total, options.epochs, seconds);
  };
  const TrainResult learned = train(Network::chain(chain.weights, chain.biases), train_pairs, held, options,
                                    ProgressLine(context, line).context());
  if (learned.status == TrainResult::Status::kDiverged)
    throw Unconverged("the training diverged; expected a smaller --rate, or a dictionary with entries nearer to 1");
  if (!out.empty()) write_network(out, learned.network, ExportPrecision::kFloat32);
  UNRECT_REQUIRE(learned.status != TrainResult::Status::kCancelled, ErrorCode::kCancelled, "interrupted in epoch {}{}",
                 learned.log.size() + 1, out.empty() ? "" : fmt::format("; {} has the network so far", out.string()));

  const LinearOperator op(a);
  const auto fista = [&](int iterations) {
    const LassoOptions o{.lambda = lambda, .max_iterations = iterations};
    Matrix codes(test.codes.rows(), a.cols());
    const std::vector<SparseResult> found = lasso_rows(op, test.signals, o);
    for (Index i = 0; i < codes.rows(); ++i) codes.row(i) = found[static_cast<std::size_t>(i)].x.transpose();
    return decibels(codes, test.codes);
  };
  constexpr int kMany = 1000;
  const std::vector<Row> rows{
      {"ista", phases, decibels(lista_codes(untrained, test.signals), test.codes)},
      {"fista", phases, fista(phases)},
      {"fista", kMany, fista(kMany)},
      {"lista", phases, decibels(Evaluator<double>(learned.network)(test.signals), test.codes)}};
  if (json) {
    nlohmann::ordered_json result{
        {"measurements", a.rows()}, {"n", a.cols()}, {"sparsity", sparsity}, {"lambda", lambda}, {"noise", noise}};
    for (const Row& row : rows)
      result["decoders"].push_back(
          {{"decoder", row.decoder}, {"iterations", row.iterations}, {"nmse_db", row.decibels}});
    fmt::print("{}\n", result.dump(2));
    return;
  }
  Table table{.header = {"decoder", "iterations", "Σ‖ĉ − c‖² / Σ‖c‖², dB"}};
  table.caption = fmt::format("{} measurements of codes of {} with {} entries, {} new ones", a.rows(), a.cols(),
                              sparsity, test.codes.rows());
  for (const Row& row : rows)
    table.rows.push_back({row.decoder, std::to_string(row.iterations), fmt::format("{:.2f}", row.decibels)});
  fmt::print("{}", to_text(table));
}

}  // namespace

void add_signal_lista(CLI::App& signal) {
  auto command = std::make_shared<Command>();
  command->options.epochs = 30;
  CLI::App* verb = signal.add_subcommand("lista", "Train ISTA, unrolled, on pairs of signals and codes (LISTA)");
  const auto count = [&](const char* name, Index& value, const char* text, double most) {
    return verb->add_option(name, value, text)->capture_default_str()->check(within(1.0, most));
  };
  CLI::Option* const given =
      verb->add_option("--dictionary", command->dictionary, "A itself, m × n, .npy (default: drawn from N(0, 1/m))");
  count("--n", command->n, "size of the codes", 4096)->excludes(given);
  count("--measurements", command->m, "size of the signals, m", 4096)->excludes(given);
  count("--sparsity", command->sparsity, "entries of a code that are not 0, drawn from N(0, 1)", 4096);
  verb->add_option("--phases", command->phases, "iterations that are unrolled")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  verb->add_option("--lambda", command->lambda, "λ of ½‖Ac − y‖² + λ‖c‖₁, where training starts")
      ->capture_default_str()
      ->check(within(1e-9, 1e9));
  verb->add_option("--noise", command->noise, "σ of Gaussian noise on the signals")
      ->capture_default_str()
      ->check(within(0.0, 1e9));
  count("--samples", command->samples, "pairs to learn from", 1e7);
  add_field(*verb, "--epochs", command->options, command->options.epochs);
  add_field(*verb, "--rate", command->options, command->options.rate);
  add_seed(*verb, command->context.seed, "seed of the matrix, the codes and the training");
  add_threads(*verb, command->context);
  verb->add_option("--out", command->out, "write the network, signals → codes: .onnx or .npz");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Examples:\n"
      "  unrect signal lista --phases 6 --out lista.onnx\n"
      "  unrect signal lista --dictionary A.npy --sparsity 4 --noise 0.01 --json");
  verb->callback([command] { command->run(); });
}

}  // namespace unrect::cli
