// Recovery of MNIST digits from m Gaussian measurements: FeasibleAl against our Adam and, where libtorch is installed,
// libtorch's Adam. Same data, same start weights, same batch size, one after another in one process.
//
//   recovery MNIST_FOLDER [m] [hidden layers] [samples] [seeds] [threads] [adam epochs] [adam rate] [feasible epochs]
//            [feasible rate] [feasible decay] [libtorch epochs]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/train/internal/gemm.hpp"
#include "unrect/train/samples.hpp"
#include "unrect/train/train.hpp"
#include "unrect/view/table.hpp"

#ifdef UNRECT_TORCH
#include "torch_adam.hpp"
#endif

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Sets {
  Samples train, validation, test;
};

FloatMatrix images(const std::string& path) {
  const Array array = read_idx(path);
  const Vector values = array.to_vector();
  return (Eigen::Map<const Matrix>(values.data(), array.shape[0], values.size() / array.shape[0]) / 255).cast<float>();
}

Sets read_sets(const std::string& folder, Index m, Index count, std::uint64_t seed) {
  const FloatMatrix all = images(folder + "/train-images-idx3-ubyte.gz");
  const FloatMatrix test = images(folder + "/t10k-images-idx3-ubyte.gz");
  const FloatMatrix phi =
      (Rng(seed).split(1).normal_matrix(m, all.cols()) / std::sqrt(static_cast<double>(m))).cast<float>();
  const std::vector<Index> order = permutation(all.rows(), Rng(seed).split(2));
  constexpr Index kHeldOut = 1000;
  const auto sensed = [&](const FloatMatrix& x) {
    FloatMatrix y(x.rows(), m);
    gemm(x, Transpose::kNo, phi, Transpose::kYes, y);
    return Samples{y, x};
  };
  const Index last = std::min(count + kHeldOut, all.rows());
  return {sensed(all(std::vector<Index>(order.begin() + kHeldOut, order.begin() + last), Eigen::all)),
          sensed(all(std::vector<Index>(order.begin(), order.begin() + kHeldOut), Eigen::all)), sensed(test)};
}

// A training seen from outside: losses after every epoch, and the time without what looking cost.
struct Course {
  std::string name;
  std::vector<double> seconds, train, test;  // an epoch; losses are mean squared errors a pixel

  double psnr() const { return -10 * std::log10(test.back()); }
  // When a loss first falls to `target`, interpolated within the epoch in the logarithm; infinity if never.
  double time_to(double target, const std::vector<double>& losses) const {
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (losses[i] > target) continue;
      if (i == 0) return seconds[0];
      const double part = std::log(losses[i - 1] / target) / std::log(losses[i - 1] / losses[i]);
      return seconds[i - 1] + part * (seconds[i] - seconds[i - 1]);
    }
    return std::numeric_limits<double>::infinity();
  }
};

Course course(const Network& start, const Sets& sets, const TrainOptions& options, const Context& context) {
  Course result{std::string(name_of(options.method)), {}, {}, {}};
  double looking = 0;
  train(start, sets.train, sets.validation, options, context, {}, [&](const EpochLog& line, const Network& network) {
    result.seconds.push_back(line.seconds - looking);
    const Clock::time_point begin = Clock::now();
    result.train.push_back(score(network, sets.train, {}, context).squared_error);
    result.test.push_back(score(network, sets.test, {}, context).squared_error);
    looking += seconds_since(begin);
  });
  return result;
}

// GF/s of a large product on one thread: the most this machine gives.
double peak() {
  const FloatMatrix a = FloatMatrix::Constant(2048, 2048, 0.5F);
  FloatMatrix c(2048, 2048);
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const Clock::time_point begin = Clock::now();
    gemm(a, Transpose::kNo, a, Transpose::kNo, c);
    best = std::max(best, 2 * std::pow(2048.0, 3) / seconds_since(begin) * 1e-9);
  }
  return best;
}

