// Every network in the data folder, at random points: its affine map must be the network.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/region/region.hpp"

namespace unrect {
namespace {

// ‖A x + c − M(x)‖ / ‖M(x)‖, the largest over `points` random points. UNRECT_POINTS sets their number.
double worst_error(const Network& network, int points) {
  Rng rng(1);
  double worst = 0;
  for (int k = 0; k < points; ++k) {
    const Vector x = rng.normal_vector(network.input_size());
    const Vector y = evaluate(network, x);
    const double error = (unrectify(network, x).affine_map()(x) - y).norm();
    if (error > 0) worst = std::max(worst, error / y.norm());
  }
  return worst;
}

TEST(RealNetworks, AffineMapEqualsTheForwardPass) {
  const std::filesystem::path folder = data_folder() / "onnx";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "no real networks at " << folder;
  const char* setting = std::getenv("UNRECT_POINTS");
  const int points = setting ? std::atoi(setting) : 1000;
  int loaded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    std::optional<Network> network;
    try {
      ImportOptions options;
      options.cut_softmax = true;
      network = read_network(entry.path(), options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      continue;
    }
    ++loaded;
    // The CIFAR networks cost a hundred times the others.
    const int count = network->input_size() >= 3072 ? std::max(points / 5, 1) : points;
    const double error = worst_error(*network, count);
    EXPECT_LT(error, 1e-9) << entry.path();
    if (setting) {
      std::cout << entry.path().filename().string() << ": " << count << " points, error " << error << '\n';
    }
  }
  EXPECT_GT(loaded, 60);
}

}  // namespace
}  // namespace unrect
