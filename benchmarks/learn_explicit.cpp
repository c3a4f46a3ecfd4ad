// ExplicitAl beside Adam, at equal processor time.
#include <Eigen/Dense>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "unrect/base/rng.hpp"
#include "unrect/learn/explicit_al.hpp"
#include "unrect/learn/pattern_oracle.hpp"
#include "unrect/learn/polish.hpp"

namespace unrect {
namespace {

struct Problem {
  Matrix inputs, targets;
  std::vector<Index> widths;
  double optimum = 0;
  double scale = 1;  // ½‖X − mean‖²
};

double now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Chain random_start(const std::vector<Index>& widths, const Vector& bias, Rng rng) {
  Chain chain = initial_chain(widths, bias, false, rng);
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const bool last = l + 2 == widths.size();
    chain.layers[l] *= last ? 10 : 1 / 0.7;
    if (last)
      chain.layers[l].rightCols(1) = bias;
    else
      chain.layers[l].rightCols(1) = rng.split(100 + l).normal_matrix(widths[l + 1], 1);
  }
  return chain;
}

Problem problem(int family, std::uint64_t seed) {
  Rng rng(seed);
  Problem p;
  Index samples = 40;
  double noise = 0;
  if (family == 0) p.widths = {2, 4, 1};
  if (family == 1) p.widths = {3, 5, 2};
  if (family == 2) p.widths = {2, 2, 1}, samples = 8, noise = 0.1;
  if (family == 3) p.widths = {1, 3, 1}, samples = 10, noise = 0.1;
  if (family == 4) p.widths = {2, 3, 3, 1};
  p.inputs = rng.split(1).normal_matrix(samples, p.widths.front());
  const Chain teacher = random_start(p.widths, Vector::Zero(p.widths.back()), rng.split(2));
  const LiftedSamples forward =
      lift(teacher, {}, p.inputs, Matrix::Zero(samples, p.widths.back()));
  p.targets = split_output(teacher, forward);
  p.targets /= std::sqrt(p.targets.squaredNorm() / static_cast<double>(p.targets.size()));
  p.targets += noise * rng.split(3).normal_matrix(samples, p.widths.back());
  if (noise > 0) p.optimum = shallow_optimum(p.inputs, p.targets, p.widths[1]).loss;
  p.scale = (p.targets.rowwise() - p.targets.colwise().mean()).squaredNorm() / 2;
  return p;
}

// Full batch, buffers reused.
class Adam {
 public:
  Adam(Chain chain, const Problem& problem) : chain_(std::move(chain)), problem_(problem) {
    for (const Matrix& layer : chain_.layers) {
      first_.push_back(Matrix::Zero(layer.rows(), layer.cols()));
      second_.push_back(first_.back());
    }
    a_.resize(chain_.layers.size() + 1);
    a_[0] = problem.inputs;
    best_ = chain_;
  }
  double step(double rate) {
    const std::size_t depth = chain_.layers.size();
    for (std::size_t l = 0; l < depth; ++l) {
      a_[l + 1].noalias() = a_[l] * chain_.layers[l].leftCols(a_[l].cols()).transpose();
      a_[l + 1].rowwise() += chain_.layers[l].rightCols(1).transpose().row(0);
      if (l + 1 < depth) a_[l + 1] = a_[l + 1].cwiseMax(0);
    }
    adjoint_ = a_[depth] - problem_.targets;
    const double loss = adjoint_.squaredNorm() / 2;
    if (loss < loss_) loss_ = loss, best_ = chain_;
    ++t_;
    const double c1 = 1 - std::pow(0.9, t_);
    const double c2 = 1 - std::pow(0.999, t_);
    for (std::size_t l = depth; l-- > 0;) {
      gradient_.resize(chain_.layers[l].rows(), chain_.layers[l].cols());
      gradient_.leftCols(a_[l].cols()).noalias() = adjoint_.transpose() * a_[l];
      gradient_.rightCols(1) = adjoint_.colwise().sum().transpose();
      if (l > 0) {
        back_.noalias() = adjoint_ * chain_.layers[l].leftCols(a_[l].cols());
        adjoint_ = (a_[l].array() > 0).select(back_, 0.0);
      }
      first_[l] += 0.1 * (gradient_ - first_[l]);
      second_[l] += 0.001 * (gradient_.cwiseProduct(gradient_) - second_[l]);
      chain_.layers[l].array() -= rate / c1 * first_[l].array() / ((second_[l].array() / c2).sqrt() + 1e-8);
    }
    return loss_;
  }
  const Chain& best() const { return best_; }
  double loss() const { return loss_; }

 private:
  Chain chain_, best_;
  const Problem& problem_;
  std::vector<Matrix> first_, second_, a_;
  Matrix adjoint_, back_, gradient_;
  double loss_ = 1e300;
  int t_ = 0;
};

double arg(int argc, char** argv, const std::string& name, double fallback) {
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]).rfind(name + "=", 0) == 0) return std::atof(argv[i] + name.size() + 1);
  return fallback;
}

