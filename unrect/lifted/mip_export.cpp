#include "unrect/lifted/mip_export.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A fed value of one sample: a number (variable −1), or a variable between bounds.
struct Fed {
  int variable = -1;
  double lower = 0, upper = 0;
};

// Σ terms + constant, between bounds.
struct LinearForm {
  std::vector<std::pair<int, double>> terms;
  double constant = 0, lower = 0, upper = 0;

  void add(double coefficient, const Fed& value) {
    if (value.variable >= 0)
      terms.emplace_back(value.variable, coefficient);
    else
      constant += coefficient * value.lower;
    lower += coefficient * (coefficient > 0 ? value.lower : value.upper);
    upper += coefficient * (coefficient > 0 ? value.upper : value.lower);
  }
};

}  // namespace

Mip training_mip(const Chain& chain, const MatrixRef& inputs, const MatrixRef& targets, double radius) {
  UNRECT_REQUIRE(radius >= 0, ErrorCode::kInvalidArgument, "radius is {}; expected ≥ 0", radius);
  UNRECT_REQUIRE(
      inputs.rows() == targets.rows() && inputs.cols() == chain.input_size() && targets.cols() == chain.output_size(),
      ErrorCode::kInvalidArgument, "samples {} × {} → {} × {} for a chain {} → {}", inputs.rows(), inputs.cols(),
      targets.rows(), targets.cols(), chain.input_size(), chain.output_size());
  Mip mip;
  const Matrix& first = chain.layers.front();
  if (radius > 0)
    for (Index j = 0; j < first.rows(); ++j)
      for (Index k = 0; k < first.cols(); ++k)
        mip.add(fmt::format("w_{}_{}", j, k), first(j, k) - radius, first(j, k) + radius);

  for (Index i = 0; i < inputs.rows(); ++i) {
    std::vector<Fed> fed;
    for (const double value : inputs.row(i)) fed.push_back({-1, value, value});
    for (std::size_t l = 0; l < chain.layers.size(); ++l) {
      const Matrix& layer = chain.layers[l];
      const bool relu = l + 1 < chain.layers.size() || chain.relu_output;
      fed.push_back({-1, 1, 1});
      std::vector<Fed> next;
      for (Index j = 0; j < layer.rows(); ++j) {
        const std::string place = fmt::format("{}_{}_{}", l + 1, i, j);
        LinearForm z;
        for (Index k = 0; k < layer.cols(); ++k) {
          const Fed& value = fed[static_cast<std::size_t>(k)];
          if (l == 0 && radius > 0)
            z.add(value.lower, {static_cast<int>(j * layer.cols() + k), layer(j, k) - radius, layer(j, k) + radius});
          else
            z.add(layer(j, k), value);
        }
        Mip::Row affine{"c1_" + place, z.terms, true, -z.constant};  // Σ − (s⁺ − s⁻) = −constant
        if (relu) {
          const double most = std::max(0.0, z.upper);
          const double least = std::max(0.0, -z.lower);
          const int s_plus = mip.add("p_" + place, 0, most);
          const int s_minus = mip.add("q_" + place, 0, least);
          const int d = mip.add("d_" + place, 0, 1, 0, true);
          affine.terms.emplace_back(s_plus, -1);
          affine.terms.emplace_back(s_minus, 1);
          mip.rows.push_back({"c3_" + place, {{s_plus, 1}, {d, -most}}, false, 0});
          mip.rows.push_back({"c4_" + place, {{s_minus, 1}, {d, least}}, false, least});
          next.push_back({s_plus, 0, most});
        } else {
          const int value = mip.add("y_" + place, -kInfinity, kInfinity);
          affine.terms.emplace_back(value, -1);
          next.push_back({value, z.lower, z.upper});
        }
        mip.rows.push_back(std::move(affine));
      }
      fed = std::move(next);
    }
    for (Index k = 0; k < targets.cols(); ++k) {
      const int over = mip.add(fmt::format("over_{}_{}", i, k), 0, kInfinity, 1);
      const int under = mip.add(fmt::format("under_{}_{}", i, k), 0, kInfinity, 1);
      mip.rows.push_back({fmt::format("error_{}_{}", i, k),
                          {{fed[static_cast<std::size_t>(k)].variable, 1}, {over, -1}, {under, 1}},
                          true,
                          targets(i, k)});
    }
  }
  return mip;
}

}  // namespace unrect
