// What a region costs, one thread: µs of processor time a region, beside what other programs were measured or published
// at (docs/benchmarks.md says which).
//
// UNRECT_DATA (default ../shared/data) may hold the real networks; without it random ones of the same shape stand in.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <functional>

#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {
namespace {

std::filesystem::path data(const std::string& file) { return data_folder() / file; }

Network network_or(const std::string& file, const std::vector<Index>& widths, benchmark::State& state) {
  if (std::filesystem::exists(data(file))) return read_network(data(file));
  state.SetLabel("random network of the same shape");
  return random_chain(widths, Rng(1), 0.3);
}

void count(benchmark::State& state, const Refinement& refinement, const RegionVisitor& visitor = {}) {
  std::uint64_t regions = 0;
  std::uint64_t exact = 0;
  for ([[maybe_unused]] auto _ : state) {
    const RegionCounts counts = visit_regions(refinement, visitor);
    regions += counts.regions;
    exact += counts.exact_decisions;
  }
  state.counters["regions"] = static_cast<double>(regions) / static_cast<double>(state.iterations());
  state.counters["exact"] = static_cast<double>(exact) / static_cast<double>(state.iterations());
  state.counters["s/region"] =
      benchmark::Counter(static_cast<double>(regions), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

Box cube(Index inputs, double radius) { return {Vector::Constant(inputs, -radius), Vector::Constant(inputs, radius)}; }

void BM_Count(benchmark::State& state, const char* file, const std::vector<Index>& widths, double radius) {
  const Network network = network_or(file, widths, state);
  count(state, Refinement(network, Domain(cube(network.input_size(), radius))));
}

// Vertices and the affine map of every region, handed to a visitor.
void BM_VerticesAndMaps(benchmark::State& state, const char* file, const std::vector<Index>& widths, double radius) {
  const Network network = network_or(file, widths, state);
  double sum = 0;
  count(state, Refinement(network, Domain(cube(network.input_size(), radius))), [&](RegionView& region) {
    sum += region.vertices()(0, 0) + region.map().constant[0];
    return true;
  });
  benchmark::DoNotOptimize(sum);
}

// The walls that bound each region, exactly.
void BM_Facets(benchmark::State& state, const char* file, const std::vector<Index>& widths, double radius) {
  const Network network = network_or(file, widths, state);
  std::size_t facets = 0;
  count(state, Refinement(network, Domain(cube(network.input_size(), radius))), [&](RegionView& region) {
    facets += region.facets().size();
    return true;
  });
  state.counters["facets"] = static_cast<double>(facets) / static_cast<double>(state.iterations());
}

void BM_Property(benchmark::State& state, const char* file, const char* property) {
  const Network network = network_or(file, {5, 50, 50, 50, 50, 50, 50, 5}, state);
  const Box box = std::filesystem::exists(data(property)) ? read_vnnlib(data(property)).cases[0].box : cube(5, 0.02);
  count(state, Refinement(network, Domain(box)));
}

BENCHMARK_CAPTURE(BM_Count, 2d_3x64, "partition/rand_2_3x64.npz", {2, 64, 64, 64, 1}, 1.0)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 2d_bunny_2x100, "partition/bunny_2_2x100.npz", {2, 100, 100, 1}, 0.5)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 2d_bunny_4x32, "partition/bunny_2_4x32.npz", {2, 32, 32, 32, 32, 1}, 0.5)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_VerticesAndMaps, 2d_3x64, "partition/rand_2_3x64.npz", {2, 64, 64, 64, 1}, 1.0)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 3d_2x12, "partition/rand_3_2x12.npz", {3, 12, 12, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 3d_vdp, "onnx/control/vdp.onnx", {3, 40, 40, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 4d_3x16, "partition/rand_4_3x16.npz", {4, 16, 16, 16, 1}, 1.0)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 4d_cartpole, "onnx/control/cartpole.onnx", {4, 64, 64, 4}, 0.3)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 5d_2x12, "partition/rand_5_2x12.npz", {5, 12, 12, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Property, acasxu_1_1_prop_3, "onnx/acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
                  "onnx/acasxu/prop_3.vnnlib")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Property, acasxu_1_1_prop_4, "onnx/acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
                  "onnx/acasxu/prop_4.vnnlib")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 8d_2x10, "partition/rand_8_2x10.npz", {8, 10, 10, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Count, 10d_3x8, "partition/rand_10_3x8.npz", {10, 8, 8, 8, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Facets, 8d_2x10, "partition/rand_8_2x10.npz", {8, 10, 10, 1}, 1.0)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Facets, 10d_3x8, "partition/rand_10_3x8.npz", {10, 8, 8, 8, 1}, 1.0)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace unrect

BENCHMARK_MAIN();
