// unrect signal: dictionaries, and how many measurements a sparse code takes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli.hpp"
#include "picture_files.hpp"
#include "progress.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/signal/dictionary.hpp"
#include "unrect/signal/phase_transition.hpp"
#include "unrect/view/figure.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

using Json = nlohmann::ordered_json;

// ---- dictionary

struct DictionaryCommand {
  std::filesystem::path folder, save;
  PictureName out;
  KsvdOptions options;
  Index patch = kPatchSide, samples = 8000;
  Context context;
  bool json = false;

  void run() const;
  Figure picture(const Dictionary& learned, const std::vector<Index>& order) const;
};

/// In reading order, black to white over each atom's own range.
Figure DictionaryCommand::picture(const Dictionary& learned, const std::vector<Index>& order) const {
  const auto count = static_cast<Index>(order.size());
  const auto across = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(count))));
  const Index down = (count + across - 1) / across;
  FigureOptions look;
  look.title = fmt::format("{} atoms of {} × {} pixels, the most used first", count, patch, patch);
  look.equal = true;
  look.x = {.range = Range{0, static_cast<double>(across)}, .ticks = {{0.5, "1"}}, .grid = false};
  look.y = {.label = "first atom of the row", .range = Range{-static_cast<double>(down), 0}, .grid = false};
  if (across > 1) look.x.ticks.push_back({static_cast<double>(across) - 0.5, fmt::format("{}", across)});
  const Index every = (down + 15) / 16;
  for (Index i = 0; i < down; i += every) {
    look.y.ticks.push_back({-0.5 - static_cast<double>(i), fmt::format("{}", i * across + 1)});
  }
  look.width = 480;
  look.height = static_cast<int>(400 * down / across) + 80;
  Figure figure(look);
  constexpr double kGap = 0.06;
  for (Index k = 0; k < count; ++k) {
    const Vector atom = learned.atoms.row(order[static_cast<std::size_t>(k)]);
    const double most = std::max(atom.cwiseAbs().maxCoeff(), 1e-300);
    const auto x = static_cast<double>(k % across), y = -static_cast<double>(k / across);
    figure.image(colorize(Eigen::Map<const Matrix>(atom.data(), patch, patch), {-most, most},
                          [](double t) {
                            return Color{t, t, t, 1};
                          }),
                 {x + kGap, x + 1 - kGap}, {y - 1 + kGap, y - kGap});
  }
  return figure;
}

void DictionaryCommand::run() const {
  const Index atoms = options.atoms, sparsity = options.code.sparsity;
  out.require_place("--out");
  require_place(save, {".npy"}, "--save");
  UNRECT_REQUIRE(sparsity <= std::min(atoms, patch * patch), ErrorCode::kInvalidArgument,
                 "--sparsity {}, expected at most {} atoms of {} pixels", sparsity, atoms, patch * patch);
  UNRECT_REQUIRE(samples <= (Index{1} << 26) / std::max(atoms, patch * patch), ErrorCode::kInvalidArgument,
                 "--samples {} with {} atoms of {} pixels: too large, expected 2^26 numbers at most", samples, atoms,
                 patch * patch);
  const Rng rng(context.seed);
  std::vector<Image> images;
  if (folder.empty()) {
    for (std::uint64_t i = 0; i < 12; ++i) images.push_back(dead_leaves(128, 128, rng.split(i)));
  } else {
    for (NamedImage& named : read_images(folder)) images.push_back(std::move(named.image));
  }
  const Matrix patches = random_patches(std::move(images), patch, samples, rng);
  const auto line = [](const Progress& p, double seconds) {
    return fmt::format("{:.0f} of {:.0f} iterations, {:.0f} s", p.done, p.total, seconds);
  };
  const Dictionary learned = learn_dictionary(patches, options, ProgressLine(context, line).context());
  UNRECT_REQUIRE(!learned.mean_square.empty(), ErrorCode::kCancelled, "interrupted before the first iteration");

  std::vector<Index> uses(static_cast<std::size_t>(atoms)), order(uses.size());
  for (Index k = 0; k < atoms; ++k) uses[static_cast<std::size_t>(k)] = (learned.codes.col(k).array() != 0).count();
  std::iota(order.begin(), order.end(), Index{0});
  std::ranges::stable_sort(order, std::greater{}, [&](Index k) { return uses[static_cast<std::size_t>(k)]; });
  std::ranges::sort(uses, std::greater{});
  if (!out.empty()) out.save(picture(learned, order));
  if (!save.empty()) write_npy(save, Array::from(Matrix(learned.atoms(order, Eigen::all))));
  Matrix gram = learned.atoms * learned.atoms.transpose();
  gram.diagonal().setZero();
  const auto rms = [this](double mean_square) { return std::sqrt(mean_square / static_cast<double>(patch * patch)); };
  const double plain = rms(patches.squaredNorm() / static_cast<double>(samples));
  const double first = rms(learned.mean_square.front()), last = rms(learned.mean_square.back());
  if (json) {
    fmt::print("{}\n", Json{{"atoms", atoms},
                            {"patch", patch},
                            {"sparsity", sparsity},
                            {"samples", samples},
                            {"iterations", learned.mean_square.size()},
                            {"rms_of_samples", plain},
                            {"rms_error_first", first},
                            {"rms_error", last},
                            {"relative_error", last / plain},
                            {"coherence", gram.cwiseAbs().maxCoeff()},
                            {"uses", uses}}
                           .dump(2));
  } else {
    fmt::print("{} atoms of {} × {} pixels from {} patches, {} a patch\n", atoms, patch, patch, samples, sparsity);
    fmt::print("RMS error a pixel {:.4g} after {} iterations, {:.4g} after the first; of the patches {:.4g}\n", last,
               learned.mean_square.size(), first, plain);
    fmt::print("uses from {} to {}, two atoms' largest inner product {:.3f}\n", uses.front(), uses.back(),
               gram.cwiseAbs().maxCoeff());
  }
  UNRECT_REQUIRE(static_cast<int>(learned.mean_square.size()) == options.iterations, ErrorCode::kCancelled,
                 "interrupted after {} of {} iterations", learned.mean_square.size(), options.iterations);
}

