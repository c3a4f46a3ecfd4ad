// What it costs to open a network at a point, beside the matrix products that this cannot do without.
//
// UNRECT_DATA (default ../shared/data) may hold the real networks; without it random ones of the same shape stand in.
#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "unrect/base/internal/data_folder.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/facets.hpp"
#include "unrect/region/region.hpp"

namespace unrect {
namespace {

Network real_or(const char* file, const std::function<Network()>& stand_in, benchmark::State& state) {
  const std::filesystem::path path = data_folder() / file;
  if (std::filesystem::exists(path)) return read_network(path);
  state.SetLabel("random network of the same shape");
  return stand_in();
}

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Ours and the peer in turn; the iteration's time is ours, `ratio` is ours over theirs in the same run.
template <class Ours, class Theirs>
void compare(benchmark::State& state, const Ours& ours, const Theirs& theirs) {
  double mine = 0, peer = 0;
  for ([[maybe_unused]] auto _ : state) {
    const double lap = seconds_of(ours);
    state.SetIterationTime(lap);
    mine += lap;
    peer += seconds_of(theirs);
  }
  state.counters["ratio"] = mine / peer;
}

Network mnistfc(benchmark::State& state) {
  return real_or(
      "onnx/mnistfc/mnist-net_256x4.onnx",
      [] {
        return random_chain({784, 256, 256, 256, 256, 10}, Rng(1));
      },
      state);
}

// W_1 … W_L and the active units, as the bare products need them.
struct Products {
  std::vector<Matrix> weights;  // inactive columns left out
  std::vector<std::vector<Index>> active;
};

Products bare_products(const Network& network, const Region& region) {
  Products p;
  std::vector<Index> active;
  std::size_t layer = 0;
  for (const Node& node : network.nodes()) {
    if (const Dense* dense = std::get_if<Dense>(node.op.get())) {
      if (layer == 0) {
        p.weights.push_back(dense->weight);
      } else {
        p.weights.push_back(dense->weight(Eigen::all, active));
      }
    } else if (is_piecewise(*node.op)) {
      active.clear();
      const auto& pieces = region.configuration().layers[layer++];
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (pieces[i]) active.push_back(static_cast<Index>(i));
      }
      p.active.push_back(active);
    }
  }
  return p;
}

// Configuration, affine map and the whole polytope (P_l of every layer) against the products W_l P_{l−1} over active
// units.
void BM_RegionOfMnistfc(benchmark::State& state) {
  const Network network = mnistfc(state);
  const Vector x = Rng(2).uniform_vector(784, 0, 1);
  const Products p = bare_products(network, unrectify(network, x));
  std::vector<Matrix> inputs;
  for (std::size_t l = 1; l < p.weights.size(); ++l) {
    inputs.push_back(Rng(l).normal_matrix(static_cast<Index>(p.active[l - 1].size()), 784));
  }
  compare(
      state, [&] { benchmark::DoNotOptimize(unrectify(network, x).affine_map_and_polytope()); },
      [&] {
        benchmark::DoNotOptimize(evaluate(network, x));
        for (std::size_t l = 1; l < p.weights.size(); ++l)
          benchmark::DoNotOptimize(Matrix(p.weights[l] * inputs[l - 1]));
      });
}
BENCHMARK(BM_RegionOfMnistfc)->UseManualTime()->Unit(benchmark::kMicrosecond);

// Configuration and affine map alone: 10 rows backwards, against the forward pass and the products U_l W_l.
void BM_MapOfMnistfc(benchmark::State& state) {
  const Network network = mnistfc(state);
  const Vector x = Rng(2).uniform_vector(784, 0, 1);
  std::vector<Matrix> weights, rows;
  for (const Node& node : network.nodes()) {
    if (const Dense* dense = std::get_if<Dense>(node.op.get())) weights.push_back(dense->weight);
  }
  for (const Matrix& w : weights) rows.push_back(Rng(3).normal_matrix(10, w.rows()));
  const Evaluator<double> forward(network);
  const Matrix row = x.transpose();
  compare(
      state, [&] { benchmark::DoNotOptimize(unrectify(network, x).affine_map()); },
      [&] {
        benchmark::DoNotOptimize(forward(row));  // the configuration
        for (std::size_t l = 0; l + 1 < weights.size(); ++l) benchmark::DoNotOptimize(Matrix(rows[l] * weights[l]));
      });
}
BENCHMARK(BM_MapOfMnistfc)->UseManualTime()->Unit(benchmark::kMicrosecond);

// Facets of a region of ACAS Xu 1-1 (300 inequalities in 5 dimensions), over 100 regions in turn.
void BM_FacetsOfAcasXu(benchmark::State& state) {
  const Network network = real_or(
      "onnx/acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
      [] {
        return random_chain({5, 50, 50, 50, 50, 50, 50, 5}, Rng(1));
      },
      state);
  std::vector<Halfspaces> cells;
  std::vector<Vector> centers;
  Rng rng(4);
  while (cells.size() < 100) {
    const Halfspaces q = unrectify(network, rng.uniform_vector(5, -0.5, 0.5)).polytope().halfspaces;
    const Ball ball = chebyshev_ball(q);
    if (ball.radius <= 0) continue;
    cells.push_back(q);
    centers.push_back(ball.center);
  }
  std::size_t next = 0, found = 0, calls = 0;
  for ([[maybe_unused]] auto _ : state) {
    found += facets(cells[next], centers[next]).size();
    ++calls;
    next = (next + 1) % cells.size();
  }
  state.counters["facets"] = static_cast<double>(found) / static_cast<double>(calls);
}
BENCHMARK(BM_FacetsOfAcasXu)->Unit(benchmark::kMicrosecond);

Network resnet(benchmark::State& state) {
  return real_or(
      "onnx/cifar/resnet_2b.onnx", [] { return random_residual(3, 32, 10, Rng(1)); }, state);
}

// A_d v against a forward pass, the configuration being known.
void BM_JacobianTimesVector(benchmark::State& state) {
  const Network network = resnet(state);
  Rng rng(5);
  const Vector x = rng.normal_vector(network.input_size());
  const Matrix v = rng.normal_matrix(network.input_size(), 1);
  const Region region = unrectify(network, x);
  const Evaluator<double> forward(network);
  const Matrix row = x.transpose();
  compare(
      state, [&] { benchmark::DoNotOptimize(region.multiply(v)); }, [&] { benchmark::DoNotOptimize(forward(row)); });
}
BENCHMARK(BM_JacobianTimesVector)->UseManualTime()->Unit(benchmark::kMicrosecond);

// A_dᵀ u against a forward pass.
void BM_JacobianTransposedTimesVector(benchmark::State& state) {
  const Network network = resnet(state);
  Rng rng(6);
  const Vector x = rng.normal_vector(network.input_size());
  const Matrix u = rng.normal_matrix(network.output_size(), 1);
  const Region region = unrectify(network, x);
  const Evaluator<double> forward(network);
  const Matrix row = x.transpose();
  compare(
      state, [&] { benchmark::DoNotOptimize(region.multiply_transposed(u)); },
      [&] { benchmark::DoNotOptimize(forward(row)); });
}
BENCHMARK(BM_JacobianTransposedTimesVector)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace unrect

BENCHMARK_MAIN();
