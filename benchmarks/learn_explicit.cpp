// ExplicitAl beside Adam on tiny problems whose optimum is known, at equal processor time, and warm-started on MNIST.
//
//   learn_explicit [tiny|mnist] [problems or sweeps]
//
// UNRECT_DATA (default ../shared/data) holds mnist/. docs/benchmarks.md keeps the figures.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "unrect/base/array.hpp"
#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/explicit_al.hpp"
#include "unrect/lifted/internal/polish.hpp"
#include "unrect/lifted/pattern_oracle.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {
namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// The baseline, in double, its buffers reused.
class Adam {
 public:
  explicit Adam(Chain chain) : chain_(std::move(chain)), fed_(chain_.layers.size() + 1) {
    for (const Matrix& layer : chain_.layers) {
      mean_.emplace_back(Matrix::Zero(layer.rows(), layer.cols()));
      square_.push_back(mean_.back());
    }
  }

  // One step on these samples; their loss before it.
  double step(const MatrixRef& inputs, const MatrixRef& targets, double rate) {
    const std::size_t depth = chain_.layers.size();
    fed_[0] = inputs;
    for (std::size_t l = 0; l < depth; ++l) {
      fed_[l + 1].noalias() = fed_[l] * chain_.layers[l].leftCols(fed_[l].cols()).transpose();
      fed_[l + 1].rowwise() += chain_.layers[l].rightCols(1).transpose().row(0);
      if (l + 1 < depth || chain_.relu_output) fed_[l + 1] = fed_[l + 1].cwiseMax(0);
    }
    adjoint_ = fed_[depth] - targets;
    const double loss = adjoint_.squaredNorm() / 2;
    if (chain_.relu_output) adjoint_ = (fed_[depth].array() > 0).select(adjoint_, 0.0);
    ++steps_;
    const double mean_bias = 1 - std::pow(0.9, steps_);
    const double square_bias = 1 - std::pow(0.999, steps_);
    for (std::size_t l = depth; l-- > 0;) {
      Matrix& layer = chain_.layers[l];
      gradient_.resize(layer.rows(), layer.cols());
      gradient_.leftCols(fed_[l].cols()).noalias() = adjoint_.transpose() * fed_[l];
      gradient_.rightCols(1) = adjoint_.colwise().sum().transpose();
      if (l > 0) {
        back_.noalias() = adjoint_ * layer.leftCols(fed_[l].cols());
        adjoint_ = (fed_[l].array() > 0).select(back_, 0.0);
      }
      mean_[l] += 0.1 * (gradient_ - mean_[l]);
      square_[l] += 0.001 * (gradient_.cwiseProduct(gradient_) - square_[l]);
      layer.array() -= rate / mean_bias * mean_[l].array() / ((square_[l].array() / square_bias).sqrt() + 1e-8);
    }
    return loss;
  }

  const Chain& chain() const { return chain_; }

 private:
  Chain chain_;
  std::vector<Matrix> mean_, square_, fed_;
  Matrix adjoint_, back_, gradient_;
  int steps_ = 0;
};

struct Family {
  const char* name;
  std::vector<Index> widths;
  Index samples;
  double noise;
};

struct Problem {
  Matrix inputs, targets;
  double optimum = 0;  // 0 for a teacher without noise; by brute force otherwise
  double scale = 1;    // ½‖X − mean‖²
};

// He normal, normal biases; the last layer's bias is given.
Chain random_chain(const std::vector<Index>& widths, const Vector& output_bias, Rng rng) {
  Chain chain = initial_chain(widths, output_bias, false, rng);
  for (std::size_t l = 0; l + 1 < chain.layers.size(); ++l) {
    chain.layers[l] /= 0.7;
    chain.layers[l].rightCols(1) = rng.split(100 + l).normal_matrix(widths[l + 1], 1);
  }
  chain.layers.back().leftCols(widths.end()[-2]) *= 10;
  return chain;
}