// ---- phases

struct PhasesCommand {
  std::string solver = "omp";
  Index n = 100, cells = 20;
  int trials = 10;
  Context context;
  PictureName out;
  bool json = false;

  void run() const;
};

Figure picture_of(const TransitionMap& map, const std::string& title) {
  FigureOptions options;
  options.title = title;
  options.x = {.label = "measurements an entry, δ = m / n", .range = Range{0, 1}};
  options.y = {.label = "nonzeros a measurement, ρ = k / m", .range = Range{0, 1}};
  options.width = 440;
  options.height = 360;
  Figure figure(options);
  figure.image(colorize(map.success.transpose().colwise().reverse(), {0, 1}), {0, 1}, {0, 1});
  Matrix curve(199, 2);
  for (Index i = 0; i < curve.rows(); ++i) {
    const double delta = static_cast<double>(i + 1) / 200;
    curve.row(i) << delta, weak_threshold(delta);
  }
  figure.polyline(curve, {.color = kWhite, .width = 4});
  figure.polyline(curve, {.color = categorical(1), .width = 2, .name = "Donoho and Tanner's weak threshold of ℓ1"});
  figure.colorbar({0, 1}, "part of the codes found");
  return figure;
}

void PhasesCommand::run() const {
  out.require_place("--out");
  const SparseSolver solve = sparse_solver_named(solver);
  const auto size = static_cast<double>(cells);
  const Vector middles = (Vector::LinSpaced(cells, 0, size - 1).array() + 0.5) / size;
  const auto line = [](const Progress& p, double seconds) {
    return fmt::format("{:.0f} of {:.0f} cells, {:.0f} s", p.done, p.total, seconds);
  };
  const TransitionMap map = transition_map(solve, n, middles, middles, trials, ProgressLine(context, line).context());
  // An interrupted map has columns that are complete, and cells without a number.
  const Index done = (map.success.array() >= 0).count(), columns_done = done / cells;
  const bool complete = done == map.success.size();
  UNRECT_REQUIRE(columns_done > 0, ErrorCode::kCancelled,
                 "interrupted after {} of {} cells, before a column was complete", done, map.success.size());
  const Matrix success = map.success.topRows(columns_done);
  // Where half of the codes are found: the area under the success along ρ.
  const Vector half = success.rowwise().mean();
  if (json) {
    Json columns = Json::array();
    for (Index i = 0; i < columns_done; ++i) {
      const Vector column = success.row(i);
      columns.push_back({{"delta", map.deltas(i)},
                         {"threshold", weak_threshold(map.deltas(i))},
                         {"half", half(i)},
                         {"success", std::vector<double>(column.begin(), column.end())}});
    }
    fmt::print("{}\n", Json{{"solver", solver},
                            {"n", n},
                            {"trials", trials},
                            {"rhos", std::vector<double>(map.rhos.begin(), map.rhos.end())},
                            {"complete", complete},
                            {"found", success.mean()},
                            {"columns", std::move(columns)}}
                           .dump(2));
  } else {
    Table table{.header = {"δ = m/n", "half found at ρ = k/m", "weak threshold of ℓ1"}};
    for (Index i = 0; i < columns_done; ++i) {
      table.rows.push_back({fmt::format("{:.3f}", map.deltas(i)), fmt::format("{:.3f}", half(i)),
                            fmt::format("{:.3f}", weak_threshold(map.deltas(i)))});
    }
    table.caption = fmt::format("{}: n = {}, {} trials a cell, {:.1f} % of {} codes found", solver, n, trials,
                                100 * success.mean(), complete ? "all" : "these columns'");
    fmt::print("{}", to_text(table));
  }
  std::fflush(stdout);  // whatever becomes of the picture
  UNRECT_REQUIRE(complete, ErrorCode::kCancelled, "interrupted after {} of {} cells: {} of {} columns are complete{}",
                 done, map.success.size(), columns_done, cells, out.empty() ? "" : ", nothing is drawn");
  if (!out.empty()) out.save(picture_of(map, fmt::format("{}: n = {}, Gaussian, {} trials a cell", solver, n, trials)));
}

