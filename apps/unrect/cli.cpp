#include "cli.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"

namespace unrect::cli {

void NetworkOptions::add_to(CLI::App& verb) {
  verb.add_option("NETWORK", file, "network: .onnx, or .npz with W0, b0, W1, b1, …")->required();
  verb.add_flag("--cut-softmax", import.cut_softmax, "drop a Softmax that ends the network");
}

Vector parse_vector(const std::string& text, const std::string& what) {
  if (text.ends_with(".npy")) return read_npy(text).to_vector();
  std::vector<double> values;
  const char *at = text.data(), *const end = at + text.size();
  while (at <= end) {
    while (at < end && *at == ' ') ++at;
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    UNRECT_REQUIRE(error == std::errc() && std::isfinite(value), ErrorCode::kInvalidArgument,
                   "{}: entry {} of \"{}\" is not a finite number; expected numbers such as \"0.1,-2\" or an .npy file",
                   what, values.size() + 1, text.size() > 60 ? text.substr(0, 57) + "…" : text);
    values.push_back(value);
    at = next;
    while (at < end && *at == ' ') ++at;
    if (at == end) break;
    UNRECT_REQUIRE(*at == ',', ErrorCode::kInvalidArgument, "{}: found '{}' after entry {}, expected a comma", what,
                   *at, values.size());
    ++at;
  }
  return Eigen::Map<const Vector>(values.data(), static_cast<Index>(values.size()));
}

Box parse_box(const std::string& text, Index inputs) {
  const Vector values = parse_vector(text, "--box");
  UNRECT_REQUIRE(values.size() == 2 || values.size() == 2 * inputs, ErrorCode::kInvalidArgument,
                 "--box: {} numbers, expected LO,HI for all inputs or {} for {} intervals", values.size(), 2 * inputs,
                 inputs);
  Vector lower(inputs), upper(inputs);
  for (Index j = 0; j < inputs; ++j) {
    const Index at = values.size() == 2 ? 0 : 2 * j;
    lower[j] = values[at];
    upper[j] = values[at + 1];
  }
  return Box(std::move(lower), std::move(upper));
}

std::string shape_text(const Shape& shape) { return shape.empty() ? "1" : fmt::format("{}", fmt::join(shape, "×")); }

}  // namespace unrect::cli
