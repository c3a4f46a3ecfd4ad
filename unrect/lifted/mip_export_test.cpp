#include "unrect/lifted/mip_export.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/lifted/lifted.hpp"
#include "unrect/polytope/dense_lp.hpp"

namespace unrect {
namespace {

// The optimum that Cbc finds in a file of this ending; nothing if there is no Cbc.
std::optional<double> solved_by_cbc(const Mip& mip, const std::string& ending) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("unrect_mip_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / ("problem" + ending);
  const std::filesystem::path answer = folder / "answer";
  write_mip(file, mip);
  const std::string command = "cbc " + file.string() + " -ratioGap 0 -allowableGap 1e-9 -solve -solution " +
                              answer.string() + " > /dev/null 2>&1";
  const int code = std::system(command.c_str());
  std::optional<double> value;
  if (code != 0 || !std::filesystem::exists(answer)) {
    std::puts("no cbc on the path (Debian: coinor-cbc): its answer is not compared");
  } else {
    const std::string text = read_file(answer);
    EXPECT_EQ(text.rfind("Optimal", 0), 0U) << text.substr(0, 80);
    const std::size_t at = text.find("value ");
    if (at != std::string::npos) value = std::strtod(text.c_str() + at + 6, nullptr);
  }
  std::filesystem::remove_all(folder);
  return value;
}

Chain small_chain(const std::vector<Index>& widths, bool relu_output, unsigned seed) {
  Chain chain = initial_chain(widths, Vector::Constant(widths.back(), 0.1), relu_output, Rng(seed));
  for (std::size_t l = 0; l < chain.layers.size(); ++l)
    chain.layers[l] += 0.5 * Rng(seed + 1).split(l).normal_matrix(chain.layers[l].rows(), chain.layers[l].cols());
  return chain;
}

TEST(TrainingMip, WithFixedWeightsIsTheForwardPass) {
  for (const bool relu_output : {false, true}) {
    const Chain chain = small_chain({2, 3, 2, 2}, relu_output, 5);
    const Matrix inputs = Rng(1).normal_matrix(3, 2);
    const Matrix targets = Rng(2).normal_matrix(3, 2);
    const double forward = (split_output(chain, lift(chain, {}, inputs, targets)) - targets).cwiseAbs().sum();
    const Mip mip = training_mip(chain, inputs, targets, 0);
    for (const char* ending : {".mps", ".lp"}) {
      const std::optional<double> value = solved_by_cbc(mip, ending);
      EXPECT_NEAR(value.value_or(forward), forward, 1e-6);
    }
  }
}

// min over patterns of a linear program each: W̃_1 in its box, errors e, s⁺ = d z; rows of both kinds ≤.
double best_over_patterns(const Chain& chain, const Matrix& inputs, const Matrix& targets, double radius) {
  const Matrix& first = chain.layers[0];
  const Matrix& last = chain.layers[1];
  const Index weights = first.size();
  const Index samples = inputs.rows();
  Vector lower = Vector::Zero(weights + samples);
  Vector upper = Vector::Constant(weights + samples, 100);
  lower.head(weights) = Eigen::Map<const Vector>(first.data(), weights).array() - radius;
  upper.head(weights) = Eigen::Map<const Vector>(first.data(), weights).array() + radius;
  Vector cost = Vector::Zero(weights + samples);
  cost.tail(samples).setOnes();
  double best = 1e9;
  for (int pattern = 0; pattern < 1 << (samples * first.rows()); ++pattern) {
    DenseLp lp(Box{lower, upper});
    for (Index i = 0; i < samples; ++i) {
      Vector output = Vector::Zero(weights + samples);
      for (Index j = 0; j < first.rows(); ++j) {
        Vector z = Vector::Zero(weights + samples);
        z.segment(j * first.cols(), first.cols()) << inputs.row(i).transpose(), 1;
        const bool on = (pattern >> (i * first.rows() + j)) & 1;
        if (on) output += last(0, j) * z;
        lp.append_row(on ? Vector(-z) : z, 0);
      }
      const double right = targets(i, 0) - last(0, first.rows());
      output[weights + i] = -1;  // output − e ≤ right
      lp.append_row(output, right);
      output = -output;
      output[weights + i] = -1;
      lp.append_row(output, -right);
    }
    const LpResult& result = lp.minimize(cost);
    if (result.status == LpStatus::kOptimal) best = std::min(best, result.objective);
  }
  return best;
}

TEST(TrainingMip, FindsTheBestHiddenLayerThatPatternsFind) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    Chain chain = small_chain({2, 2, 1}, false, seed);
    chain.layers[1].leftCols(2) << 1, -1;
    const Matrix inputs = Rng(seed).split(1).normal_matrix(4, 2);
    const Matrix targets = 2 * Rng(seed).split(2).normal_matrix(4, 1);
    const double radius = 0.7;
    const double best = best_over_patterns(chain, inputs, targets, radius);
    const Mip mip = training_mip(chain, inputs, targets, radius);
    const double forward = (split_output(chain, lift(chain, {}, inputs, targets)) - targets).cwiseAbs().sum();
    EXPECT_LT(best, forward);
    for (const char* ending : {".mps", ".lp"}) {
      const std::optional<double> value = solved_by_cbc(mip, ending);
      EXPECT_NEAR(value.value_or(best), best, 1e-6);
    }
  }
}

TEST(TrainingMip, RefusesOtherFilesAndNegativeRadii) {
  const Chain chain = small_chain({1, 1, 1}, false, 1);
  const Matrix one = Matrix::Ones(1, 1);
  EXPECT_THROW(training_mip(chain, one, one, -1), Error);
  EXPECT_THROW(write_mip("problem.txt", training_mip(chain, one, one, 0)), Error);
}

}  // namespace
}  // namespace unrect
