#include "unrect/forms/stages.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

struct Entry {
  Index column, row;
  double weight;
};

// Above this share of non-zeros a dense product is faster.
constexpr double kDense = 0.2;

// Whole SIMD lanes.
Index padded(Index rows) { return (rows + 7) / 8 * 8; }

Link link_from(int source, Index columns, Index rows, std::vector<Entry> entries) {
  Link link;
  link.source = source;
  if (static_cast<double>(entries.size()) > kDense * static_cast<double>(columns) * static_cast<double>(rows)) {
    link.columns = Matrix::Zero(columns, padded(rows));
    for (const Entry& e : entries) link.columns(e.column, e.row) = e.weight;
    return link;
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.column, e.row); });
  link.start.assign(at(columns) + 1, 0);
  for (const Entry& e : entries) {
    ++link.start[at(e.column) + 1];
    link.row.push_back(e.row);
    link.weight.push_back(e.weight);
  }
  for (Index j = 0; j < columns; ++j) link.start[at(j) + 1] += link.start[at(j)];
  return link;
}

std::vector<Entry> entries_of(const Link& link) {
  std::vector<Entry> entries;
  link.for_each_weight([&](Index row, Index column, double weight) { entries.push_back({column, row, weight}); });
  return entries;
}

Index columns_of(const Link& link) {
  return link.dense() ? link.columns.rows() : static_cast<Index>(link.start.size()) - 1;
}

Link identity(int source, Index size) {
  std::vector<Entry> entries;
  for (Index j = 0; j < size; ++j) entries.push_back({j, j, 1.0});
  return link_from(source, size, size, std::move(entries));
}

std::vector<Entry> entries_of(const Convolution& conv) {
  const Window& w = conv.window;
  const Index channels = w.channels / conv.groups;
  const Index out_channels = conv.kernel.rows();
  const Index out_per_group = out_channels / conv.groups;
  std::vector<Entry> entries;
  for (Index o = 0; o < out_channels; ++o) {
    for (Index oy = 0; oy < w.out_height(); ++oy) {
      for (Index ox = 0; ox < w.out_width(); ++ox) {
        const Index row = (o * w.out_height() + oy) * w.out_width() + ox;
        for (Index c = 0; c < channels; ++c) {
          for (Index ky = 0; ky < w.kernel_height; ++ky) {
            const Index iy = oy * w.stride_height + ky * w.dilation_height - w.pad_top;
            if (iy < 0 || iy >= w.height) continue;
            for (Index kx = 0; kx < w.kernel_width; ++kx) {
              const Index ix = ox * w.stride_width + kx * w.dilation_width - w.pad_left;
              const double weight = conv.kernel(o, (c * w.kernel_height + ky) * w.kernel_width + kx);
              if (ix < 0 || ix >= w.width || weight == 0) continue;
              entries.push_back({((o / out_per_group * channels + c) * w.height + iy) * w.width + ix, row, weight});
            }
          }
        }
      }
    }
  }
  return entries;
}

// A node's value as a function of stages already there.
struct Expression {
  Index size = 0;
  std::vector<Link> links;
  std::vector<Vector> biases;
};

class Lowering {
 public:
  explicit Lowering(const Network& network) : network_(network), values_(network.nodes().size()) {
    out_.first_unit.push_back(0);
    for (std::size_t n = 0; n < network.nodes().size(); ++n) lower(static_cast<int>(n));
    Expression last = values_[at(network.output())];
    out_.stages.push_back({last.size, std::move(last.links), std::move(last.biases), -1, nullptr});
    for (Stage& stage : out_.stages) {
      for (Link& link : stage.links) {
        if (!link.dense()) link.tiles = Tiles(link.start, link.row, link.weight, stage.size);
      }
    }
  }

  Stages take() && { return std::move(out_); }

