// explorer_pages FILE.html [WIDTHS]: writes a page for the browser test: a random network of the given widths, such as
// 2,16,16,3, and FILE.json with its weights; without widths two layers that can be cut by hand: z₀ = (x, y), z₁ =
// max(x, 0) + max(y, 0) − ½ on [−1, 1]².
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <sstream>

#include "unrect/base/file.hpp"
#include "unrect/view/explorer.hpp"

namespace {

using unrect::Explorer;
using unrect::Index;
using unrect::Matrix;
using unrect::Vector;

struct Corner {
  double x, y;
  std::int32_t unit;  // that made the edge from here
};
using Polygon = std::vector<Corner>;

struct Dense {
  Matrix weights;
  Vector bias;
};

double at(const Matrix& forms, Index i, double x, double y) { return forms(i, 0) * x + forms(i, 1) * y + forms(i, 2); }

/// Cuts polygons of the plane by a network's units, layer after layer: the plain recursion, on floating-point numbers.
class Cutter {
 public:
  explicit Cutter(std::vector<Dense> network) : network_(std::move(network)) {
    Index units = 0;
    for (std::size_t l = 0; l + 1 < network_.size(); ++l) {
      explorer.layers.push_back({.units = network_[l].bias.size(), .starts = {0}});
      first_.push_back(units);
      units += network_[l].bias.size();
    }
    Matrix plane = Matrix::Zero(2, 3);
    plane(0, 0) = plane(1, 1) = 1;
    enter(0, {{-1, -1, -1}, {1, -1, -1}, {1, 1, -1}, {-1, 1, -1}}, plane, 0);
  }

  Explorer explorer{.x = {-1, 1}, .y = {-1, 1}};
  std::vector<Matrix> maps;  // of the last polygons, outputs × 3

 private:
  void enter(std::size_t l, const Polygon& polygon, const Matrix& inputs, std::uint32_t parent) {
    Matrix forms = network_[l].weights * inputs;
    forms.col(2) += network_[l].bias;
    if (l == first_.size()) {
      maps.push_back(forms);
      return;
    }
    std::vector<Index> units(static_cast<std::size_t>(forms.rows()));
    for (std::size_t i = 0; i < units.size(); ++i) units[i] = static_cast<Index>(i);
    std::vector<std::uint8_t> pieces(units.size());
    cut(l, polygon, forms, units, pieces, parent);
  }

  void cut(std::size_t l, const Polygon& polygon, const Matrix& forms, std::vector<Index> units,
           std::vector<std::uint8_t> pieces, std::uint32_t parent) {
    constexpr double kTolerance = 1e-10;
    std::erase_if(units, [&](Index i) {
      double low = 0, high = 0;
      for (const Corner& c : polygon) {
        low = std::min(low, at(forms, i, c.x, c.y));
        high = std::max(high, at(forms, i, c.x, c.y));
      }
      const double tolerance = kTolerance * forms.row(i).cwiseAbs().maxCoeff();
      if (low < -tolerance && high > tolerance) return false;
      pieces[static_cast<std::size_t>(i)] = high > tolerance ? 1 : 0;
      return true;
    });
    if (units.empty()) return emit(l, polygon, forms, pieces, parent);
    const Index unit = units[units.size() / 2];
    for (const int side : {1, -1}) {
      Polygon part;
      for (std::size_t k = 0; k < polygon.size(); ++k) {
        const Corner a = polygon[k], b = polygon[(k + 1) % polygon.size()];
        const double u = side * at(forms, unit, a.x, a.y), v = side * at(forms, unit, b.x, b.y);
        const double t = u / (u - v);
        const Corner crossing{a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.unit};
        if (u >= 0) part.push_back(a);
        if (u > 0 && v < 0) part.push_back({crossing.x, crossing.y, static_cast<std::int32_t>(first_[l] + unit)});
        if (u == 0 && v < 0) part.back().unit = static_cast<std::int32_t>(first_[l] + unit);
        if (u < 0 && v > 0) part.push_back(crossing);
      }
      pieces[static_cast<std::size_t>(unit)] = side > 0 ? 1 : 0;
      std::vector<Index> left = units;
      std::erase(left, unit);
      if (part.size() >= 3) cut(l, part, forms, std::move(left), pieces, parent);
    }
  }

  void emit(std::size_t l, const Polygon& polygon, const Matrix& forms, const std::vector<std::uint8_t>& pieces,
            std::uint32_t parent) {
    unrect::ExplorerLayer& layer = explorer.layers[l];
    const auto number = static_cast<std::uint32_t>(layer.starts.size() - 1);
    for (const Corner& c : polygon) {
      layer.vertices.insert(layer.vertices.end(), {c.x, c.y});
      layer.edge_unit.push_back(c.unit);
    }
    layer.starts.push_back(static_cast<std::uint32_t>(layer.edge_unit.size()));
    if (l > 0) layer.parent.push_back(parent);
    layer.pieces.insert(layer.pieces.end(), pieces.begin(), pieces.end());
    Matrix active = forms;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i] == 0) active.row(static_cast<Index>(i)).setZero();
    }
    enter(l + 1, polygon, active, number);
  }

  std::vector<Dense> network_;
  std::vector<Index> first_;
};

