// Random networks of every kind of layer, tiny enough for the oracle.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"

namespace unrect::oracle {
namespace {

enum class Numbers { kNormal, kFloat, kInteger, kQuarter };

class Maker {
 public:
  explicit Maker(Rng rng) : rng_(rng) {}

  Case make() {
    degenerate_ = one_in(3);
    numbers_ = static_cast<Numbers>(degenerate_ && one_in(2) ? 2 + rng_.below(2) : rng_.below(4));
    k_ = 1 + rng_.below(4);
    budget_ = k_ <= 2 ? 12 : k_ == 3 ? 11 : 9;
    switch (rng_.below(8)) {
      case 0:
        return activations();
      case 1:
        return maxima();
      case 2:
        return residual();
      case 3:
        return convolution();
      default:
        return chain();
    }
  }

 private:
  bool one_in(Index n) { return rng_.below(n) == 0; }

  double number() {
    switch (numbers_) {
      case Numbers::kInteger:
        return static_cast<double>(rng_.below(5) - 2);
      case Numbers::kQuarter:
        return static_cast<double>(rng_.below(13) - 6) / 4;
      case Numbers::kFloat:
        return static_cast<float>(rng_.normal());
      default:
        return rng_.normal();
    }
  }
  Vector vector(Index size) {
    return Vector::NullaryExpr(size, [&] { return number(); });
  }
  Matrix matrix(Index rows, Index cols) {
    return Matrix::NullaryExpr(rows, cols, [&] { return number(); });
  }

  Domain domain(Index inputs) {
    if (inputs == k_ && !one_in(6)) {
      Domain out(box(k_));
      return constrained(std::move(out));
    }
    if (inputs > k_ && one_in(2)) {  // some inputs held fixed
      Box whole = box(inputs);
      for (Index i = inputs; i > k_; --i) {
        Index j = rng_.below(inputs);
        while (whole.lower[j] == whole.upper[j]) j = (j + 1) % inputs;
        whole.lower[j] = whole.upper[j];
      }
      return Domain(whole);
    }
    for (;;) {
      Matrix axes = matrix(inputs, k_);
      if (inputs > 2 && one_in(3)) axes.row(0).setZero();
      try {
        return constrained(Domain(vector(inputs), axes, box(k_)));
      } catch (const Error&) {  // dependent axes
      }
    }
  }
  Box box(Index size) {
    if (!one_in(3)) return {Vector::Constant(size, -1), Vector::Constant(size, 1)};
    Vector lower = vector(size);
    Vector upper = lower;
    for (double& u : upper)
      u += numbers_ == Numbers::kInteger ? static_cast<double>(1 + rng_.below(3)) : 0.1 + rng_.uniform();
    return {lower, upper};
  }
  Domain constrained(Domain domain) {
    if (!one_in(6)) return domain;
    const Index rows = 1 + rng_.below(3);
    Vector offsets = vector(rows);
    if (!one_in(4)) offsets = offsets.cwiseAbs();
    domain.constraints = Halfspaces(matrix(rows, k_), offsets);
    return domain;
  }

  // Rows that repeat, vanish, and hyperplanes that meet in one point of the inputs.
  Dense dense(Index rows, Index cols, const Domain* first) {
    Dense op{matrix(rows, cols), vector(rows)};
    if (one_in(5)) op.bias.setZero();
    if (!degenerate_) return op;
    Vector common = vector(cols);
    if (first != nullptr) {
      Vector t = first->box.lower;
      for (Index d = 0; d < t.size(); ++d) {
        if (one_in(2)) t[d] = first->box.upper[d];
      }
      common = first->point(one_in(2) ? t : Vector(first->box.center()));
    }
    const bool meet = one_in(2);
    for (Index i = 0; i < rows; ++i) {
      if (i > 0 && one_in(4)) {
        constexpr double kScales[] = {1, -1, 2, -0.5, 1, -1};
        const double scale = kScales[rng_.below(6)];
        const Index from = rng_.below(i);
        op.weight.row(i) = scale * op.weight.row(from);
        op.bias[i] = scale * op.bias[from];
        if (one_in(3)) op.bias[i] += 1;
      } else if (one_in(6)) {
        op.weight.row(i).setZero();
        op.bias[i] = static_cast<double>(rng_.below(3) - 1);
      } else if (meet && !one_in(4)) {
        op.bias[i] = -op.weight.row(i).dot(common);
      }
    }
    return op;
  }