 private:
  void lower(int n) {
    const Node& node = network_.node(n);
    Expression& y = values_[at(n)];
    y.size = node.size;
    by_kind(
        *node.op,
        [&](const Input&) {
          out_.stages.push_back({node.size, {}, {}, -1, nullptr});
          y.links.push_back(identity(0, node.size));
        },
        [&](const Dense& dense) {
          std::vector<Entry> entries;
          for (Index i = 0; i < dense.weight.rows(); ++i) {
            for (Index j = 0; j < dense.weight.cols(); ++j) {
              if (dense.weight(i, j) != 0) entries.push_back({j, i, dense.weight(i, j)});
            }
          }
          const int source = plain(node.inputs.front());
          y.links.push_back(link_from(source, dense.weight.cols(), node.size, std::move(entries)));
          y.biases.push_back(dense.bias);
        },
        [&](const Convolution& conv) {
          const int first = node.inputs.front(), source = plain(first);
          y.links.push_back(link_from(source, values_[at(first)].size, node.size, entries_of(conv)));
          const Index pixels = node.size / conv.bias.size();
          Vector bias(node.size);
          for (Index i = 0; i < node.size; ++i) bias[i] = conv.bias[i / pixels];
          y.biases.push_back(std::move(bias));
        },
        [&](const Scale& scale) {
          std::vector<Entry> entries;
          for (Index i = 0; i < node.size; ++i) {
            if (scale.factor[i] != 0) entries.push_back({i, i, scale.factor[i]});
          }
          const int source = plain(node.inputs.front());
          y.links.push_back(link_from(source, node.size, node.size, std::move(entries)));
          y.biases.push_back(scale.shift);
        },
        [&](const Select& select) {
          append_rows(y, values_[at(node.inputs.front())], select.index);
          y.biases.push_back(select.fill);
        },
        [&](const Sum& sum) {
          for (std::size_t k = 0; k < node.inputs.size(); ++k) append_scaled(y, node.inputs[k], sum.factors[k]);
        },
        [&](const Concat&) {
          Index offset = 0;
          for (const int input : node.inputs) {
            std::vector<Index> index(at(node.size), -1);
            for (Index i = 0; i < network_.node(input).size; ++i) index[at(offset + i)] = i;
            append_rows(y, values_[at(input)], index);
            offset += network_.node(input).size;
          }
        },
        alike<Piecewise, Maximum>([&](const auto&) {
          const Expression& x = values_[at(node.inputs.front())];
          Stage stage{x.size, x.links, x.biases, static_cast<int>(out_.of_layer.size()), node.op};
          out_.of_layer.push_back(out_.size());
          out_.first_unit.push_back(out_.first_unit.back() + node.size);
          out_.stages.push_back(std::move(stage));
          y.links.push_back(identity(out_.size() - 1, node.size));
        }));
  }

  // The stage whose value is node n's: one that is there, or a new affine one.
  int plain(int n) {
    Expression& x = values_[at(n)];
    const bool is_stage =
        x.biases.empty() && x.links.size() == 1 && out_[x.links[0].source].units() == x.size && is_identity(x.links[0]);
    if (!is_stage) {
      out_.stages.push_back({x.size, std::move(x.links), std::move(x.biases), -1, nullptr});
      x = {x.size, {identity(out_.size() - 1, x.size)}, {}};
    }
    return x.links[0].source;
  }

  static bool is_identity(const Link& link) {
    const std::vector<Entry> entries = entries_of(link);
    return static_cast<Index>(entries.size()) == columns_of(link) &&
           std::ranges::all_of(entries, [](const Entry& e) { return e.row == e.column && e.weight == 1; });
  }

  // y += rows of x: row i of y is row index[i] of x, nothing where index[i] < 0.
  static void append_rows(Expression& y, const Expression& x, const std::vector<Index>& index) {
    std::vector<std::vector<Index>> targets(at(x.size));
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (index[i] >= 0) targets[at(index[i])].push_back(static_cast<Index>(i));
    }
    for (const Link& link : x.links) {
      std::vector<Entry> entries;
      for (const Entry& e : entries_of(link)) {
        for (const Index row : targets[at(e.row)]) entries.push_back({e.column, row, e.weight});
      }
      y.links.push_back(link_from(link.source, columns_of(link), y.size, std::move(entries)));
    }
    for (const Vector& bias : x.biases) {
      Vector moved = Vector::Zero(y.size);
      for (Index i = 0; i < x.size; ++i) {
        for (const Index row : targets[at(i)]) moved[row] = bias[i];
      }
      y.biases.push_back(std::move(moved));
    }
  }

  static bool scales_exactly(const Expression& x, double factor) {
    const auto exact = [&](double w) { return std::isfinite(w * factor) && w * factor / factor == w; };
    int exponent = 0;
    if (std::abs(std::frexp(factor, &exponent)) != 0.5) return false;
    for (const Link& link : x.links) {
      for (const Entry& e : entries_of(link)) {
        if (!exact(e.weight)) return false;
      }
    }
    return std::ranges::all_of(x.biases, [&](const Vector& bias) { return std::ranges::all_of(bias, exact); });
  }

  // y += factor x. Only a power of two scales weights without rounding; any other factor gets a stage of its own.
  void append_scaled(Expression& y, int n, double factor) {
    if (!scales_exactly(values_[at(n)], factor)) {
      std::vector<Entry> entries;
      const int source = plain(n);
      for (Index i = 0; i < y.size; ++i) entries.push_back({i, i, factor});
      y.links.push_back(link_from(source, y.size, y.size, std::move(entries)));
      return;
    }
    for (Link link : values_[at(n)].links) {
      link.columns *= factor;
      for (double& w : link.weight) w *= factor;
      y.links.push_back(std::move(link));
    }
    for (const Vector& bias : values_[at(n)].biases) y.biases.emplace_back(factor * bias);
  }

  const Network& network_;
  Stages out_;
  std::vector<Expression> values_;
};

}  // namespace

Stages stages_of(const Network& network) { return Lowering(network).take(); }

}  // namespace unrect