Problem teacher_problem(const Family& family, Rng rng) {
  Problem problem;
  const Index outputs = family.widths.back();
  problem.inputs = rng.split(1).normal_matrix(family.samples, family.widths.front());
  const Chain teacher = random_chain(family.widths, Vector::Zero(outputs), rng.split(2));
  problem.targets = split_output(teacher, lift(teacher, {}, problem.inputs, Matrix::Zero(family.samples, outputs)));
  problem.targets *= std::sqrt(static_cast<double>(problem.targets.size())) / problem.targets.norm();
  problem.targets += family.noise * rng.split(3).normal_matrix(family.samples, outputs);
  if (family.noise > 0) problem.optimum = shallow_optimum(problem.inputs, problem.targets, family.widths[1]).loss;
  problem.scale = (problem.targets.rowwise() - problem.targets.colwise().mean()).squaredNorm() / 2;
  return problem;
}

struct Score {
  double fraction, median;
};

// Of (loss − optimum) / scale: the fraction within 1e-3, the median.
Score score(std::vector<double> excess) {
  std::sort(excess.begin(), excess.end());
  const auto within = std::upper_bound(excess.begin(), excess.end(), 1e-3) - excess.begin();
  return {static_cast<double>(within) / static_cast<double>(excess.size()), excess[excess.size() / 2]};
}

void print(const char* name, const Score& score, double seconds) {
  std::printf("  %-44s %6.3f   %9.2e   %7.2f ms\n", name, score.fraction, score.median, 1e3 * seconds);
}

// Adam from one start for so many seconds, drawn anew `restarts` times in that time; the least loss.
double adam_loss(const Problem& problem, const std::function<Chain(int)>& start, double rate, int restarts,
                 double seconds) {
  double least = std::numeric_limits<double>::infinity();
  for (int r = 0; r <= restarts; ++r) {
    Adam adam(start(r));
    const double end = cpu_seconds() + seconds / (restarts + 1);
    while (cpu_seconds() < end)
      for (int k = 0; k < 20; ++k) least = std::min(least, adam.step(problem.inputs, problem.targets, rate));
  }
  return least;
}

void tiny(int problems) {
  constexpr int kStarts = 20;
  const std::vector<Family> families = {{"2-4-1, 40 samples", {2, 4, 1}, 40, 0},
                                        {"3-5-2, 40 samples", {3, 5, 2}, 40, 0},
                                        {"2-3-3-1, 40 samples", {2, 3, 3, 1}, 40, 0},
                                        {"2-2-1, 8 samples, noise", {2, 2, 1}, 8, 0.1},
                                        {"1-3-1, 10 samples, noise", {1, 3, 1}, 10, 0.1}};
  std::printf("%d problems a family, %d starts each: fraction at the optimum, median excess, CPU time a start\n",
              problems, kStarts);
  for (const Family& family : families) {
    std::printf("%s\n", family.name);
    std::vector<Problem> set;
    for (int i = 0; i < problems; ++i) set.push_back(teacher_problem(family, Rng(1000 + static_cast<unsigned>(i))));
    // loss(problem, its number, s-th start) → score and mean CPU seconds
    const auto run = [&](const char* name,
                         const std::function<double(const Problem&, const std::function<Chain(int)>&)>& loss_of) {
      std::vector<double> excess;
      const double began = cpu_seconds();
      for (const Problem& problem : set)
        for (int s = 0; s < kStarts; ++s) {
          const auto start = [&](int again) {
            return random_chain(family.widths, problem.targets.colwise().mean().transpose(),
                                Rng(77).split(static_cast<unsigned>(1000 * again + s)));
          };
          excess.push_back((loss_of(problem, start) - problem.optimum) / problem.scale);
        }
      const double seconds = (cpu_seconds() - began) / static_cast<double>(excess.size());
      if (name) print(name, score(excess), seconds);
      return std::pair(score(excess), seconds);
    };
    const auto explicit_loss = [&](const ExplicitAlOptions& options) {
      return [options](const Problem& problem, const std::function<Chain(int)>& start) {
        return explicit_al(start(0), problem.inputs, problem.targets, options).log.back().residuals.true_loss;
      };
    };
    ExplicitAlOptions options;
    options.log_every = 0;
    const double seconds = run("ExplicitAl", explicit_loss(options)).second;
    for (const int restarts : {0, 3}) {
      Score best{-1, 0};
      double best_rate = 0;
      for (const double rate : {0.003, 0.01, 0.03, 0.1, 0.3}) {
        const Score now = run(nullptr, [&](const Problem& problem, const std::function<Chain(int)>& start) {
                            return adam_loss(problem, start, rate, restarts, seconds);
                          }).first;
        if (now.fraction > best.fraction || (now.fraction == best.fraction && now.median < best.median)) {
          best = now;
          best_rate = rate;
        }
      }
      const std::string name =
          "Adam, rate " + std::to_string(best_rate).substr(0, 5) + (restarts ? ", best of 4 starts in that time" : "");
      print(name.c_str(), best, seconds);
    }
    options.rounds = 1;
    run("ExplicitAl, one homotopy", explicit_loss(options));
    options.growth = 1.05;
    options.max_outer = 100;
    options.sweeps = 2;
    run("ExplicitAl, one slow homotopy (1.05, 2 sweeps)", explicit_loss(options));
    options.max_outer = 0;
    run("its polish alone", explicit_loss(options));
    options.rounds = 8;
    run("its polish and redrawn units alone", explicit_loss(options));
    std::fflush(stdout);
  }
}

