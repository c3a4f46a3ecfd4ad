// unrect train: finds the weights of a network.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli.hpp"
#include "picture_files.hpp"
#include "plane_partition.hpp"
#include "progress.hpp"
#include "training_report.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/recipes/ensemble.hpp"
#include "unrect/recipes/recipe.hpp"
#include "unrect/train/train.hpp"
#include "unrect/view/figure.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

using Json = nlohmann::ordered_json;

double psnr(double squared_error) { return -10 * std::log10(squared_error); }

struct Command {
  Ranks ranks;
  DataRequest data;
  std::vector<std::string> compare;
  std::filesystem::path out, phi_out, log, frames;
  PictureName plot;
  RecipeOptions wishes;
  Context context;
  bool json = false;

  void check(const CLI::App& verb) const;
  void run() const;
  Recipe recipe(const TrainingData& sets, const TrainOptions& asked) const;
  Run train_one(const TrainingData& sets, const Recipe& chosen) const;
  std::vector<Recipe> contestants(const TrainingData& sets) const;
  Json json_of(const TrainingData& sets, const Run& run) const;
  void print(const TrainingData& sets, const std::vector<Run>& runs) const;
  void write(const TrainingData& sets, const Network& network) const;
  void write_results(const TrainingData& sets, const TrainResult& result, const std::vector<Run>& runs) const;
  void keep_interrupted(const TrainingData& sets, const Run& run) const;
  void draw_frame(const Network& network, const TrainingData& sets, int epoch) const;
  bool recovery() const { return data.task == LearningTask::kRecovery; }
};

bool has_convolution(const Network& network) {
  return std::ranges::any_of(network.nodes(),
                             [](const Node& node) { return std::holds_alternative<Convolution>(*node.op); });
}

Recipe Command::recipe(const TrainingData& sets, const TrainOptions& asked) const {
  RecipeOptions all = wishes;
  all.train = asked;
  return recipe_for(data, sets, all);
}

Run Command::train_one(const TrainingData& sets, const Recipe& recipe) const {
  const TrainOptions& chosen = recipe.options;
  const auto line = [&](const Progress& progress, double seconds) {
    const double rate = progress.done / seconds;
    return fmt::format("{}: epoch {} of {}, {:.3g} samples/s, about {:.0f} s to go", name_of(chosen.method),
                       std::min(chosen.epochs, 1 + static_cast<int>(progress.done / progress.total * chosen.epochs)),
                       chosen.epochs, rate, (progress.total - progress.done) / rate);
  };
  const Network& begin = recipe.start;
  if (!frames.empty() && ranks.rank == 0) draw_frame(begin, sets, 0);
  const Watch watch = [&](const EpochLog& epoch, const Network& network) {
    if (frames.empty()) return;
    try {
      draw_frame(network, sets, epoch.epoch);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCancelled) throw;  // the training is about to be asked itself
    }
  };
  const auto trained = [&] {
    const ProgressLine progress(context, line);
    return train(begin, sets.train, sets.validation, chosen, progress.context(), ranks, watch);
  };
  Run run{chosen, trained(), {}, {}, {}};
  if (run.result.status == TrainResult::Status::kCancelled) return run;
  run.train = score(run.result.network, sets.train, sets.loss, context);
  run.test = score(run.result.network, sets.test, sets.loss, context);
  run.dead = dead_units(run.result.network, sets.train, context);
  return run;
}

