// The oracle's own arithmetic.
#include "unrect/forms/internal/oracle_for_tests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <stdexcept>

#include "unrect/base/internal/at.hpp"

namespace unrect::oracle {
namespace {

Form constant_form(Index k, double value) {
  Form form(at(k) + 1);
  form.back() = value;
  return form;
}

void add(Form& sum, const mpq_class& factor, const Form& form) {
  if (factor == 0) return;
  for (std::size_t d = 0; d < form.size(); ++d) sum[d] += factor * form[d];
}

Form difference(const Form& a, const Form& b) {
  Form out = a;
  add(out, -1, b);
  return out;
}

bool is_constant(const Form& form) {
  return std::all_of(form.begin(), form.end() - 1, [](const mpq_class& c) { return c == 0; });
}

std::vector<Form> input_forms(const Domain& domain) {
  std::vector<Form> x;
  for (Index i = 0; i < domain.input_size(); ++i) {
    x.push_back(constant_form(domain.dimension(), domain.origin[i]));
    for (Index d = 0; d < domain.dimension(); ++d) x.back()[at(d)] = domain.axes(i, d);
  }
  return x;
}

std::vector<Form> convolve(const Convolution& op, const std::vector<Form>& x, Index k) {
  const Window& w = op.window;
  const Index channels = w.channels / op.groups;
  std::vector<Form> y;
  for (Index o = 0; o < op.kernel.rows(); ++o) {
    const Index group = o / (op.kernel.rows() / op.groups);
    for (Index oy = 0; oy < w.out_height(); ++oy) {
      for (Index ox = 0; ox < w.out_width(); ++ox) {
        Form sum = constant_form(k, op.bias[o]);
        for (Index e = 0; e < op.kernel.cols(); ++e) {
          const Index row = oy * w.stride_height - w.pad_top + e / w.kernel_width % w.kernel_height * w.dilation_height;
          const Index column = ox * w.stride_width - w.pad_left + e % w.kernel_width * w.dilation_width;
          if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
          const Index channel = group * channels + e / (w.kernel_width * w.kernel_height);
          add(sum, op.kernel(o, e), x[at((channel * w.height + row) * w.width + column)]);
        }
        y.push_back(std::move(sum));
      }
    }
  }
  return y;
}

// The value of a node without pieces.
std::vector<Form> affine_value(const Op& op, const std::vector<const std::vector<Form>*>& inputs, Index k) {
  const std::vector<Form>& x = *inputs.front();
  if (const auto* dense = std::get_if<Dense>(&op)) {
    std::vector<Form> y;
    for (Index i = 0; i < dense->weight.rows(); ++i) {
      y.push_back(constant_form(k, dense->bias[i]));
      for (Index j = 0; j < dense->weight.cols(); ++j) add(y.back(), dense->weight(i, j), x[at(j)]);
    }
    return y;
  }
  if (const auto* conv = std::get_if<Convolution>(&op)) return convolve(*conv, x, k);
  if (const auto* scale = std::get_if<Scale>(&op)) {
    std::vector<Form> y;
    for (Index i = 0; i < scale->factor.size(); ++i) {
      y.push_back(constant_form(k, scale->shift[i]));
      add(y.back(), scale->factor[i], x[at(i)]);
    }
    return y;
  }
  if (const auto* select = std::get_if<Select>(&op)) {
    std::vector<Form> y;
    for (std::size_t i = 0; i < select->index.size(); ++i) {
      y.push_back(select->index[i] < 0 ? constant_form(k, select->fill[static_cast<Index>(i)])
                                       : x[at(select->index[i])]);
    }
    return y;
  }
  if (const auto* sum = std::get_if<Sum>(&op)) {
    std::vector<Form> y(x.size(), constant_form(k, 0));
    for (std::size_t n = 0; n < inputs.size(); ++n) {
      for (std::size_t i = 0; i < y.size(); ++i) add(y[i], sum->factors[n], (*inputs[n])[i]);
    }
    return y;
  }
  std::vector<Form> y;
  for (const std::vector<Form>* input : inputs) y.insert(y.end(), input->begin(), input->end());
  return y;
}

Index pieces_of(const Op& op) {
  if (const auto* f = std::get_if<Piecewise>(&op)) return f->pieces();
  return std::get<Maximum>(op).width;
}

Form on_piece(const Op& op, Index unit, Index piece, const std::vector<Form>& z) {
  if (const auto* m = std::get_if<Maximum>(&op)) return z[at(m->index[at(unit * m->width + piece)])];
  const auto& f = std::get<Piecewise>(op);
  Form y = constant_form(static_cast<Index>(z.front().size()) - 1, f.offsets(f.row_of(unit), piece));
  add(y, f.slopes(f.row_of(unit), piece), z[at(unit)]);
  return y;
}

// What holds on a piece: form > 0, or ≥ 0 where it is not strict.
struct Condition {
  Form form;
  bool strict = true;
};

// Nothing if the piece does not exist: a slot outside the input.
std::optional<std::vector<Condition>> conditions_of(const Op& op, Index unit, Index piece, const std::vector<Form>& z) {
  std::vector<Condition> conditions;
  if (const auto* m = std::get_if<Maximum>(&op)) {
    const Index own = m->index[at(unit * m->width + piece)];
    if (own < 0) return std::nullopt;
    for (Index slot = 0; slot < m->width; ++slot) {
      const Index other = m->index[at(unit * m->width + slot)];
      if (other >= 0 && slot != piece) conditions.push_back({difference(z[at(own)], z[at(other)]), slot < piece});
    }
    return conditions;
  }
  const auto& f = std::get<Piecewise>(op);
  const Index k = static_cast<Index>(z.front().size()) - 1;
  const Index row = f.row_of(unit);
  if (piece > 0) conditions.push_back({difference(z[at(unit)], constant_form(k, f.breaks(row, piece - 1))), true});
  if (piece < f.breaks.cols()) {
    conditions.push_back({difference(constant_form(k, f.breaks(row, piece)), z[at(unit)]), false});
  }
  return conditions;
}

// Integers in proportion to a form.
std::vector<mpz_class> integers(const Form& form) {
  mpz_class denominator = 1;
  for (const mpq_class& c : form) mpz_lcm(denominator.get_mpz_t(), denominator.get_mpz_t(), c.get_den().get_mpz_t());
  std::vector<mpz_class> out;
  for (const mpq_class& c : form) out.emplace_back(c.get_num() * (denominator / c.get_den()));
  return out;
}

class Enumeration {
 public:
  Enumeration(const Network& network, const Domain& domain)
      : network_(network), k_(domain.dimension()), values_(network.nodes().size()) {
    values_[0] = input_forms(domain);
    for (const Form& side : sides_of(domain)) {
      if (!is_constant(side) || side.back() < 0) rows_.push_back(integers(side));  // 0 ≥ 0 bounds nothing
    }
    out_.per_layer.assign(network.layers().size(), 0);
    const std::optional<Point> inside = interior_point(rows_);
    if (inside) node(1, *inside);
  }
  Partition take() && { return std::move(out_); }