  Case chain() {
    const Index inputs = one_in(4) ? k_ + rng_.below(3) : k_;
    const Domain where = domain(inputs);
    std::vector<Matrix> weights;
    std::vector<Vector> biases;
    Index width = inputs;
    const Index layers = 1 + rng_.below(3);
    for (Index l = 0; l < layers && budget_ > 0; ++l) {
      const Index units = l + 1 == layers ? budget_ : 1 + rng_.below(std::min<Index>(budget_, 6));
      Dense op = dense(one_in(8) ? units : std::min<Index>(units, 6), width, l == 0 ? &where : nullptr);
      width = op.weight.rows();
      budget_ -= width;
      weights.push_back(std::move(op.weight));
      biases.push_back(std::move(op.bias));
    }
    weights.push_back(matrix(1 + rng_.below(2), width));
    biases.push_back(vector(weights.back().rows()));
    return {"chain", Network::chain(weights, biases), where};
  }

  Piecewise activation(Index units) {
    switch (rng_.below(9)) {
      case 0:
        return leaky_relu(one_in(2) ? 0.25 : 0.1);
      case 1:
        return leaky_relu(-0.5);
      case 2:
        return clip(-1, 1);
      case 3:
        return one_in(4) ? clip(0.5, 0.5) : clip(0, 1);
      case 4:
        return absolute();
      case 5:
        return hard_sigmoid(0.2, 0.5);
      case 6:
        return soft_threshold(one_in(4) ? 0 : 0.5);
      case 7:
        return parametric_relu(vector(units));
      default: {  // a staircase of each unit's own, with a flat piece that is not zero
        Piecewise f{"Stairs", Matrix(units, 3), Matrix(units, 4), Matrix(units, 4)};
        for (Index i = 0; i < units; ++i) {
          f.breaks.row(i) << -1, 0, static_cast<double>(rng_.below(2));
          f.slopes.row(i) << 1, 0, 2, 0;
          f.offsets.row(i) << 1, 0, 0, 2 * f.breaks(i, 2);
        }
        return f;
      }
    }
  }

  Case activations() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    int last = 0;
    Index units = std::min<Index>(budget_, 8);
    std::string name;
    while (units > 0) {
      const Index width = 1 + rng_.below(std::min<Index>(units, 4));
      units -= width;
      last = b.add(dense(width, b.size(last), last == 0 ? &where : nullptr), {last});
      const Piecewise f = one_in(4) ? relu() : activation(width);
      name += " " + f.kind;
      last = b.add(f, {last});
    }
    last = b.add(dense(1, b.size(last), nullptr), {last});
    return {"activations" + name, std::move(b).build(last), where};
  }

  Maximum windows(Index units, Index width, Index size) {
    Maximum m{width, {}};
    for (Index i = 0; i < units; ++i) {
      for (Index slot = 0; slot < width; ++slot) m.index.push_back(one_in(8) ? -1 : rng_.below(size));
      if (std::all_of(m.index.end() - width, m.index.end(), [](Index j) { return j < 0; })) m.index.back() = 0;
    }
    return m;
  }

  Case maxima() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    int last = b.add(dense(3 + rng_.below(3), k_, &where), {0});
    if (one_in(2)) last = b.add(relu(), {last});
    last = b.add(windows(1 + rng_.below(3), 2 + rng_.below(3), b.size(last)), {last});
    if (one_in(2)) {
      last = b.add(dense(3, b.size(last), nullptr), {last});
      last = one_in(2) ? b.add(relu(), {last}) : b.add(windows(2, 3, 3), {last});
    }
    last = b.add(dense(1, b.size(last), nullptr), {last});
    return {"maxima", std::move(b).build(last), where};
  }