// The methods of --compare get the time that the first one takes: epochs of each are measured, but not the first, which
// pays for what comes once.
std::vector<Recipe> Command::contestants(const TrainingData& sets) const {
  if (compare.empty()) return {recipe(sets, wishes.train)};
  std::vector<Recipe> all;
  double budget = 0;
  for (const std::string& name : compare) {
    TrainOptions asked = wishes.train;
    asked.method = method_named(name);
    Recipe trial = recipe(sets, asked);
    UNRECT_REQUIRE(asked.method != Method::kExplicitAl, ErrorCode::kInvalidArgument,
                   "--compare goes without explicit-al: its epochs do not tell its time");
    trial.options.epochs = 4;
    const auto line = [&](const Progress& progress, double seconds) {
      return fmt::format("{}: how long an epoch takes: {:.0f} %, {:.0f} s", name, 100 * progress.done / progress.total,
                         seconds);
    };
    const TrainResult tried =
        train(trial.start, sets.train, {}, trial.options, ProgressLine(context, line).context(), ranks);
    UNRECT_REQUIRE(tried.status != TrainResult::Status::kCancelled, ErrorCode::kCancelled,
                   "interrupted before the comparison");
    const std::vector<EpochLog>& lines = tried.log;
    UNRECT_REQUIRE(lines.size() == 4, ErrorCode::kInvalidArgument, "--compare {}: ends within four epochs", name);
    double epoch = (lines[3].seconds - lines[0].seconds) / 3;
    if (ranks.count > 1) {  // all go by rank 0's clock
      std::vector<std::size_t> rank_0_only(static_cast<std::size_t>(ranks.count) + 1, sizeof epoch);
      rank_0_only[0] = 0;
      ranks.gather(reinterpret_cast<std::byte*>(&epoch), rank_0_only);
    }
    if (budget == 0) budget = epoch * wishes.train.epochs;
    asked.epochs = std::max(1, static_cast<int>(std::lround(budget / epoch)));
    all.push_back(recipe(sets, asked));
  }
  return all;
}

// The figure that the task is judged by: mean squared error a value, or mean cross-entropy a sample.
double judged(const TrainingData& sets, const Score& score) {
  return sets.loss.kind == Loss::Kind::kCrossEntropy ? score.loss : score.squared_error;
}

Json Command::json_of(const TrainingData& sets, const Run& run) const {
  Json result{{"task", name_of(data.task)},
              {"method", name_of(run.options.method)},
              {"status", status_text(run.result.status)},
              {"train_loss", judged(sets, run.train)},
              {"test_loss", judged(sets, run.test)}};
  if (recovery()) result["test_psnr"] = psnr(run.test.squared_error);
  if (data.task == LearningTask::kClassify) {
    result["train_accuracy"] = run.train.accuracy;
    result["test_accuracy"] = run.test.accuracy;
  }
  result["seconds"] = run.result.seconds;
  result["epochs"] = run.epochs();
  result["samples"] = sets.train.size();
  result["validation_samples"] = sets.validation.size();
  result["test_samples"] = sets.test.size();
  if (recovery() && !data.any_operator) result["measurements"] = sets.sensing.rows();
  result["parameters"] = sets.parameters(run.result.network);
  result["threads"] = context.threads;
  result["seed"] = data.seed;
  Json dead = Json::array();
  for (const DeadUnits& layer : run.dead)
    dead.push_back({{"layer", layer.layer}, {"dead", layer.dead}, {"of", layer.units}});
  result["dead_units"] = dead;
  result["events"] = run.result.events;
  result["log"] = cli::json_of(run.result.log);
  return result;
}