 private:
  void node(int n, const Point& inside) {
    if (n == static_cast<int>(values_.size())) {
      if (!out_.configurations.insert(pieces_).second) throw std::logic_error("the oracle met a configuration twice");
      return;
    }
    if (is_piecewise(*network_.node(n).op)) return unit(n, 0, inside);
    std::vector<const std::vector<Form>*> inputs;
    for (const int i : network_.node(n).inputs) inputs.push_back(&values_[at(i)]);
    values_[at(n)] = affine_value(*network_.node(n).op, inputs, k_);
    node(n + 1, inside);
  }

  void unit(int n, Index i, const Point& inside) {
    const Node& here = network_.node(n);
    if (i == here.size) {
      const auto layer = std::ranges::find(network_.layers(), n) - network_.layers().begin();
      ++out_.per_layer[at(layer)];
      return node(n + 1, inside);
    }
    if (i == 0) values_[at(n)].assign(at(here.size), {});
    const std::vector<Form>& z = values_[at(here.inputs.front())];
    for (Index piece = 0; piece < pieces_of(*here.op); ++piece) {
      const auto conditions = conditions_of(*here.op, i, piece, z);
      if (!conditions) continue;
      const std::size_t before = rows_.size();
      const std::optional<Point> point = restrict_to(*conditions, inside);
      if (point) {
        pieces_.push_back(static_cast<std::uint16_t>(piece));
        values_[at(n)][at(i)] = on_piece(*here.op, i, piece, z);
        unit(n, i + 1, *point);
        pieces_.pop_back();
      }
      rows_.resize(before);
    }
  }

