#include "unrect/lifted/mip_export.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int add(Mip& mip, std::string name, double lower, double upper, double cost = 0, bool integer = false) {
  mip.variables.push_back({std::move(name), lower, upper, cost, integer});
  return static_cast<int>(mip.variables.size()) - 1;
}

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
        add(mip, fmt::format("w_{}_{}", j, k), first(j, k) - radius, first(j, k) + radius);

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
          const int s_plus = add(mip, "p_" + place, 0, most);
          const int s_minus = add(mip, "q_" + place, 0, least);
          const int d = add(mip, "d_" + place, 0, 1, 0, true);
          affine.terms.emplace_back(s_plus, -1);
          affine.terms.emplace_back(s_minus, 1);
          mip.rows.push_back({"c3_" + place, {{s_plus, 1}, {d, -most}}, false, 0});
          mip.rows.push_back({"c4_" + place, {{s_minus, 1}, {d, least}}, false, least});
          next.push_back({s_plus, 0, most});
        } else {
          const int value = add(mip, "y_" + place, -kInfinity, kInfinity);
          affine.terms.emplace_back(value, -1);
          next.push_back({value, z.lower, z.upper});
        }
        mip.rows.push_back(std::move(affine));
      }
      fed = std::move(next);
    }
    for (Index k = 0; k < targets.cols(); ++k) {
      const int over = add(mip, fmt::format("over_{}_{}", i, k), 0, kInfinity, 1);
      const int under = add(mip, fmt::format("under_{}_{}", i, k), 0, kInfinity, 1);
      mip.rows.push_back({fmt::format("error_{}_{}", i, k),
                          {{fed[static_cast<std::size_t>(k)].variable, 1}, {over, -1}, {under, 1}},
                          true,
                          targets(i, k)});
    }
  }
  return mip;
}

std::string format_mps(const Mip& mip) {
  std::string text = "NAME unrect FREE\nROWS\n N cost\n";
  std::vector<std::string> columns(mip.variables.size());
  std::string right;
  for (const Mip::Row& row : mip.rows) {
    text += fmt::format(" {} {}\n", row.equal ? 'E' : 'L', row.name);
    for (const auto& [variable, coefficient] : row.terms)
      columns[static_cast<std::size_t>(variable)] +=
          fmt::format(" {} {} {}\n", mip.variables[static_cast<std::size_t>(variable)].name, row.name, coefficient);
    if (row.right != 0) right += fmt::format(" rhs {} {}\n", row.name, row.right);
  }
  text += "COLUMNS\n";
  bool integer = false;
  for (std::size_t v = 0; v < mip.variables.size(); ++v) {
    const Mip::Variable& variable = mip.variables[v];
    if (variable.integer != integer) {
      integer = !integer;
      text += fmt::format(" marker_{} 'MARKER' {}\n", v, integer ? "'INTORG'" : "'INTEND'");
    }
    text += fmt::format(" {} cost {}\n", variable.name, variable.cost) + columns[v];
  }
  if (integer) text += " marker_end 'MARKER' 'INTEND'\n";
  text += "RHS\n" + right + "BOUNDS\n";
  for (const Mip::Variable& variable : mip.variables) {
    text += std::isfinite(variable.lower) ? fmt::format(" LO bound {} {}\n", variable.name, variable.lower)
                                          : fmt::format(" MI bound {}\n", variable.name);
    if (std::isfinite(variable.upper)) text += fmt::format(" UP bound {} {}\n", variable.name, variable.upper);
  }
  return text + "ENDATA\n";
}

std::string format_lp(const Mip& mip) {
  const auto term = [&](int variable, double coefficient) {
    return fmt::format(" {:+} {}", coefficient, mip.variables[static_cast<std::size_t>(variable)].name);
  };
  std::string text = "Minimize\n cost:";
  for (std::size_t v = 0; v < mip.variables.size(); ++v)
    if (mip.variables[v].cost != 0) text += term(static_cast<int>(v), mip.variables[v].cost);
  text += "\nSubject To\n";
  for (const Mip::Row& row : mip.rows) {
    text += fmt::format(" {}:", row.name);
    for (const auto& [variable, coefficient] : row.terms) text += term(variable, coefficient);
    text += fmt::format(" {} {}\n", row.equal ? "=" : "<=", row.right);
  }
  text += "Bounds\n";
  std::string whole;
  for (const Mip::Variable& variable : mip.variables) {
    const auto bound = [](double value) {
      return std::isfinite(value) ? fmt::format("{}", value) : std::string(value > 0 ? "+inf" : "-inf");
    };
    text += fmt::format(" {} <= {} <= {}\n", bound(variable.lower), variable.name, bound(variable.upper));
    if (variable.integer) whole += " " + variable.name + "\n";
  }
  if (!whole.empty()) text += "General\n" + whole;
  return text + "End\n";
}

void write_mip(const std::filesystem::path& path, const Mip& mip) {
  const bool lp = path.extension() == ".lp";
  UNRECT_REQUIRE(lp || path.extension() == ".mps", ErrorCode::kInvalidArgument,
                 "'{}' ends in '{}'; expected .mps or .lp", path.string(), path.extension().string());
  write_file(path, lp ? format_lp(mip) : format_mps(mip));
}

}  // namespace unrect