struct Score {
  std::vector<double> relative;
  double seconds = 0;
  double fraction() const {
    return static_cast<double>(std::count_if(relative.begin(), relative.end(), [](double r) { return r < 1e-3; })) /
           static_cast<double>(relative.size());
  }
  double median() {
    std::nth_element(relative.begin(), relative.begin() + static_cast<long>(relative.size() / 2), relative.end());
    return relative[relative.size() / 2];
  }
};

void explore(int argc, char** argv) {
  const int problems = static_cast<int>(arg(argc, argv, "problems", 10));
  const int starts = static_cast<int>(arg(argc, argv, "starts", 20));
  const int only = static_cast<int>(arg(argc, argv, "family", -1));
  for (int family = 0; family < 5; ++family) {
    if (only >= 0 && family != only) continue;
    std::vector<Problem> set;
    double t0 = now();
    for (int i = 0; i < problems; ++i) set.push_back(problem(family, 1000 + i));
    std::printf("family %d (made in %.2f s)\n", family, now() - t0);
    ExplicitAlOptions options;
    options.log_every = 0;
    options.rho = arg(argc, argv, "rho", 0.01);
    options.rho_max = arg(argc, argv, "rho_max", 1);
    options.growth = arg(argc, argv, "growth", 1.05);
    options.sweeps = static_cast<int>(arg(argc, argv, "sweeps", 2));
    options.max_outer = static_cast<int>(arg(argc, argv, "outer", 150));
    options.rounds = static_cast<int>(arg(argc, argv, "rounds", 1));
    options.tau = arg(argc, argv, "tau", 0);
    options.warm_start = arg(argc, argv, "warm", 0) > 0;
    options.blocks = arg(argc, argv, "literal", 0) > 0 ? ExplicitAlOptions::Blocks::kLiteral : ExplicitAlOptions::Blocks::kJoint;
    options.polish_steps = static_cast<int>(arg(argc, argv, "polish", 200));
    options.multiplier_bound = arg(argc, argv, "bound", 1e4);
    Score al, al_raw, polished;
    int stationary = 0;
    for (const Problem& p : set)
      for (int s = 0; s < starts; ++s) {
        const Chain start = random_start(p.widths, p.targets.colwise().mean().transpose(), Rng(77).split(s));
        t0 = now();
        const ExplicitAlResult r = explicit_al(start, p.inputs, p.targets, options);
        al.seconds += now() - t0;
        const Certificate& c = r.log.back().certificate;
        al.relative.push_back((c.true_loss - p.optimum) / p.scale);
        stationary += c.kkt() <= 1e-6;
        if (std::getenv("KINK") && c.kkt() > 1e-6)
          std::printf("kkt p %.2e s %.2e d %.2e c %.2e grad %.2e loss %.8f ambiguous %ld\n", c.primal, c.stationarity, c.dual, c.complementarity, c.gradient_norm(), c.true_loss, (long)c.ambiguous);
        t0 = now();
        const Chain direct = polish(start, {}, p.inputs, p.targets, 2000, 1e-6).chain;
        polished.seconds += now() - t0;
        polished.relative.push_back((certify(direct, {}, {lift(direct, {}, p.inputs, p.targets)}).true_loss - p.optimum) / p.scale);
      }
    const double each = al.seconds / static_cast<double>(al.relative.size());
    std::printf("  AL     %.3f  median %.5f  (%.2f ms each, stationary %.2f)\n", al.fraction(), al.median(), 1e3 * each,
                stationary / static_cast<double>(al.relative.size()));
    std::printf("  polish %.3f  median %.5f  (%.2f ms each)\n", polished.fraction(), polished.median(),
                1e3 * polished.seconds / static_cast<double>(al.relative.size()));
    if (arg(argc, argv, "adam", 1) > 0)
      for (const double rate : {0.003, 0.01, 0.03, 0.1}) {
        Score adam, adam_polished;
        long steps = 0;
        for (const Problem& p : set)
          for (int s = 0; s < starts; ++s) {
            Adam run(random_start(p.widths, p.targets.colwise().mean().transpose(), Rng(77).split(s)), p);
            t0 = now();
            while (now() - t0 < each)
              for (int k = 0; k < 20; ++k, ++steps) run.step(rate);
            adam.relative.push_back((run.loss() - p.optimum) / p.scale);
            const Chain direct = polish(run.best(), {}, p.inputs, p.targets, 200, 1e-6).chain;
            adam_polished.relative.push_back((certify(direct, {}, {lift(direct, {}, p.inputs, p.targets)}).true_loss - p.optimum) / p.scale);
          }
        std::printf("  adam %.3f: %.3f  median %.5f  (%ld steps)  then polished %.3f median %.5f\n", rate, adam.fraction(), adam.median(),
                    steps / static_cast<long>(adam.relative.size()), adam_polished.fraction(), adam_polished.median());
      }
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace unrect

int main(int argc, char** argv) { unrect::explore(argc, argv); }