  // A point of the cell where the conditions hold strictly. A form that is constant over the cell holds or not.
  std::optional<Point> restrict_to(const std::vector<Condition>& conditions, const Point& inside) {
    bool still = true;
    for (const Condition& c : conditions) {
      if (is_constant(c.form)) {
        if (c.form.back() < 0 || (c.strict && c.form.back() == 0)) return std::nullopt;
        continue;
      }
      rows_.push_back(integers(c.form));
      still = still && value_at(c.form, inside) > 0;
    }
    if (still) return inside;
    ++out_.programs;
    return interior_point(rows_);
  }

  const Network& network_;
  Index k_;
  std::vector<std::vector<Form>> values_;
  std::vector<std::vector<mpz_class>> rows_;
  Pieces pieces_;
  Partition out_;
};

}  // namespace

mpq_class value_at(const Form& form, const Point& t) {
  mpq_class value = form.back();
  for (std::size_t d = 0; d < t.size(); ++d) value += form[d] * t[d];
  return value;
}

Point exact_point(const VectorRef& t) { return {t.begin(), t.end()}; }

std::vector<std::vector<Form>> forms_of_nodes(const Network& network, const Domain& domain, const Pieces& pieces) {
  std::vector<std::vector<Form>> values{input_forms(domain)};
  std::size_t next = 0;
  for (std::size_t n = 1; n < network.nodes().size(); ++n) {
    const Node& node = network.nodes()[n];
    std::vector<const std::vector<Form>*> inputs;
    for (const int i : node.inputs) inputs.push_back(&values[at(i)]);
    std::vector<Form> value;
    if (is_piecewise(*node.op)) {
      for (Index i = 0; i < node.size; ++i) value.push_back(on_piece(*node.op, i, pieces[next++], *inputs[0]));
    } else {
      value = affine_value(*node.op, inputs, domain.dimension());
    }
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<std::vector<Form>> forms_of_layers(const Network& network, const Domain& domain, const Pieces& pieces) {
  const std::vector<std::vector<Form>> values = forms_of_nodes(network, domain, pieces);
  std::vector<std::vector<Form>> z;
  for (const int n : network.layers()) z.push_back(values[at(network.node(n).inputs.front())]);
  return z;
}

std::vector<Form> sides_of(const Domain& domain) {
  const Index k = domain.dimension();
  std::vector<Form> sides;
  for (Index d = 0; d < k; ++d) {
    for (const bool high : {false, true}) {
      Form side(at(k) + 1);
      side[at(d)] = high ? -1 : 1;
      side.back() = high ? domain.box.upper[d] : -domain.box.lower[d];
      sides.push_back(std::move(side));
    }
  }
  for (Index r = 0; r < domain.constraints.size(); ++r) {
    Form side(at(k) + 1);
    for (Index d = 0; d < k; ++d) side[at(d)] = -domain.constraints.normals(r, d);
    side.back() = domain.constraints.offsets[r];
    sides.push_back(std::move(side));
  }
  return sides;
}

Form form_on(const Hyperplane& wall, const Stages& stages, const std::vector<std::vector<Form>>& z,
             const std::vector<Form>& sides) {
  if (wall.stage < 0) return sides[at(wall.row)];
  const std::vector<Form>& layer = z[at(stages[wall.stage].layer)];
  Form form = layer[at(wall.row)];
  if (wall.other >= 0) {
    for (std::size_t d = 0; d < form.size(); ++d) form[d] -= layer[at(wall.other)][d];
  }
  form.back() -= mpq_class(wall.threshold);
  return form;
}

Pieces pieces_at(const Network& network, const Domain& domain, const Point& t) {
  Pieces pieces;
  std::vector<std::vector<Form>> values{{}};  // forms without slope: numbers
  for (const Form& x : input_forms(domain)) values[0].push_back({value_at(x, t)});
  for (std::size_t n = 1; n < network.nodes().size(); ++n) {
    const Node& node = network.nodes()[n];
    std::vector<const std::vector<Form>*> inputs;
    for (const int i : node.inputs) inputs.push_back(&values[at(i)]);
    std::vector<Form> value;
    if (!is_piecewise(*node.op)) {
      value = affine_value(*node.op, inputs, 0);
    } else {
      for (Index i = 0; i < node.size; ++i) {
        Index piece = 0;
        const auto holds = [&] {
          const auto conditions = conditions_of(*node.op, i, piece, *inputs[0]);
          return conditions && std::ranges::all_of(*conditions, [](const Condition& c) {
                   return c.form[0] > 0 || (!c.strict && c.form[0] == 0);
                 });
        };
        while (!holds()) ++piece;
        pieces.push_back(static_cast<std::uint16_t>(piece));
        value.push_back(on_piece(*node.op, i, piece, *inputs[0]));
      }
    }
    values.push_back(std::move(value));
  }
  return pieces;
}

std::optional<Point> meeting_point(const std::vector<Form>& forms) {
  std::vector<Form> rows = forms;
  const std::size_t k = forms.front().size() - 1;
  for (std::size_t step = 0; step < k; ++step) {
    const auto pivot = std::find_if(rows.begin() + static_cast<std::ptrdiff_t>(step), rows.end(),
                                    [&](const Form& row) { return row[step] != 0; });
    if (pivot == rows.end()) return std::nullopt;
    std::swap(rows[step], *pivot);
    const mpq_class scale = 1 / rows[step][step];
    for (mpq_class& c : rows[step]) c *= scale;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i != step) add(rows[i], -mpq_class(rows[i][step]), rows[step]);
    }
  }
  for (std::size_t i = k; i < rows.size(); ++i) {
    if (rows[i].back() != 0) return std::nullopt;
  }
  Point t;
  for (std::size_t d = 0; d < k; ++d) t.emplace_back(-rows[d].back());
  return t;
}

std::optional<Point> interior_point(const std::vector<std::vector<mpz_class>>& rows) {
  const std::size_t k = rows.front().size() - 1;
  const std::size_t m = rows.size();
  // k rows Σ λ_i a_i = 0, one Σ λ_i = 1, and the reduced costs; the last column is the right-hand side.
  std::vector<std::vector<mpz_class>> table(k + 2, std::vector<mpz_class>(m + 1));
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t d = 0; d < k; ++d) table[d][i] = rows[i][d];
    table[k][i] = 1;
    table[k + 1][i] = rows[i][k];
  }
  table[k][m] = 1;
  mpz_class scale = 1;  // the table's numbers are integers over it
  mpz_class product;
  const auto pivot = [&](std::size_t row, std::size_t column) {
    for (std::size_t r = 0; r < k + 2; ++r) {
      if (r == row) continue;
      const mpz_class factor = table[r][column];
      for (std::size_t c = 0; c <= m; ++c) {
        mpz_class& x = table[r][c];
        x *= table[row][column];
        product = factor * table[row][c];
        x -= product;
        mpz_divexact(x.get_mpz_t(), x.get_mpz_t(), scale.get_mpz_t());
      }
    }
    scale = table[row][column];
  };
  // λ of the box's sides is a basis to start with: t_0's pair holds it up, the others are zero.
  std::vector<std::size_t> basis;
  for (std::size_t d = 0; d < k; ++d) {
    pivot(d, 2 * d);
    basis.push_back(2 * d);
  }
  pivot(k, 1);
  basis.push_back(1);
  for (;;) {
    if (table[k + 1][m] >= 0) return std::nullopt;  // minus the objective, which will not rise
    const auto& costs = table[k + 1];
    const auto entering = std::find_if(costs.begin(), costs.end() - 1, [](const mpz_class& c) { return c < 0; });
    if (entering == costs.end() - 1) break;
    const auto column = static_cast<std::size_t>(entering - costs.begin());
    std::size_t best = k + 1;
    for (std::size_t r = 0; r <= k; ++r) {
      if (table[r][column] <= 0) continue;
      if (best > k) {
        best = r;
        continue;
      }
      const int order = cmp(table[r][m] * table[best][column], table[best][m] * table[r][column]);
      if (order < 0 || (order == 0 && basis[r] < basis[best])) best = r;
    }
    pivot(best, column);
    basis[best] = column;
  }
  // The reduced cost of row i is a_i·t + b_i − ε.
  const mpq_class epsilon(-table[k + 1][m], scale);
  Point t;
  for (std::size_t d = 0; d < k; ++d) {
    mpq_class cost(table[k + 1][2 * d], scale);
    cost.canonicalize();
    mpq_class slack = epsilon;
    slack.canonicalize();
    t.emplace_back((cost + slack - rows[2 * d][k]) / rows[2 * d][d]);
  }
  return t;
}