void add_dictionary(CLI::App& signal) {
  auto command = std::make_shared<DictionaryCommand>();
  CLI::App* verb = signal.add_subcommand("dictionary", "Learn patches' atoms from images (K-SVD)");
  verb->add_option("FOLDER", command->folder, "folder of images (default: drawn scenes)");
  const auto count = [&](const char* name, Index& value, const char* text, double most) {
    verb->add_option(name, value, text)->capture_default_str()->check(within(1.0, most));
  };
  KsvdOptions& options = command->options;
  add_field(*verb, "--atoms", options, options.atoms);
  count("--patch", command->patch, "side of the patches", 64);
  add_field(*verb, "--sparsity", options, options.code.sparsity);
  count("--samples", command->samples, "patches drawn at random, under random symmetries", 1e6);
  add_field(*verb, "--iterations", options, options.iterations);
  add_seed(*verb, command->context.seed, "seed of patches and first atoms");
  add_picture(*verb, "--out", command->out, "draw the atoms");
  verb->add_option("--save", command->save, "write the atoms, most used first, one a row: .npy");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Patches are learned without their means.\n"
      "Examples:\n"
      "  unrect signal dictionary --atoms 64 --out atoms.png\n"
      "  unrect signal dictionary images --atoms 256 --patch 8 --out atoms.png --save D.npy");
  verb->callback([command] { command->run(); });
}

void add_phases(CLI::App& signal) {
  auto command = std::make_shared<PhasesCommand>();
  CLI::App* verb = signal.add_subcommand("phases", "How sparse a code must be to be found, for every ratio measured");
  verb->add_option("--solver", command->solver, fmt::format("{}", fmt::join(sparse_solver_names(), ", ")))
      ->capture_default_str();
  verb->add_option("--n", command->n, "size of the codes")->capture_default_str()->check(CLI::Range(10, 4096));
  verb->add_option("--trials", command->trials, "codes a cell")->capture_default_str()->check(CLI::Range(1, 100000));
  verb->add_option("--cells", command->cells, "cells a side of the map")
      ->capture_default_str()
      ->check(CLI::Range(2, 200));
  add_seed(*verb, command->context.seed, "seed of matrices and codes");
  add_threads(*verb, command->context);
  add_picture(*verb, "--out", command->out, "draw the map");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "Gaussian matrices of δn × n, codes of ρδn normal entries; found if the relative error is at most 1e-3.\n"
      "Examples:\n"
      "  unrect signal phases --solver omp --n 100 --trials 10 --out map.png\n"
      "  unrect signal phases --solver bp --n 60 --cells 12 --json --threads 2");
  verb->callback([command] { command->run(); });
}

}  // namespace

void add_signal(CLI::App& app) {
  CLI::App* signal = app.add_subcommand("signal", "Frames, dictionaries and sparse codes");
  signal->require_subcommand(1);
  add_signal_frame(*signal);
  add_signal_lista(*signal);
  add_dictionary(*signal);
  add_phases(*signal);
}

}  // namespace unrect::cli
