#include "unrect/bounds/lipschitz_constant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/slope_search.hpp"
#include "unrect/bounds/internal/unit_graph.hpp"
#include "unrect/partition/refine.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {

std::string_view to_string(LipschitzStatus status) {
  switch (status) {
    case LipschitzStatus::kClosed:
      return "closed";
    case LipschitzStatus::kTimeLimit:
      return "time limit";
    case LipschitzStatus::kCancelled:
      return "cancelled";
  }
  return "?";
}

Configuration configuration_of(const Stages& stages, const std::vector<std::uint16_t>& pieces) {
  Configuration configuration;
  for (std::size_t layer = 0; layer + 1 < stages.first_unit.size(); ++layer) {
    configuration.layers.emplace_back(pieces.begin() + stages.first_unit[layer],
                                      pieces.begin() + stages.first_unit[layer + 1]);
  }
  return configuration;
}

MatrixRange exact_slopes(ExactForms& forms, const SlopeTask& task, const std::vector<std::uint16_t>& pieces) {
  const int last = task.stages.size() - 1;
  const auto& margin = task.options.margin;
  const Index rows = margin ? 1 : task.stages[last].size;
  MatrixRange slopes;
  for (Index i = 0; i < rows; ++i) {
    const WholeMultiple form =
        forms.form_of(margin ? Hyperplane{last, margin->first, margin->second} : Hyperplane{last, i}, pieces);
    const auto k = static_cast<Index>(form.row.size()) - 1;
    if (i == 0) slopes.center.resize(rows, k);
    for (Index d = 0; d < k; ++d) {
      long exponent = 0;
      const double digits = mpz_get_d_2exp(&exponent, form.row[static_cast<std::size_t>(d)].get_mpz_t());
      slopes.center(i, d) = std::ldexp(digits, static_cast<int>(exponent - form.exponent));
    }
  }
  slopes.radius = (2 * std::numeric_limits<double>::epsilon() * slopes.center.cwiseAbs()).array() + 1e-300;
  return slopes;
}

bool SlopeProgress::look(std::uint64_t nodes, double lower, double upper) {
  using std::chrono::steady_clock;
  if (!context_->progress || steady_clock::now() - last_ < std::chrono::milliseconds(100)) return true;
  last_ = steady_clock::now();
  const std::string what = std::isfinite(upper) && lower > 0
                               ? fmt::format("{:.8g} to {:.8g}, gap {:.2g} %", lower, upper, 100 * (upper / lower - 1))
                               : fmt::format("at least {:.8g}", lower);
  return context_->progress({what, static_cast<double>(nodes), 0});
}

namespace {

// What products of slopes that underflow can lose of a norm: less than this at one place, times what all that follows
// can make of it.
double lost_by_underflow(const Stages& stages) {
  constexpr double kLost = 1e-310;
  double most = kLost;
  for (int s = 1; s < stages.size(); ++s) {
    double sum = 1;
    for (const Link& link : stages[s].links)
      link.for_each_weight([&](Index, Index, double weight) { sum += std::abs(weight); });
    if (const Piecewise* f = stages[s].piecewise()) sum *= std::max(1.0, f->slopes.cwiseAbs().maxCoeff());
    most *= sum * 1.01;
  }
  return most;
}

LipschitzResult searched(const SlopeTask& task) {
  if (task.domain == nullptr) return search_patterns(task);
  const LipschitzOptions& options = task.options;
  UNRECT_REQUIRE((options.from == Norm::kTwo && options.to == Norm::kTwo) || directions_of(*task.domain).error == 0,
                 ErrorCode::kUnsupported,
                 "Lipschitz constant: the domain is flat across the axes; expected the norm 2, whose unit ball is the "
                 "same in every direction");
  // Few parameters: the partition's own cells know their ranges exactly.
  return task.domain->dimension() <= kFewDimensions ? search_cells(task) : search_patterns(task);
}

}  // namespace

LipschitzResult lipschitz_constant(const Network& network, const std::optional<Domain>& domain,
                                   const LipschitzOptions& options, const Context& context) {
  const auto begin = std::chrono::steady_clock::now();
  induced_norm(Matrix::Identity(1, 1), options.from, options.to);  // refuses the others
  validate(options);
  UNRECT_REQUIRE(!domain || domain->input_size() == network.input_size(), ErrorCode::kInvalidArgument,
                 "Lipschitz constant: a domain of {} inputs for a network of {}", domain ? domain->input_size() : 0,
                 network.input_size());
  if (options.margin) {
    for (const Index output : {options.margin->first, options.margin->second}) {
      UNRECT_REQUIRE(output >= 0 && output < network.output_size(), ErrorCode::kInvalidArgument,
                     "Lipschitz constant: margin of output {}; expected 0 … {}", output, network.output_size() - 1);
    }
  }
  const Stages stages = stages_of(network);
  const SlopeTask task{network, stages, domain ? &*domain : nullptr, options, context, begin};
  LipschitzResult result = searched(task);
  result.upper = std::nextafter(result.upper + lost_by_underflow(stages), std::numeric_limits<double>::infinity());
  UNRECT_REQUIRE(result.status != LipschitzStatus::kClosed || std::isfinite(result.upper), ErrorCode::kUnsupported,
                 "Lipschitz constant: slopes may overflow; expected smaller weights");
  return result;
}

}  // namespace unrect