Partition partition_of(const Network& network, const Domain& domain) { return Enumeration(network, domain).take(); }

Case cancelling_case(Rng rng) {
  const auto one_in = [&](Index n) { return rng.below(n) == 0; };
  const auto pick = [&](std::initializer_list<double> from) {
    return from.begin()[rng.below(static_cast<Index>(from.size()))];
  };
  const auto decimal = [&] { return pick({.1, .2, .3, .4, .6, .7, .9, 1.1, -.1, -.3, -.7}); };
  const Index k = 1 + rng.below(3);
  const double reach = one_in(4) ? 1024 : 2;
  const Domain where(Box(Vector::Constant(k, one_in(3) ? -reach : 0), Vector::Constant(k, reach)));
  const double scale = one_in(2) ? 1 : pick({1e-300, 1e-160, 1e-20, .1, 1e20, 1e160, 1e290});
  // The inputs themselves, and rows of decimals.
  const Index rows = 2;
  Matrix first = Matrix::Zero(k + rows, k);
  Vector first_bias = Vector::Zero(k + rows);
  first.topRows(k) = scale * Matrix::Identity(k, k);
  for (Index i = k; i < k + rows; ++i) {
    for (Index d = 0; d < k; ++d) first(i, d) = decimal() * scale;
    if (one_in(3)) first_bias[i] = std::abs(decimal()) * scale;
  }
  const Index units = k == 3 ? 3 : 4;
  Matrix second = Matrix::Zero(units, k + rows);
  Vector second_bias(units);
  for (Index i = 0; i < units; ++i) {
    if (i > 0 && one_in(3)) {  // again, or nearly so
      const double factor = pick({1, -1, 3, .1});
      second.row(i) = factor * second.row(i - 1);
      second_bias[i] = factor * second_bias[i - 1];
      if (one_in(3)) second_bias[i] = std::nextafter(second_bias[i], pick({-1e300, 1e300}));
      if (one_in(3)) second(i, 0) = std::nextafter(second(i, 0), pick({-1e300, 1e300}));
      continue;
    }
    for (Index j = k; j < k + rows; ++j) second(i, j) = pick({1, 1, -1, 3, .1});
    // A line through a point of the box, for units that are all active.
    mpq_class at_point;
    for (Index d = 0; d < k; ++d) {
      double sum = 0;
      for (Index j = k; j < k + rows; ++j) sum += second(i, j) * (first(j, d) / scale);
      second(i, d) = one_in(8) ? -decimal() : -sum;
      mpq_class slope = mpq_class(second(i, d)) * mpq_class(first(d, d));
      for (Index j = k; j < k + rows; ++j) slope += mpq_class(second(i, j)) * mpq_class(first(j, d));
      at_point += slope * mpq_class(std::ldexp(static_cast<double>(1 + rng.below(7)), -2) * reach / 2);
    }
    for (Index j = k; j < k + rows; ++j) at_point += mpq_class(second(i, j)) * mpq_class(first_bias[j]);
    second_bias[i] = -at_point.get_d();
    if (one_in(8)) second_bias[i] = pick({0, std::ldexp(scale, -55), -std::ldexp(scale, -55)});
  }
  // What they leave, made visible again.
  Matrix third(k == 1 ? 3 : 2, units);
  Vector third_bias(third.rows());
  for (Index i = 0; i < third.rows(); ++i) {
    for (Index j = 0; j < units; ++j) third(i, j) = scale > 1 ? decimal() / scale : decimal();
    third_bias[i] = one_in(2) ? 0 : -std::ldexp(decimal() * std::min(scale, 1.0), one_in(2) ? -54 : 0);
  }
  NetworkBuilder b(Shape{k});
  int last = b.add(Dense{first, first_bias}, {0});
  last = b.add(relu(), {last});
  last = b.add(Dense{second, second_bias}, {last});
  last = b.add(one_in(3) ? leaky_relu(.1) : relu(), {last});
  last = b.add(Dense{third, third_bias}, {last});
  last = b.add(relu(), {last});
  last = b.add(Dense{Matrix::Ones(1, third.rows()), Vector::Zero(1)}, {last});
  return {fmt::format("cancelling, k = {}, scale {}", k, scale), std::move(b).build(last), where};
}

}  // namespace unrect::oracle