void Command::print(const TrainingData& sets, const std::vector<Run>& runs) const {
  if (json) {
    Json result = Json::array();
    for (const Run& run : runs) result.push_back(json_of(sets, run));
    if (compare.empty()) result = Json(result[0]);
    fmt::print("{}\n", result.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{} samples to train on, {} held out, {} to test; {} → {}; {} parameters\n", sets.train.size(),
             sets.validation.size(), sets.test.size(), sets.train.inputs.cols(), sets.train.targets.cols(),
             sets.parameters(runs[0].result.network));
  Table table;
  table.header = {"method", "epochs", "seconds", "train loss", "test loss"};
  if (recovery()) table.header.push_back("test PSNR");
  if (data.task == LearningTask::kClassify) table.header.push_back("test accuracy");
  table.header.push_back("dead units");
  for (const Run& run : runs) {
    Index dead = 0, units = 0;
    for (const DeadUnits& layer : run.dead) {
      dead += layer.dead;
      units += layer.units;
    }
    std::vector<std::string> row{std::string(name_of(run.options.method)), std::to_string(run.epochs()),
                                 fmt::format("{:.2f}", run.result.seconds),
                                 fmt::format("{:.5f}", judged(sets, run.train)),
                                 fmt::format("{:.5f}", judged(sets, run.test))};
    if (recovery()) row.push_back(fmt::format("{:.2f} dB", psnr(run.test.squared_error)));
    if (data.task == LearningTask::kClassify) row.push_back(fmt::format("{:.2f} %", 100 * run.test.accuracy));
    row.push_back(fmt::format("{} of {}", dead, units));
    table.rows.push_back(row);
  }
  fmt::print("\n{}", to_text(table));
  for (const Run& run : runs) {
    if (run.result.status != TrainResult::Status::kDone)
      fmt::print("{}: {}\n", name_of(run.options.method), status_text(run.result.status));
    for (const std::string& event : run.result.events) fmt::print("{}: {}\n", name_of(run.options.method), event);
  }
}

void Command::draw_frame(const Network& network, const TrainingData& sets, int epoch) const {
  const Vector lower = sets.train.inputs.colwise().minCoeff().cast<double>().transpose();
  const Vector upper = sets.train.inputs.colwise().maxCoeff().cast<double>().transpose();
  const Vector margin = (0.05 * (upper - lower)).cwiseMax(1e-3);
  const Domain domain(Box(lower - margin, upper + margin));
  Context asking;
  asking.progress = [](const Progress&) { return !interrupted(); };
  const PlanePartition partition = plane_partition(network, domain, 2'000'000, [] { return !interrupted(); });
  const PictureText text{fmt::format("epoch {}: {} regions", epoch, partition.layers.back().starts.size() - 1), "x0",
                         "x1"};
  Coloring coloring = coloring_of(partition, "output", 0);
  // A few samples are enough to see; those of a class have its colour, those of a regression their target's.
  constexpr Index kMostShown = 600;
  const Index shown = std::min(sets.train.size(), kMostShown);
  const Matrix points = sets.train.inputs.topRows(shown).cast<double>(),
               targets = sets.train.targets.topRows(shown).cast<double>();
  const bool classes = data.task == LearningTask::kClassify;
  if (!classes) {  // one scale for the function and what it should be
    const auto [low, high] = std::ranges::minmax(coloring.values);
    coloring.range =
        Range{std::min<double>(low, targets.col(0).minCoeff()), std::max<double>(high, targets.col(0).maxCoeff())};
    coloring.label = "output 0; points: target 0";
  }
  Figure figure = partition_figure(partition, partition.layers.size() - 1, coloring, text);
  if (classes) add_decision_boundary(figure, network, domain, asking);
  for (Index i = 0; i < shown; ++i) {
    MarkerStyle style;
    style.radius = 2;
    if (classes) {
      Index label = 0;
      targets.row(i).maxCoeff(&label);
      style.color = categorical(static_cast<std::size_t>(label) + 2);
    } else {
      const Range scale = *coloring.range;
      style.radius = 2.6;
      style.color = sequential(scale.max > scale.min ? (targets(i, 0) - scale.min) / (scale.max - scale.min) : 0.5);
    }
    figure.points(points.row(i), style);
  }
  std::filesystem::create_directories(frames);
  figure.save(frames / fmt::format("epoch-{:04}.png", epoch));
}

void Command::write(const TrainingData& sets, const Network& network) const {
  const Metadata about = recovery() && !data.any_operator ? about_operator(sets.sensing) : Metadata{};
  if (!sets.images) return write_network(out, network, ExportPrecision::kFloat32, about);
  write_unrolled(out, sets.images->unrolled_of(network), about);
}

void Command::write_results(const TrainingData& sets, const TrainResult& result, const std::vector<Run>& runs) const {
  if (!out.empty()) write(sets, result.network);
  if (!phi_out.empty()) write_npy(phi_out, Array::from(sets.sensing));
  if (!log.empty()) write_log(log, result.log);
  if (!plot.empty()) draw_plots(plot, runs);
}

// Ctrl-C keeps what there is: the weights of the best epoch so far, or in the first one those that it has come to.
void Command::keep_interrupted(const TrainingData& sets, const Run& run) const {
  if (compare.empty()) write_results(sets, run.result, {run});
  std::string kept;
  if (compare.empty() && !out.empty()) kept = fmt::format("; {} has the network so far", out.string());
  if (!wishes.train.checkpoint.empty()) kept += "; --resume goes on from " + wishes.train.checkpoint.string();
  throw Error(ErrorCode::kCancelled, fmt::format("interrupted in epoch {}{}", run.epochs() + 1, kept));
}

// What would be read and not used.
void Command::check(const CLI::App& verb) const {
  std::vector<Method> methods{wishes.train.method};
  if (!compare.empty()) methods.clear();
  for (const std::string& name : compare) methods.push_back(method_named(name));
  const auto any = [&](std::initializer_list<Method> of) {
    return std::ranges::any_of(methods, [&](Method m) { return std::ranges::find(of, m) != of.end(); });
  };
  const bool stepped = any({Method::kFeasibleAl, Method::kAdam, Method::kSgd});
  const bool batches = stepped || any({Method::kGaussNewtonAl});
  const char* const recovering = "--task recovery";
  require_used(
      verb,
      {{"--method", compare.empty(), "one training, not with --compare, which names the methods"},
       {"--resume", !wishes.train.checkpoint.empty(), "--checkpoint FILE, the file to go on from"},
       {"--every", !wishes.train.checkpoint.empty(), "--checkpoint FILE"},
       {"--checkpoint", compare.empty(), "one training, not with --compare"},
       {"--frames", compare.empty() && !any({Method::kExplicitAl}), "one training of --method other than explicit-al"},
       {"--log", compare.empty(), "one training, not with --compare"},
       {"--measurements", recovery(), recovering},
       {"--phi", recovery(), recovering},
       {"--save-phi", recovery(), recovering},
       {"--teachers", recovery(), recovering},
       {"--consistent", recovery(), recovering},
       {"--augment", recovery(), recovering},
       {"--any-operator", recovery(), "--task recovery of images"},
       {"--phases", recovery(), "--task recovery of images"},
       {"--channels", recovery(), "--task recovery of images"},
       {"--crop", recovery(), "--task recovery of images"},
       {"--linear-output", recovery() && data.start.empty(), "--task recovery, and not with --start"},
       {"--layers", data.start.empty(), "random weights, not with --start, which has its own layers"},
       {"--log-loss", data.task != LearningTask::kClassify, "--task recovery or regress"},
       {"--rate", stepped || any({Method::kExplicitAl}), "--method feasible-al, adam, sgd or explicit-al"},
       {"--warm-up", stepped, "--method feasible-al, adam or sgd"},
       {"--lipschitz-budget", stepped, "--method feasible-al, adam or sgd"},
       {"--momentum", any({Method::kFeasibleAl, Method::kSgd}), "--method feasible-al or sgd"},
       {"--damping", any({Method::kFeasibleAl}), "--method feasible-al"},
       {"--trust", any({Method::kFeasibleAl}), "--method feasible-al"},
       {"--batch", batches || any({Method::kLbfgs}),
        "--method other than explicit-al, which takes all samples at once"},
       {"--groups", batches || any({Method::kLbfgs}),
        "--method other than explicit-al, which takes all samples at once"},
       {"--patience", data.validation.value_or(1) > 0 && !data.any_operator,
        "samples that are held out: not with --validation 0 or --any-operator"},
       {"--validation", !data.any_operator, "one operator, not with --any-operator"}});
}

void Command::run() const {
  const TrainingData sets = read_training_data(data);
  UNRECT_REQUIRE(frames.empty() || sets.train.inputs.cols() == 2, ErrorCode::kInvalidArgument,
                 "--frames draws networks of two inputs; these have {}", sets.train.inputs.cols());
  UNRECT_REQUIRE(sets.images || !(data.phases || data.channels || data.crop || data.any_operator),
                 ErrorCode::kInvalidArgument,
                 "--phases, --channels, --crop and --any-operator go with --task recovery of a folder of images");
  UNRECT_REQUIRE(!sets.images || wishes.layers == RecipeOptions{}.layers, ErrorCode::kInvalidArgument,
                 "--layers goes with chains; networks for images have --phases and --channels");
  UNRECT_REQUIRE(!wishes.train.bfloat16 || has_convolution(recipe(sets, wishes.train).start),
                 ErrorCode::kInvalidArgument,
                 "--bfloat16 goes with convolutions, as --task recovery of images has them");
  UNRECT_REQUIRE(!data.any_operator || phi_out.empty(), ErrorCode::kInvalidArgument,
                 "--save-phi: --any-operator draws another Φ for every epoch");
  // Better before the training than after it.
  if (!out.empty()) {
    UNRECT_REQUIRE(out.extension() == ".onnx" ||
                       (out.extension() == ".npz" && !to_chain(recipe(sets, wishes.train).start).relu_output),
                   ErrorCode::kInvalidArgument, "--out {}: expected .onnx, or .npz for a chain that ends in a matrix",
                   out.string());
  }
  for (const auto& [option, path] : {std::pair{"--out", &out},
                                     {"--save-phi", &phi_out},
                                     {"--log", &log},
                                     {"--checkpoint", &wishes.train.checkpoint}}) {
    UNRECT_REQUIRE(path->parent_path().empty() || std::filesystem::is_directory(path->parent_path()), ErrorCode::kFile,
                   "{} {}: no such folder", option, path->string());
    UNRECT_REQUIRE(!std::filesystem::is_directory(*path), ErrorCode::kFile, "{} {}: a folder; expected a file", option,
                   path->string());
  }
  UNRECT_REQUIRE(wishes.train.checkpoint.empty() || wishes.train.checkpoint != out, ErrorCode::kInvalidArgument,
                 "--checkpoint and --out are both {}", out.string());
  plot.require_place("--plot");
  std::vector<Run> runs;
  const auto stopped = [&] { return !runs.empty() && runs.back().result.status == TrainResult::Status::kCancelled; };
  for (const Recipe& chosen : contestants(sets)) {
    if (!stopped()) runs.push_back(train_one(sets, chosen));
  }
  if (ranks.rank > 0) return;  // rank 0 writes for all
  if (stopped()) keep_interrupted(sets, runs.back());
  // The best of several by the held-out loss, or by training loss where nothing was held out.
  const auto merit = [](const Run& run) {
    double best = std::numeric_limits<double>::infinity();
    for (const EpochLog& line : run.result.log) best = std::fmin(best, line.validation_loss);
    return std::isfinite(best) ? best : run.train.loss;
  };
  const Run& best = *std::ranges::min_element(runs, {}, merit);
  print(sets, runs);  // before anything that may fail
  std::fflush(stdout);
  write_results(sets, best.result, runs);
  if (!compare.empty()) return;  // the table says what became of each
  if (best.result.status == TrainResult::Status::kDiverged)
    throw Unconverged("the training diverged; what is written has the weights of its best epoch, or of the start");
  if (best.result.status == TrainResult::Status::kUnconverged)
    throw Unconverged("explicit-al did not converge; what is written has the least loss that it met");
}

}  // namespace