void mnist(int outer) {
  constexpr int kEpochs = 8;
  const std::filesystem::path file = data_folder() / "mnist" / "train-images-idx3-ubyte.gz";
  if (!std::filesystem::exists(file)) {
    std::printf("no %s: nothing measured\n", file.c_str());
    return;
  }
  constexpr Index kSamples = 4000;
  constexpr Index kMeasurements = 100;
  Array images = read_idx(file);
  images.bytes.resize(kSamples * 784);
  images.shape = {kSamples, 784};
  const Matrix targets = images.to_matrix("images") / 255;
  const Matrix inputs = targets * Rng(3).normal_matrix(784, kMeasurements) / std::sqrt(double{kMeasurements});

  Adam adam(initial_chain({kMeasurements, 512, 512, 784}, targets.colwise().mean().transpose(), true, Rng(1)));
  double began = cpu_seconds();
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    double loss = 0;
    for (Index first = 0; first < kSamples; first += 100)
      loss += adam.step(inputs.middleRows(first, 100), targets.middleRows(first, 100), 1e-3);
    std::printf("Adam, epoch %d: loss %.1f, %.1f s\n", epoch + 1, loss, cpu_seconds() - began);
    std::fflush(stdout);
  }
  ExplicitAlOptions options;
  options.warm_start = true;
  options.rho = 1;
  options.rho_max = 1e6;
  options.rounds = 1;
  options.max_outer = outer;
  Context context;
  context.threads = 2;
  const ExplicitAlResult result = explicit_al(adam.chain(), inputs, targets, options, context);
  std::printf(
      "outer    seconds   split loss    true loss   max|c1|   max|c2|   KKT: stationarity  dual  complementarity   "
      "gradient\n");
  for (const ExplicitAlEntry& entry : result.log) {
    const KktResiduals& c = entry.residuals;
    std::printf("%5d %10.1f %12.3f %12.3f %9.2e %9.2e   %9.2e %9.2e %9.2e %9.3f\n", entry.outer, entry.seconds,
                c.split_loss, c.true_loss, c.violation[0], c.violation[1], c.stationarity, c.dual, c.complementarity,
                c.gradient_norm());
  }
}

}  // namespace
}  // namespace unrect

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const int count = argc > 2 ? std::atoi(argv[2]) : 0;
  if (what != "mnist") unrect::tiny(count > 0 ? count : 10);
  if (what != "tiny") unrect::mnist(count > 0 ? count : 24);
}