/// Random weights; each unit is 0 at a random point of the square.
std::vector<Dense> random_network(const std::vector<Index>& widths, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<Dense> network;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const double scale = std::sqrt(2.0 / static_cast<double>(widths[l - 1]));
    Dense dense{Matrix::NullaryExpr(widths[l], widths[l - 1], [&] { return normal(random) * scale; }),
                Vector(widths[l])};
    for (Index i = 0; i < widths[l]; ++i) {
      Vector x{{uniform(random), uniform(random)}};
      for (const Dense& before : network) x = (before.weights * x + before.bias).cwiseMax(0).eval();
      dense.bias[i] = -dense.weights.row(i).dot(x);
    }
    network.push_back(std::move(dense));
  }
  return network;
}

Explorer small() {
  Cutter cutter({{Matrix::Identity(2, 2), Vector::Zero(2)},
                 {Matrix::Ones(1, 2), Vector::Constant(1, -0.5)},
                 {Matrix{{2}, {-1}}, Vector{{0, 0.25}}}});
  Explorer explorer = cutter.explorer;
  explorer.title = "Small <partition>";
  explorer.notes = {"Two layers, 2 and 1 units", "& \"quoted\" </script>"};
  explorer.x_name = "t0";
  explorer.y_name = "t1";
  unrect::ExplorerColumn number{"number", {}}, side{"side", {}, {"left", "right"}};
  for (std::size_t p = 0; p < cutter.maps.size(); ++p) {
    number.values.push_back(static_cast<float>(p));
    side.values.push_back(explorer.layers[0].pieces[std::size_t{2} * explorer.layers[1].parent[p]]);
    for (Index k = 0; k < 2; ++k) {
      for (Index i = 0; i < 3; ++i) explorer.maps.push_back(static_cast<float>(cutter.maps[p](k, i)));
    }
  }
  explorer.columns = {number, side};
  explorer.outputs = {"up", "down"};
  return explorer;
}

Explorer random(const std::vector<Dense>& network, std::string_view shape) {
  Cutter cutter(network);
  Explorer explorer = std::move(cutter.explorer);
  const std::size_t regions = cutter.maps.size();
  const bool with_maps = regions < 100'000;
  explorer.title = "A random network";
  explorer.notes = {fmt::format("Widths {}", shape), fmt::format("{} regions on [−1, 1]²", regions)};
  explorer.x_name = "x0";
  explorer.y_name = "x1";
  unrect::ExplorerColumn slope{"Lipschitz constant", {}}, winner{"largest output", {}, {"y0", "y1", "y2"}};
  for (std::size_t p = 0; p < regions; ++p) {
    const Matrix& map = cutter.maps[p];
    const Eigen::Matrix2d square = map.leftCols(2).transpose() * map.leftCols(2);
    const double half = square.trace() / 2;
    slope.values.push_back(static_cast<float>(std::sqrt(
        half + std::sqrt(std::max(half * half - square(0, 0) * square(1, 1) + square(0, 1) * square(1, 0), 0.0)))));
    const unrect::ExplorerLayer& last = explorer.layers.back();
    Index best = 0;
    Vector middle = Vector::Zero(3);
    for (std::size_t i = last.starts[p]; i < last.starts[p + 1]; ++i) {
      middle += Vector{{last.vertices[2 * i], last.vertices[2 * i + 1], 1}};
    }
    (map * middle).maxCoeff(&best);
    winner.values.push_back(static_cast<float>(best));
    if (with_maps) {
      for (Index k = 0; k < map.size(); ++k) explorer.maps.push_back(static_cast<float>(map.data()[k]));
    }
  }
  explorer.columns = {slope, winner};
  if (with_maps) explorer.outputs = {"y0", "y1", "y2"};
  return explorer;
}

std::string json(const std::vector<Dense>& network) {
  std::string layers;
  for (const Dense& dense : network) {
    std::string rows;
    for (Index i = 0; i < dense.bias.size(); ++i) {
      const Vector row = dense.weights.row(i);
      rows += fmt::format("{}[[{}],{}]", i > 0 ? "," : "", fmt::join(row.data(), row.data() + row.size(), ","),
                          dense.bias[i]);
    }
    layers += fmt::format("{}[{}]", layers.empty() ? "" : ",", rows);
  }
  return "[" + layers + "]";
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path file = argc > 1 ? argv[1] : "small.html";
  if (argc < 3) {
    unrect::write_file(file, unrect::explorer_page(small()));
    return 0;
  }
  std::vector<Index> widths;
  std::istringstream text(argv[2]);
  for (std::string width; std::getline(text, width, ',');) widths.push_back(std::stol(width));
  const std::vector<Dense> network = random_network(widths, 7);
  unrect::write_file(file, unrect::explorer_page(random(network, argv[2])));
  unrect::write_file(file.replace_extension(".json"), json(network));
  return 0;
}
