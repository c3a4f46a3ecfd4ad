#include "unrect/bounds/internal/bound_graph.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/stages.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

namespace unrect {
namespace {

// Above this share of non-zeros a dense product is faster.
constexpr double kDense = 0.2;
// Rows that a sparse product takes at once.
constexpr Index kRows = 16;

struct Entry {
  Index row, column;
  double weight;
};

// One stage's pre-activations over earlier stages: what links and biases add up to.
struct Composite {
  std::map<int, std::vector<Entry>> terms;  // by source: (row, column, weight)
  std::vector<Vector> biases;
};

std::vector<Entry> triplets(const Link& link) {
  std::vector<Entry> out;
  link.for_each_weight([&](Index row, Index column, double weight) { out.push_back({row, column, weight}); });
  return out;
}

// a b, if that is a double.
std::optional<double> exact_product(double a, double b) {
  const double p = a * b;
  const bool exact = std::isfinite(p) && std::fma(a, b, -p) == 0 && (p == 0 || std::abs(p) > 1e-290);
  return exact || a == 0 || b == 0 ? std::optional<double>(p) : std::nullopt;
}

// a + b, if that is a double.
std::optional<double> exact_sum(double a, double b) {
  const double s = a + b;
  const double back = s - a;
  return std::isfinite(s) && (a - (s - back)) + (b - back) == 0 ? std::optional<double>(s) : std::nullopt;
}

// outer ∘ inner for a link to an affine stage with terms of one source and biases: false where a rounding would come
// in.
bool compose(const std::vector<Entry>& outer, const Composite& inner, Index inner_size, Index outer_size,
             Composite& out) {
  std::vector<std::vector<std::pair<Index, double>>> targets(at(inner_size));
  for (const auto& t : outer) targets[at(t.column)].emplace_back(t.row, t.weight);
  Composite sum;
  for (const auto& [source, terms] : inner.terms) {
    std::map<std::pair<Index, Index>, double> entries;
    for (const auto& t : terms) {
      for (const auto& [row, weight] : targets[at(t.row)]) {
        const std::optional<double> product = exact_product(weight, t.weight);
        if (!product) return false;
        const auto [entry, fresh] = entries.try_emplace({row, t.column}, *product);
        if (fresh) continue;
        const std::optional<double> total = exact_sum(entry->second, *product);
        if (!total) return false;
        entry->second = *total;
      }
    }
    for (const auto& [place, weight] : entries) sum.terms[source].push_back({place.first, place.second, weight});
  }
  for (const Vector& bias : inner.biases) {
    Vector moved = Vector::Zero(outer_size);
    for (Index j = 0; j < inner_size; ++j) {
      for (const auto& [row, weight] : targets[at(j)]) {
        const std::optional<double> product = exact_product(weight, bias[j]);
        const std::optional<double> total = product ? exact_sum(moved[row], *product) : std::nullopt;
        if (!total) return false;
        moved[row] = *total;
      }
    }
    sum.biases.push_back(std::move(moved));
  }
  for (auto& [source, terms] : sum.terms) out.terms[source].insert(out.terms[source].end(), terms.begin(), terms.end());
  out.biases.insert(out.biases.end(), sum.biases.begin(), sum.biases.end());
  return true;
}

BoundLink link_of(int source, Index rows, Index columns, std::vector<Entry> terms) {
  BoundLink link;
  link.source = source;
  if (static_cast<double>(terms.size()) > kDense * static_cast<double>(rows) * static_cast<double>(columns)) {
    link.weight = Matrix::Zero(rows, columns);
    for (const auto& t : terms) link.weight(t.row, t.column) += t.weight;
    return link;
  }
  std::ranges::sort(terms, {}, [](const auto& t) { return std::pair(t.column, t.row); });
  link.start.assign(at(columns) + 1, 0);
  for (const auto& t : terms) {
    ++link.start[at(t.column) + 1];
    link.row.push_back(t.row);
    link.entry.push_back(t.weight);
  }
  for (Index j = 0; j < columns; ++j) link.start[at(j) + 1] += link.start[at(j)];
  return link;
}

// The same terms in lists that name each place once: adding two weights may round, adding two links' products is paid
// for.
std::vector<std::vector<Entry>> distinct(std::vector<Entry> terms) {
  std::ranges::stable_sort(terms, {}, [](const auto& t) { return std::pair(t.row, t.column); });
  std::vector<std::vector<Entry>> lists;
  std::size_t repeated = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const bool same = i > 0 && terms[i].row == terms[i - 1].row && terms[i].column == terms[i - 1].column;
    repeated = same ? repeated + 1 : 0;
    if (lists.size() <= repeated) lists.emplace_back();
    lists[repeated].push_back(terms[i]);
  }
  return lists;
}

}  // namespace

