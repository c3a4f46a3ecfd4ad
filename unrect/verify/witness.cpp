#include "unrect/verify/internal/witness_judge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/forms/stages.hpp"
#include "unrect/network/internal/kernels.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

VectorOf<float> dense_pass(const Dense& op, const VectorOf<float>& x) {
  VectorOf<float> y(op.bias.size());
  for (Index i = 0; i < y.size(); ++i) {
    float sum = 0;
    for (Index j = 0; j < x.size(); ++j) sum += static_cast<float>(op.weight(i, j)) * x[j];
    y[i] = sum + static_cast<float>(op.bias[i]);
  }
  return y;
}

VectorOf<float> convolution_pass(const Convolution& op, const VectorOf<float>& x) {
  const Window& w = op.window;
  const Index channels = w.channels / op.groups, outputs = op.kernel.rows() / op.groups;
  VectorOf<float> y(op.kernel.rows() * w.out_height() * w.out_width());
  Index to = 0;
  for (Index o = 0; o < op.kernel.rows(); ++o) {
    for (Index oy = 0; oy < w.out_height(); ++oy) {
      for (Index ox = 0; ox < w.out_width(); ++ox, ++to) {
        float sum = 0;
        Index tap = 0;
        for (Index c = o / outputs * channels; c < (o / outputs + 1) * channels; ++c) {
          for (Index ky = 0; ky < w.kernel_height; ++ky) {
            for (Index kx = 0; kx < w.kernel_width; ++kx, ++tap) {
              const Index iy = oy * w.stride_height + ky * w.dilation_height - w.pad_top;
              const Index ix = ox * w.stride_width + kx * w.dilation_width - w.pad_left;
              if (iy < 0 || iy >= w.height || ix < 0 || ix >= w.width) continue;
              sum += static_cast<float>(op.kernel(o, tap)) * x[(c * w.height + iy) * w.width + ix];
            }
          }
        }
        y[to] = sum + static_cast<float>(op.bias[o]);
      }
    }
  }
  return y;
}

}  // namespace

double nearest_float(double x, double low, double high) {
  const double inside = std::clamp(x, low, high);
  float nearest = static_cast<float>(inside);
  if (nearest < low) nearest = std::nextafter(nearest, std::numeric_limits<float>::infinity());
  if (nearest > high) nearest = std::nextafter(nearest, -std::numeric_limits<float>::infinity());
  return nearest >= low && nearest <= high ? static_cast<double>(nearest) : inside;
}

VectorOf<float> float_pass(const Network& network, const VectorOf<float>& x) {
  std::vector<VectorOf<float>> values{x};
  for (std::size_t n = 1; n < network.nodes().size(); ++n) {
    const Node& node = network.nodes()[n];
    if (const auto* dense = std::get_if<Dense>(node.op.get())) {
      values.push_back(dense_pass(*dense, values[at(node.inputs[0])]));
    } else if (const auto* convolution = std::get_if<Convolution>(node.op.get())) {
      values.push_back(convolution_pass(*convolution, values[at(node.inputs[0])]));
    } else {
      std::vector<MatrixOf<float>> rows;
      for (const int input : node.inputs) rows.push_back(values[at(input)].transpose());
      std::vector<const MatrixOf<float>*> inputs;
      for (const MatrixOf<float>& row : rows) inputs.push_back(&row);
      values.push_back(value<float>(converted<float>(*node.op), inputs).transpose());
    }
  }
  return values[at(network.output())];
}

WitnessJudge::WitnessJudge(const Network& network, const Stages& stages)
    : network_(&network), exact_(stages), evaluator_(network) {}

std::optional<Witness> WitnessJudge::judge(const Query& query, const VectorRef& candidate) const {
  if (!candidate.allFinite()) return std::nullopt;
  Vector input(candidate.size());
  for (Index j = 0; j < candidate.size(); ++j)
    input[j] = nearest_float(candidate[j], query.box.lower[j], query.box.upper[j]);
  return judge_as_it_is(query, std::move(input));
}

std::optional<Witness> WitnessJudge::judge_as_it_is(const Query& query, Vector input) const {
  Witness witness;
  witness.input = std::move(input);
  if (query.input_rows.size() > 0 && exact_side(witness.input, query.input_rows) < 0) return std::nullopt;
  const std::vector<int> sides = exact_.sides(witness.input, query.unsafe);
  const int best = *std::ranges::max_element(sides);
  witness.real = best >= 0;
  witness.strict = best > 0;
  if (!witness.real) return std::nullopt;
  const VectorOf<float> x = witness.input.cast<float>();
  const Vector in_order = float_pass(*network_, x).cast<double>();
  const bool finite = x.allFinite();  // an input that is held beyond float32 is none
  const Vector once = finite ? Vector(evaluator_(x.transpose()).transpose().cast<double>()) : in_order;
  witness.output = in_order;
  // Slacks of float32 outputs: exact, so that no tolerance hides in them. One that overflows is no number to compare.
  const auto holds = [&](const Vector& y) {
    return y.allFinite() &&
           std::ranges::any_of(query.unsafe, [&](const Halfspaces& polytope) { return exact_side(y, polytope) >= 0; });
  };
  witness.float32 = finite && holds(in_order) && holds(once);
  witness.representable = x.cast<double>() == witness.input;
  return witness;
}

}  // namespace unrect
