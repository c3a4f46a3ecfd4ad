#include "unrect/bounds/internal/linear_range.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/internal/at.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/internal/kernels.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kLeast = std::numeric_limits<double>::denorm_min();

// |fl(Σ of n products) − Σ| ≤ γ_n Σ |products|, with room for the rounding of that sum itself; u = ε/2.
double rate(Index terms) { return static_cast<double>(terms + 8) * kEpsilon; }

// Whether all of A is zero for sure: then so are products with it, and nothing underflows.
bool vanishes(const MatrixRange& a) { return (a.center.array() == 0).all() && (a.radius.array() == 0).all(); }

// What the terms of a sum, each rounded at this rate, are off by before they are multiplied.
Matrix doubt(const MatrixRange& a, double rate) { return (a.radius + rate * a.center.cwiseAbs()).array() + kLeast; }

// Terms of one sum of the node's adjoint: how many outputs read an input.
Index readers(const Op& op, Index inputs) {
  return by_kind(
      op, [](const Dense& dense) { return dense.weight.rows(); },
      [](const Convolution& conv) {
        return conv.kernel.rows() / conv.groups * conv.window.kernel_height * conv.window.kernel_width;
      },
      [&](const Select& select) {
        std::vector<Index> copies(at(inputs), 0);
        for (const Index i : select.index) {
          if (i >= 0) ++copies[at(i)];
        }
        return copies.empty() ? Index{0} : *std::max_element(copies.begin(), copies.end());
      },
      alike<Input, Scale, Sum, Concat, Piecewise, Maximum>([](const auto&) { return Index{1}; }));
}

Op absolute_values(Op op) {
  if (Dense* dense = std::get_if<Dense>(&op)) dense->weight = dense->weight.cwiseAbs();
  if (Convolution* conv = std::get_if<Convolution>(&op)) conv->kernel = conv->kernel.cwiseAbs();
  if (Scale* scale = std::get_if<Scale>(&op)) scale->factor = scale->factor.cwiseAbs();
  if (Sum* sum = std::get_if<Sum>(&op)) {
    for (double& factor : sum->factors) factor = std::abs(factor);
  }
  return op;
}

// What a rectifier on its configuration hands back to its input.
MatrixRange through_pieces(const Op& op, const std::vector<std::uint16_t>& pieces, const MatrixRange& u, Index inputs) {
  if (const Piecewise* f = std::get_if<Piecewise>(&op)) {
    Vector slopes(u.center.cols());
    for (Index i = 0; i < slopes.size(); ++i) slopes[i] = f->slopes(f->row_of(i), pieces[at(i)]);
    return product(u, slopes);
  }
  const Maximum& max = std::get<Maximum>(op);
  MatrixRange back{Matrix::Zero(u.center.rows(), inputs), Matrix::Zero(u.center.rows(), inputs)};
  for (Index i = 0; i < max.units(); ++i) {
    const Index slot = max.index[at(i * max.width + pieces[at(i)])];
    back.center.col(slot) += u.center.col(i);
    back.radius.col(slot) =
        (1 + 4 * kEpsilon) * (back.radius.col(slot) + u.radius.col(i) + kEpsilon * back.center.col(slot).cwiseAbs());
  }
  return back;
}

void add(MatrixRange& to, MatrixRange&& more) {
  if (to.center.size() == 0) {
    to = std::move(more);
    return;
  }
  to.center += more.center;
  to.radius = (1 + 4 * kEpsilon) * (to.radius + more.radius + kEpsilon * to.center.cwiseAbs());
}

}  // namespace

MatrixRange product(const MatrixRange& a, const Matrix& w) {
  MatrixRange out{a.center * w, Matrix::Zero(a.center.rows(), w.cols())};
  if (vanishes(a)) return out;
  const double r = rate(w.rows());
  out.radius = (1 + 2 * r) * (doubt(a, r) * w.cwiseAbs());
  out.radius.array() += static_cast<double>(2 * w.rows() + 4) * kLeast;
  return out;
}

MatrixRange product(const MatrixRange& a, const Vector& d) {
  MatrixRange out{a.center * d.asDiagonal(), (1 + 4 * kEpsilon) * a.radius * d.cwiseAbs().asDiagonal()};
  for (Index j = 0; j < d.size(); ++j) {
    const double size = std::abs(d[j]);
    if (size == 0 || size == 1) continue;  // exact
    out.radius.col(j) += 2 * kEpsilon * out.center.col(j).cwiseAbs();
    out.radius.col(j).array() += 4 * kLeast;
  }
  return out;
}

MatrixRange shifted(MatrixRange a, const Vector& b) {
  a.center.rowwise() += b.transpose();
  for (Index j = 0; j < b.size(); ++j) {
    if (b[j] != 0) a.radius.col(j) = (1 + 4 * kEpsilon) * (a.radius.col(j) + kEpsilon * a.center.col(j).cwiseAbs());
  }
  return a;
}

MatrixRange linear_range(const Region& region) {
  const Network& network = region.network();
  const Index outputs = network.output_size();
  std::vector<MatrixRange> cotangents(network.nodes().size());
  std::vector<std::size_t> layer_of(network.nodes().size(), 0);
  for (std::size_t l = 0; l < network.layers().size(); ++l) layer_of[at(network.layers()[l])] = l;
  cotangents[at(network.output())] = {Matrix::Identity(outputs, outputs), Matrix::Zero(outputs, outputs)};
  for (int i = network.output(); i > 0; --i) {
    const MatrixRange u = std::move(cotangents[at(i)]);
    cotangents[at(i)] = {};
    if (u.center.size() == 0) continue;  // nothing that the output depends on
    const Node& node = network.node(i);
    if (is_piecewise(*node.op)) {
      const Index size = network.node(node.inputs[0]).size;
      add(cotangents[at(node.inputs[0])],
          through_pieces(*node.op, region.configuration().layers[layer_of[at(i)]], u, size));
      continue;
    }
    std::vector<MatrixRange> back;
    std::vector<Matrix*> centers, radii;
    for (const int input : node.inputs) {
      const Matrix zero = Matrix::Zero(outputs, network.node(input).size);
      back.push_back({zero, zero});
    }
    for (MatrixRange& b : back) {
      centers.push_back(&b.center);
      radii.push_back(&b.radius);
    }
    add_adjoint<double>(*node.op, u.center, centers);
    if (!vanishes(u)) {
      const Index terms = readers(*node.op, network.node(node.inputs[0]).size);
      const double r = rate(terms);
      add_adjoint<double>(absolute_values(*node.op), doubt(u, r), radii);
      for (Matrix* radius : radii) {
        radius->array() = (1 + 2 * r) * radius->array() + static_cast<double>(2 * terms + 4) * kLeast;
      }
    }
    for (std::size_t k = 0; k < back.size(); ++k) add(cotangents[at(node.inputs[k])], std::move(back[k]));
  }
  MatrixRange& range = cotangents[0];
  if (range.center.size() == 0) {
    range.center = Matrix::Zero(outputs, network.input_size());
    range.radius = range.center;
  }
  return std::move(range);
}

std::vector<MatrixRange> jacobian_ranges(const Factors& f) {
  std::vector<MatrixRange> j(at(f.depth()));
  const Index out = f.weights.back().rows();
  j.back() = {Matrix::Identity(out, out), Matrix::Zero(out, out)};
  for (std::size_t l = j.size() - 1; l > 0; --l) {
    j[l - 1] = product(product(j[l], f.weights[l]), f.diagonals[l - 1]);
  }
  return j;
}

}  // namespace unrect