// Floating-point operations of an epoch: forward and both backward products, and the metric's.
double work(const std::vector<Index>& widths, Index samples, Index batch, bool metric) {
  double sum = 0;
  const double n = static_cast<double>(samples), steps = n / static_cast<double>(batch);
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const double in = static_cast<double>(widths[l - 1] + 1), out = static_cast<double>(widths[l]);
    sum += (l == 1 ? 4 : 6) * n * in * out;
    if (metric)
      sum += steps * (2 * std::min(out, static_cast<double>(batch)) * in * in +
                      (2 * static_cast<double>(batch) * in * in + in * in * in) / 10);
  }
  return sum;
}

int run(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "recovery MNIST_FOLDER [m] [hidden layers] [samples] [seeds] [threads] …\n");
    return 2;
  }
  const auto number = [&](int i, double otherwise) { return argc > i ? std::atof(argv[i]) : otherwise; };
  const Index m = static_cast<Index>(number(2, 100)), hidden = static_cast<Index>(number(3, 2));
  const Index samples = static_cast<Index>(number(4, 20000));
  const int seeds = static_cast<int>(number(5, 1)), threads = static_cast<int>(number(6, 1));
  TrainOptions adam, feasible;
  adam.method = Method::kAdam;
  adam.epochs = static_cast<int>(number(7, 30));
  adam.rate = number(8, 0);
  feasible.epochs = static_cast<int>(number(9, 10));
  feasible.rate = number(10, 0);
  feasible.decay = number(11, 0);
  std::vector<Index> widths{m};
  widths.insert(widths.end(), static_cast<std::size_t>(hidden), 512);
  widths.push_back(784);
  const double top = peak() * threads;
  fmt::print("m = {}, {} layers, {} samples, {} threads; peak of one thread {:.0f} GF/s\n", m, hidden + 1, samples,
             threads, top / threads);
  Table table;
  table.header = {"seed",      "method",    "epochs",          "s/epoch",       "of peak",
                  "train MSE", "test PSNR", "to Adam's train", "to Adam's test"};
  for (int seed = 0; seed < seeds; ++seed) {
    const Sets sets = read_sets(argv[1], m, samples, static_cast<std::uint64_t>(seed));
    const Network start =
        to_network(initial_chain(widths, sets.train.targets.colwise().mean().cast<double>().transpose(), true,
                                 Rng(static_cast<std::uint64_t>(seed)).split(3)));
    Context context;
    context.threads = threads;
    context.seed = static_cast<std::uint64_t>(seed);
    std::vector<Course> courses{course(start, sets, adam, context), course(start, sets, feasible, context)};
#ifdef UNRECT_TORCH
    const int torch_epochs = static_cast<int>(number(12, adam.epochs));
    if (torch_epochs > 0) {
      const TorchCourse torch =
          torch_adam(to_chain(start), sets.train, sets.test, torch_epochs, adam.batch, adam.rate_of(hidden + 1),
                     adam.warm_up, threads, static_cast<std::uint64_t>(seed));
      courses.push_back({"libtorch adam", torch.seconds, torch.train, torch.test});
    }
#endif
    const Course& reference = courses[0];
    for (const Course& c : courses) {
      const double epoch = c.seconds.back() / static_cast<double>(c.seconds.size());
      const double flops = work(widths, sets.train.size(), 500, c.name == "feasible-al");
      const auto share = [&](double time) {
        return std::isfinite(time) ? fmt::format("{:.0f} %", 100 * time / reference.seconds.back()) : "never";
      };
      table.rows.push_back({std::to_string(seed), c.name, std::to_string(c.seconds.size()),
                            fmt::format("{:.3f}", epoch), fmt::format("{:.0f} %", 100 * flops / epoch * 1e-9 / top),
                            fmt::format("{:.5f}", c.train.back()), fmt::format("{:.2f}", c.psnr()),
                            share(c.time_to(reference.train.back(), c.train)),
                            share(c.time_to(reference.test.back(), c.test))});
    }
  }
  fmt::print("{}", to_text(table));
  return 0;
}

}  // namespace
}  // namespace unrect

int main(int argc, char** argv) { return unrect::run(argc, argv); }