  Case residual() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    const Index width = 2 + rng_.below(2);
    int x = b.add(dense(width, k_, &where), {0});
    if (one_in(2)) x = b.add(relu(), {x});
    int y = b.add(dense(width, width, nullptr), {x});
    y = b.add(one_in(3) ? activation(width) : relu(), {y});
    if (one_in(2)) y = b.add(dense(width, width, nullptr), {y});
    constexpr double kFactors[] = {1, -1, 0.5, 0.3, 0};
    switch (rng_.below(4)) {
      case 0:
        y = b.add(Concat{}, {x, y, 0});
        break;
      case 1: {
        Select select{{}, vector(width)};
        for (Index i = 0; i < width; ++i) {
          select.index.push_back(rng_.below(width + 1) - 1);
          if (select.index.back() >= 0) select.fill[i] = 0;
        }
        y = b.add(select, {y});
        break;
      }
      case 2:
        y = b.add(Scale{vector(width), vector(width)}, {y});
        y = b.add(Sum{{1, kFactors[rng_.below(5)]}}, {y, x});
        break;
      default:
        y = b.add(Sum{{1, kFactors[rng_.below(5)], 2}}, {x, y, y});
    }
    y = b.add(dense(2, b.size(y), nullptr), {y});
    if (one_in(4)) y = b.add(Sum{{1, -1}}, {y, y});  // all units vanish everywhere
    const int z = b.add(relu(), {y});
    if (one_in(2)) b.add(relu(), {x});  // a branch that the output does not read
    return {"residual", std::move(b).build(z), where};
  }

  Case convolution() {
    k_ = 1 + rng_.below(3);
    const Index channels = 1 + rng_.below(2);
    Window w{channels, 3, 3, 2, 2};
    if (one_in(3)) w.stride_height = w.stride_width = 2;
    if (one_in(3)) w.pad_top = w.pad_right = 1;
    const Domain where = domain(channels * 9);
    NetworkBuilder b(Shape{channels, 3, 3});
    const Index groups = channels == 2 && one_in(2) ? 2 : 1;
    const Index outs = groups * (one_in(3) ? 2 : 1);
    int last = b.add(Convolution{w, groups, matrix(outs, channels / groups * 4), vector(outs)}, {0});
    if (b.size(last) > 9) last = b.add(dense(4, b.size(last), nullptr), {last});
    last = b.add(relu(), {last});
    if (one_in(3)) last = b.add(windows(2, 2, b.size(last)), {last});
    last = b.add(dense(2, b.size(last), nullptr), {last});
    last = b.add(one_in(3) ? activation(2) : relu(), {last});
    return {"convolution", std::move(b).build(last), where};
  }

  Rng rng_;
  bool degenerate_ = false;
  Numbers numbers_ = Numbers::kNormal;
  Index k_ = 1;
  Index budget_ = 0;
};

std::string text(const MatrixRef& m) {
  std::string out;
  for (Index i = 0; i < m.rows(); ++i) {
    std::vector<double> row(m.row(i).begin(), m.row(i).end());
    out += fmt::format("  [{}]\n", fmt::join(row, ", "));
  }
  return out;
}

}  // namespace

Case random_case(Rng rng) {
  Case c = Maker(rng).make();
  c.name += fmt::format(", k = {}", c.domain.dimension());
  return c;
}

bool has_maxima(const Network& network) {
  return std::ranges::any_of(network.layers(),
                             [&](int n) { return std::holds_alternative<Maximum>(*network.node(n).op); });
}

std::string describe(const Case& c) {
  std::string out =
      fmt::format("{}\nbox\n{}{}origin\n{}axes\n{}", c.name, text(c.domain.box.lower.transpose()),
                  text(c.domain.box.upper.transpose()), text(c.domain.origin.transpose()), text(c.domain.axes));
  if (c.domain.constraints.size() > 0) {
    out += fmt::format("constraints\n{}{}", text(c.domain.constraints.normals),
                       text(c.domain.constraints.offsets.transpose()));
  }
  for (std::size_t n = 0; n < c.network.nodes().size(); ++n) {
    const Node& node = c.network.nodes()[n];
    out += fmt::format("node {} {} of {}\n", n, name_of(*node.op), node.inputs);
    if (const auto* dense = std::get_if<Dense>(node.op.get()))
      out += text(dense->weight) + text(dense->bias.transpose());
    if (const auto* f = std::get_if<Piecewise>(node.op.get()))
      out += text(f->breaks) + text(f->slopes) + text(f->offsets);
    if (const auto* m = std::get_if<Maximum>(node.op.get())) out += fmt::format("  {}: {}\n", m->width, m->index);
  }
  return out;
}

}  // namespace unrect::oracle