BoundGraph::BoundGraph(const Stages& stages) {
  std::vector<Composite> sums(at(stages.size()));
  std::vector<int> number(at(stages.size()), -1);  // of a stage that stays
  // A stage that others read through sums that would be rounded stays, too; whoever reads it says so below.
  std::vector<bool> kept(at(stages.size()), false);
  for (int s = 0; s < stages.size(); ++s) kept[at(s)] = s == 0 || s + 1 == stages.size() || stages[s].layer >= 0;
  for (bool again = true; again;) {
    again = false;
    for (int s = 1; s < stages.size(); ++s) {
      Composite& sum = sums[at(s)] = {};
      for (const Vector& bias : stages[s].biases) sum.biases.push_back(bias);
      for (const Link& link : stages[s].links) {
        const auto terms = triplets(link);
        if (!kept[at(link.source)] &&
            !compose(terms, sums[at(link.source)], stages[link.source].size, stages[s].size, sum)) {
          kept[at(link.source)] = again = true;
        }
        if (kept[at(link.source)]) {
          auto& own = sum.terms[link.source];
          own.insert(own.end(), terms.begin(), terms.end());
        }
      }
    }
  }
  for (int s = 0; s < stages.size(); ++s) {
    if (!kept[at(s)]) continue;
    number[at(s)] = size();
    BoundStage stage;
    stage.size = stages[s].size;
    stage.units = stages[s].units();
    stage.activation = stages[s].activation;
    stage.bias = stage.bias_error = Vector::Zero(stage.size);
    Vector magnitude = Vector::Zero(stage.size);
    for (const Vector& bias : sums[at(s)].biases) {
      for (Index i = 0; i < stage.size; ++i) {
        const bool exact = exact_sum(stage.bias[i], bias[i]).has_value();
        stage.bias[i] += bias[i];
        magnitude[i] += std::abs(bias[i]);
        if (!exact) stage.bias_error[i] += 2 * std::numeric_limits<double>::epsilon() * magnitude[i];
      }
    }
    for (auto& [source, terms] : sums[at(s)].terms) {
      for (auto& list : distinct(std::move(terms)))
        stage.links.push_back(link_of(number[at(source)], stage.size, stages[source].units(), std::move(list)));
    }
    links_ += static_cast<Index>(stage.links.size());
    stages_.push_back(std::move(stage));
  }
}

void add_backward(const BoundLink& link, const Matrix& u, Matrix& out) {
  if (link.dense()) {
    out.noalias() += u * link.weight;
    return;
  }
  Eigen::Array<double, Eigen::Dynamic, kRows, Eigen::RowMajor> block(u.cols(), kRows);
  for (Index first = 0; first < u.rows(); first += kRows) {
    const Index rows = std::min(kRows, u.rows() - first);
    block.setZero();
    block.leftCols(rows) = u.middleRows(first, rows).transpose();
    for (Index j = 0; j < out.cols(); ++j) {
      Eigen::Array<double, 1, kRows> sum = Eigen::Array<double, 1, kRows>::Zero();
      for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e)
        sum += link.entry[at(e)] * block.row(link.row[at(e)]);
      for (Index r = 0; r < rows; ++r) out(first + r, j) += sum[r];
    }
  }
}

void add_forward(const BoundLink& link, const Matrix& a, Matrix& out, bool absolute) {
  if (link.dense()) {
    if (absolute) {
      out.noalias() += a * link.weight.cwiseAbs().transpose();
    } else {
      out.noalias() += a * link.weight.transpose();
    }
    return;
  }
  Eigen::Array<double, Eigen::Dynamic, kRows, Eigen::RowMajor> block(out.cols(), kRows);
  for (Index first = 0; first < a.rows(); first += kRows) {
    const Index rows = std::min(kRows, a.rows() - first);
    block.setZero();
    for (Index j = 0; j < a.cols(); ++j) {
      Eigen::Array<double, 1, kRows> x = Eigen::Array<double, 1, kRows>::Zero();
      for (Index r = 0; r < rows; ++r) x[r] = a(first + r, j);
      for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e)
        block.row(link.row[at(e)]) += (absolute ? std::abs(link.entry[at(e)]) : link.entry[at(e)]) * x;
    }
    out.middleRows(first, rows) += block.leftCols(rows).matrix().transpose();
  }
}

}  // namespace unrect