void add_train(CLI::App& app, Ranks ranks) {
  auto command = std::make_shared<Command>();
  command->ranks = std::move(ranks);
  CLI::App* verb = app.add_subcommand("train", "Find the weights of a network");
  DataRequest& d = command->data;
  RecipeOptions& r = command->wishes;
  TrainOptions& o = r.train;
  add_field(*verb, "--task", d, d.task, task_named);
  add_field(*verb, "--data", d, d.data)->required();
  add_field(*verb, "--layers", r, r.layers);
  add_field(*verb, "--any-operator", d, d.any_operator);
  add_field(*verb, "--phases", d, d.phases);
  add_field(*verb, "--channels", d, d.channels);
  add_field(*verb, "--crop", d, d.crop);
  add_field(*verb, "--start", d, d.start)->excludes("--channels");
  add_field(*verb, "--linear-output", r, r.linear_output);
  add_field(*verb, "--consistent", r, r.consistency)
      ->expected(0, 1)
      ->default_str("1")
      ->excludes("--start", "--linear-output");
  add_field(*verb, "--teachers", d, d.teachers);
  add_field(*verb, "--measurements", d, d.measurements)->excludes("--any-operator");
  add_field(*verb, "--phi", d, d.phi)->excludes("--measurements", "--any-operator");
  verb->add_option("--save-phi", command->phi_out, "recovery: write Φ to this .npy");
  add_field(*verb, "--augment", d, d.augment);
  add_field(*verb, "--samples", d, d.samples);
  add_field(*verb, "--validation", d, d.validation);
  add_field(*verb, "--method", o, o.method, method_named);
  verb->add_option("--compare", command->compare, "train by each of these methods for the first one's time")
      ->delimiter(',');
  add_field(*verb, "--epochs", o, o.epochs);
  add_field(*verb, "--batch", r, r.batch);
  add_field(*verb, "--rate", r, o.rate);
  add_field(*verb, "--momentum", o, o.momentum);
  add_field(*verb, "--damping", r, o.damping);
  add_field(*verb, "--trust", r, r.trust);
  add_field(*verb, "--decay", r, r.decay);
  add_field(*verb, "--log-loss", r, r.log_scale);
  add_field(*verb, "--lipschitz-budget", o, o.lipschitz);
  add_field(*verb, "--bfloat16", o, o.bfloat16);
  add_field(*verb, "--warm-up", o, o.warm_up);
  add_field(*verb, "--patience", o, o.patience);
  add_field(*verb, "--groups", o, o.groups);
  add_field(*verb, "--checkpoint", o, o.checkpoint);
  add_field(*verb, "--every", o, o.checkpoint_seconds);
  add_field(*verb, "--resume", o, o.resume);
  add_seed(*verb, d.seed, std::string(option_of(d, d.seed).help));
  add_threads(*verb, command->context);
  verb->add_option("--out", command->out, "write the network: .onnx or .npz");
  verb->add_option("--log", command->log, "write the iteration log: .npz");
  add_picture(*verb, "--plot", command->plot, "draw losses over time, and residuals in FILE-residuals");
  verb->add_option("--frames", command->frames, "two inputs: draw the partition after every epoch into this folder");
  verb->add_flag("--json", command->json, "print one JSON object (an array with --compare)");
  verb->footer(
      "Examples:\n"
      "  unrect train --task recovery --data mnist --measurements 100 --layers 512,512 --samples 20000 --out net.onnx\n"
      "  unrect train --task recovery --data images --phi phi.npy --batch 8 --epochs 100 --bfloat16 --out net.onnx\n"
      "  unrect train --task classify --data spiral --layers 16,16 --batch 100 --epochs 40 --frames frames");
  verb->callback([command, verb] {
    command->context.seed = command->data.seed;
    command->check(*verb);
    command->run();
  });
}

}  // namespace unrect::cli
