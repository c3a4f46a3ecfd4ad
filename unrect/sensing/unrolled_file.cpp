// What of a recovery network is learned, as ONNX.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/sensing/unrolled.hpp"
#include "unrect/signal/blocks.hpp"

namespace unrect {
namespace {

constexpr Index kPlane = 32;
constexpr const char* kMean = "unrect.mean";
constexpr const char* kLags = "unrect.covariances";  // C(0, 0), C(0, 1), …, a square row by row

// The numbers of a text; empty if there is anything else in it.
std::vector<double> numbers(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> values;
  for (double value = 0; in >> value;) values.push_back(value);
  return in.eof() ? values : std::vector<double>{};
}

}  // namespace

void write_unrolled(const std::filesystem::path& path, const Unrolled& unrolled, const Metadata& about) {
  const Matrix& lags = unrolled.statistics.lags;
  Metadata metadata = about;
  metadata[kMean] = fmt::format("{:.9g}", unrolled.statistics.mean);
  metadata[kLags] = fmt::format("{:.9g}", fmt::join(lags.data(), lags.data() + lags.size(), " "));
  write_file(path, format_onnx(unrolled.learned(kPlane, kPlane), ExportPrecision::kFloat32, metadata));
}

Unrolled read_unrolled(const std::filesystem::path& path) {
  const std::string bytes = read_file(path), name = path.string();
  const Metadata metadata = parse_onnx_metadata(bytes, name);
  UNRECT_REQUIRE(metadata.contains(kMean) && metadata.contains(kLags), ErrorCode::kFormat,
                 "{}: no '{}' and '{}' in its metadata; expected a recovery network that unrect train wrote", name,
                 kMean, kLags);
  const std::vector<double> mean = numbers(metadata.at(kMean)), lags = numbers(metadata.at(kLags));
  const Index side = block_side(static_cast<Index>(lags.size()));
  UNRECT_REQUIRE(mean.size() == 1 && side >= 1 && lags[0] > 0 &&
                     std::ranges::all_of(lags, [](double v) { return std::isfinite(v); }) && std::isfinite(mean[0]),
                 ErrorCode::kFormat,
                 "{}: '{}' has {} numbers and '{}' {}; expected one, and a square of finite ones, the first above 0",
                 name, kMean, mean.size(), kLags, lags.size());
  const Network network = parse_onnx(bytes, name, {.fold = false});
  try {
    return unrolled_of(network, convolutions(network), {mean[0], Eigen::Map<const Matrix>(lags.data(), side, side)});
  } catch (const Error& error) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace unrect
