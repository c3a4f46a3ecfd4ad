#include "unrect/region/configuration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/internal/kernels.hpp"
#include "unrect/region/internal/forward_pass.hpp"

namespace unrect {
namespace {

// How far unit's value stands from the next piece.
double margin(const Op& op, Index unit, Index piece, const Vector& z) {
  double margin = std::numeric_limits<double>::infinity();
  by_kind(
      op,
      [&](const Piecewise& f) {
        for (Index p = 0; p < f.breaks.cols(); ++p) {
          margin = std::min(margin, std::abs(z[unit] - f.breaks(f.row_of(unit), p)));
        }
      },
      [&](const Maximum& max) {
        const Index* const slots = max.index.data() + unit * max.width;
        for (Index slot = 0; slot < max.width; ++slot) {
          if (slot != piece && slots[slot] >= 0) margin = std::min(margin, z[slots[piece]] - z[slots[slot]]);
        }
      },
      without_pieces([](const auto&) {}));
  return margin;
}

// The pieces that a unit's number may name, and whether this one is there: a slot of a maximum may be empty.
struct Pieces {
  Index count = 0;
  bool has = false;
};
Pieces pieces_of(const Op& op, Index unit, Index piece) {
  return by_kind(
      op,
      [&](const Piecewise& f) {
        return Pieces{f.pieces(), piece < f.pieces()};
      },
      [&](const Maximum& max) {
        const bool has = piece < max.width && max.index[static_cast<std::size_t>(unit * max.width + piece)] >= 0;
        return Pieces{max.width, has};
      },
      without_pieces([](const auto&) { return Pieces{}; }));
}

}  // namespace

Trace trace(const Network& network, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == network.input_size(), ErrorCode::kInvalidArgument,
                 "the point has {} coordinates, the network takes {} inputs", x.size(), network.input_size());
  UNRECT_REQUIRE(x.allFinite(), ErrorCode::kInvalidArgument, "the point holds a value that is not finite");
  Trace trace;
  const Matrix output = forward_pass(network, x.transpose(), [&](const Op& op, const Matrix& z) {
    trace.configuration.layers.push_back(
        pieces_at<double>(op, std::span(z.data(), static_cast<std::size_t>(z.size()))));
    trace.pre_activations.push_back(z.transpose());
  });
  trace.output = output.transpose();
  bool finite = trace.output.allFinite();
  for (const Vector& z : trace.pre_activations) finite = finite && z.allFinite();
  UNRECT_REQUIRE(finite, ErrorCode::kInvalidArgument,
                 "the network overflows at this point (largest coordinate {:g}), expected finite values in every layer",
                 x.lpNorm<Eigen::Infinity>());
  return trace;
}

std::vector<Unit> boundary_units(const Network& network, const Trace& trace, double tolerance) {
  std::vector<Unit> units;
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const Op& op = *network.node(network.layers()[l]).op;
    const Vector& z = trace.pre_activations[l];
    const double near = tolerance * (1 + z.lpNorm<Eigen::Infinity>());
    const std::vector<std::uint16_t>& pieces = trace.configuration.layers[l];
    for (Index i = 0; i < static_cast<Index>(pieces.size()); ++i) {
      if (margin(op, i, pieces[static_cast<std::size_t>(i)], z) <= near) units.push_back({static_cast<int>(l), i});
    }
  }
  return units;
}

void check_configuration(const Network& network, const Configuration& configuration) {
  const std::vector<int>& layers = network.layers();
  UNRECT_REQUIRE(configuration.layers.size() == layers.size(), ErrorCode::kInvalidArgument,
                 "the configuration has {} layers, the network {}", configuration.layers.size(), layers.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Node& node = network.node(layers[l]);
    const std::vector<std::uint16_t>& pieces = configuration.layers[l];
    UNRECT_REQUIRE(static_cast<Index>(pieces.size()) == node.size, ErrorCode::kInvalidArgument,
                   "layer {} of the configuration has {} units, expected {}", l, pieces.size(), node.size);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const auto [count, has] = pieces_of(*node.op, static_cast<Index>(i), pieces[i]);
      UNRECT_REQUIRE(has, ErrorCode::kInvalidArgument, "layer {} unit {} has piece {}, expected one of its {} pieces",
                     l, i, pieces[i], count);
    }
  }
}

Configuration parse_configuration(const Network& network, std::string_view text) {
  Configuration configuration;
  std::vector<std::uint16_t> layer;
  const auto finish = [&] {
    if (!layer.empty()) configuration.layers.push_back(std::move(layer));
    layer.clear();
  };
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      layer.push_back(static_cast<std::uint16_t>(c - '0'));
    } else {
      UNRECT_REQUIRE(c == ',' || c == ' ' || c == '/', ErrorCode::kInvalidArgument,
                     "'{}' in a configuration, expected digits and commas, such as 0110,10", c);
      finish();
    }
  }
  finish();
  check_configuration(network, configuration);
  return configuration;
}

}  // namespace unrect
