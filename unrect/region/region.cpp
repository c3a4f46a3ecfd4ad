#include "unrect/region/region.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"
#include "unrect/network/internal/kernels.hpp"
#include "unrect/region/internal/walls.hpp"

namespace unrect {
namespace {

// A value of the un-rectified network for many directions at once, one a column: size × k. Behind a rectifier only the
// rows of active units are held, so that the next product costs in proportion to them.
struct Columns {
  Matrix values;               // size × k, or one row for each unit of `support`
  std::vector<Index> support;  // where not all
  Index size = 0;
  bool all = true;

  void spread() {
    if (all) return;
    Matrix full = Matrix::Zero(size, values.cols());
    const double* from = values.data();
    for (const Index i : support) {
      std::copy_n(from, values.cols(), full.data() + i * full.cols());
      from += values.cols();
    }
    values = std::move(full);
    all = true;
  }
};

Matrix gathered_columns(const Matrix& m, const std::vector<Index>& columns) {
  Matrix out(m.rows(), static_cast<Index>(columns.size()));
  for (Index r = 0; r < m.rows(); ++r) {
    for (std::size_t j = 0; j < columns.size(); ++j) out(r, static_cast<Index>(j)) = m(r, columns[j]);
  }
  return out;
}

// y = D z + offsets on the given pieces; z: size × k.
Columns on_pieces(const Op& op, const std::vector<std::uint16_t>& pieces, const Matrix& z, bool with_constants) {
  Columns y;
  y.size = static_cast<Index>(pieces.size());
  y.all = false;
  const Index width = z.cols();
  const auto piece = [&](Index i) { return pieces[static_cast<std::size_t>(i)]; };
  // Plain loops: with few directions the rows are short, and there are thousands of them.
  by_kind(
      op,
      [&](const Piecewise& f) {
        const auto slope = [&](Index i) { return f.slopes(f.row_of(i), piece(i)); };
        const auto offset = [&](Index i) { return with_constants ? f.offsets(f.row_of(i), piece(i)) : 0; };
        for (Index i = 0; i < y.size; ++i) {
          if (slope(i) != 0 || offset(i) != 0) y.support.push_back(i);
        }
        y.values.resize(std::ssize(y.support), width);
        for (Index k = 0; k < y.values.rows(); ++k) {
          const Index i = y.support[static_cast<std::size_t>(k)];
          const double* const from = z.data() + i * width;
          double* const to = y.values.data() + k * width;
          const double a = slope(i), b = offset(i);
          for (Index c = 0; c < width; ++c) to[c] = a * from[c] + b;
        }
      },
      [&](const Maximum& max) {
        y.support.resize(static_cast<std::size_t>(y.size));
        std::iota(y.support.begin(), y.support.end(), Index{0});
        y.values.resize(y.size, width);
        for (Index i = 0; i < y.size; ++i) {
          const Index slot = max.index[static_cast<std::size_t>(i * max.width + piece(i))];
          std::copy_n(z.data() + slot * width, width, y.values.data() + i * width);
        }
      },
      without_pieces([](const auto&) {}));
  return y;
}

Matrix affine_columns(const Op& op, const std::vector<Columns*>& in, bool with_constants) {
  Columns& x = *in[0];
  if (const Dense* dense = std::get_if<Dense>(&op)) {
    Matrix y;
    constexpr Index kWorthGathering = 8;  // columns; fewer cost less than to copy the weights of active units
    if (x.values.cols() < kWorthGathering || static_cast<Index>(x.support.size()) == x.size) x.spread();
    if (x.all) {
      y.noalias() = dense->weight * x.values;
    } else {
      y.noalias() = gathered_columns(dense->weight, x.support) * x.values;
    }
    if (with_constants) y.colwise() += dense->bias;
    return y;
  }
  for (Columns* columns : in) columns->spread();
  if (const Scale* scale = std::get_if<Scale>(&op)) {
    Matrix y = scale->factor.asDiagonal() * x.values;
    if (with_constants) y.colwise() += scale->shift;
    return y;
  }
  if (const Select* select = std::get_if<Select>(&op)) {
    Matrix y(static_cast<Index>(select->index.size()), x.values.cols());
    for (Index i = 0; i < y.rows(); ++i) {
      const Index from = select->index[static_cast<std::size_t>(i)];
      if (from >= 0) {
        y.row(i) = x.values.row(from);
      } else {
        y.row(i).setConstant(with_constants ? select->fill[i] : 0);
      }
    }
    return y;
  }
  // Convolutions want whole images; sums and concatenations take the same path for brevity.
  std::vector<Matrix> rows;
  std::vector<const Matrix*> pointers;
  rows.reserve(in.size());
  pointers.reserve(in.size());
  for (const Columns* columns : in) rows.push_back(columns->values.transpose());
  for (const Matrix& r : rows) pointers.push_back(&r);
  return (with_constants ? value<double>(op, pointers) : linear_part<double>(op, pointers)).transpose();
}

using LayerVisitor = std::function<void(std::size_t, const Op&, const std::vector<std::uint16_t>&, const Matrix&)>;

// Carries columns through the un-rectified network; visit(l, …, z) sees what layer l reads. `identity` says that `x` is
// not a matrix to carry but stands for the n_0 × n_0 identity, whose product with the first matrix need not be
// computed.
Matrix sweep(const Network& network, const Configuration& configuration, Matrix x, bool with_constants,
             const LayerVisitor& visit = {}, bool identity = false) {
  const std::vector<Node>& nodes = network.nodes();
  std::vector<Columns> values(nodes.size());
  std::vector<std::size_t> last_use(nodes.size(), 0);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const int input : nodes[i].inputs) last_use[static_cast<std::size_t>(input)] = i;
  }
  last_use[static_cast<std::size_t>(network.output())] = nodes.size();
  values[0].values = std::move(x);
  const auto materialise_input = [&] {
    if (identity && values[0].values.size() == 0) {
      values[0].values = Matrix::Identity(network.input_size(), network.input_size());
    }
  };
  std::size_t layer = 0;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    const Op& op = *node.op;
    if (is_piecewise(op)) {
      if (node.inputs[0] == 0) materialise_input();
      Columns& input = values[static_cast<std::size_t>(node.inputs[0])];
      input.spread();
      const Matrix& z = input.values;
      if (visit) visit(layer, op, configuration.layers[layer], z);
      values[i] = on_pieces(op, configuration.layers[layer], z, with_constants);
      ++layer;
    } else if (const Dense* dense = std::get_if<Dense>(&op); dense && identity && node.inputs[0] == 0) {
      values[i].values = dense->weight;
    } else {
      std::vector<Columns*> inputs;
      for (const int input : node.inputs) {
        if (input == 0) materialise_input();
        inputs.push_back(&values[static_cast<std::size_t>(input)]);
      }
      values[i].values = affine_columns(op, inputs, with_constants);
    }
    for (const int input : node.inputs) {
      if (last_use[static_cast<std::size_t>(input)] == i) values[static_cast<std::size_t>(input)] = {};
    }
  }
  if (network.output() == 0) materialise_input();
  Columns& output = values[static_cast<std::size_t>(network.output())];
  output.spread();
  return std::move(output.values);
}

Index count_walls(const Network& network, const Configuration& configuration) {
  Index count = 0;
  for (std::size_t l = 0; l < configuration.layers.size(); ++l) {
    for_each_wall(*network.node(network.layers()[l]).op, configuration.layers[l],
                  [&](Index, const WallForm&) { ++count; });
  }
  return count;
}

// Writes the walls' normals (the linear form applied to each column) one row after another.
LayerVisitor normal_writer(Matrix& normals, Index& next) {
  return [&normals, &next](std::size_t, const Op& op, const std::vector<std::uint16_t>& pieces, const Matrix& z) {
    for_each_wall(op, pieces, [&](Index, const WallForm& wall) {
      if (wall.minus >= 0) {
        normals.row(next++) = wall.sign * (z.row(wall.plus) - z.row(wall.minus));
      } else {
        normals.row(next++) = wall.sign * z.row(wall.plus);
      }
    });
  };
}

}  // namespace

Region::Region(Network network, Configuration configuration)
    : network_(std::move(network)), configuration_(std::move(configuration)) {
  check_configuration(network_, configuration_);
}

Matrix Region::multiply(const MatrixRef& directions) const {
  UNRECT_REQUIRE(directions.rows() == network_.input_size(), ErrorCode::kInvalidArgument,
                 "directions have {} rows, expected one for each of the {} inputs", directions.rows(),
                 network_.input_size());
  return sweep(network_, configuration_, directions, false);
}

Matrix Region::multiply_normals(const MatrixRef& directions) const {
  UNRECT_REQUIRE(directions.rows() == network_.input_size(), ErrorCode::kInvalidArgument,
                 "directions have {} rows, expected one for each of the {} inputs", directions.rows(),
                 network_.input_size());
  Matrix products(count_walls(network_, configuration_), directions.cols());
  Index next = 0;
  sweep(network_, configuration_, directions, false, normal_writer(products, next));
  return products;
}

Matrix Region::multiply_transposed(const MatrixRef& cotangents) const {
  UNRECT_REQUIRE(cotangents.rows() == network_.output_size(), ErrorCode::kInvalidArgument,
                 "cotangents have {} rows, expected one for each of the {} outputs", cotangents.rows(),
                 network_.output_size());
  const std::vector<Node>& nodes = network_.nodes();
  std::vector<Matrix> u(nodes.size());  // k × size, empty where nothing has arrived
  u[static_cast<std::size_t>(network_.output())] = cotangents.transpose();
  std::size_t layer = network_.layers().size();
  for (std::size_t i = nodes.size(); i-- > 1;) {
    const Node& node = nodes[i];
    const bool piecewise = is_piecewise(*node.op);
    if (piecewise) --layer;
    if (u[i].size() == 0) continue;
    std::vector<Matrix*> targets;
    for (const int input : node.inputs) {
      Matrix& target = u[static_cast<std::size_t>(input)];
      if (target.size() == 0) target.setZero(cotangents.cols(), nodes[static_cast<std::size_t>(input)].size);
      targets.push_back(&target);
    }
    if (!piecewise) {
      add_adjoint<double>(*node.op, u[i], targets);
    } else {
      const std::vector<std::uint16_t>& pieces = configuration_.layers[layer];
      const auto piece = [&](Index k) { return pieces[static_cast<std::size_t>(k)]; };
      for (Index n = 0; n < u[i].rows(); ++n) {
        by_kind(
            *node.op,
            [&](const Piecewise& f) {
              for (Index k = 0; k < node.size; ++k) (*targets[0])(n, k) += f.slopes(f.row_of(k), piece(k)) * u[i](n, k);
            },
            [&](const Maximum& max) {
              for (Index k = 0; k < node.size; ++k) {
                (*targets[0])(n, max.index[static_cast<std::size_t>(k * max.width + piece(k))]) += u[i](n, k);
              }
            },
            without_pieces([](const auto&) {}));
      }
    }
    u[i].resize(0, 0);
  }
  if (u[0].size() == 0) return Matrix::Zero(network_.input_size(), cotangents.cols());
  return u[0].transpose();
}

AffineMap Region::affine_map() const {
  AffineMap map;
  const Index in = network_.input_size(), out = network_.output_size();
  if (out < in) {
    map.linear = multiply_transposed(Matrix::Identity(out, out)).transpose();
  } else {
    map.linear = sweep(network_, configuration_, {}, false, {}, true);
  }
  map.constant = sweep(network_, configuration_, Matrix::Zero(in, 1), true);
  return map;
}

std::pair<Vector, std::vector<Wall>> Region::offsets_and_walls() const {
  std::vector<double> offsets;
  std::vector<Wall> walls;
  sweep(network_, configuration_, Matrix::Zero(network_.input_size(), 1), true,
        [&](std::size_t layer, const Op& op, const std::vector<std::uint16_t>& pieces, const Matrix& q) {
          for_each_wall(op, pieces, [&](Index unit, const WallForm& wall) {
            const double constant = q(wall.plus, 0) - (wall.minus >= 0 ? q(wall.minus, 0) : 0);
            offsets.push_back(wall.bound - wall.sign * constant);
            walls.push_back({{static_cast<int>(layer), unit}, wall.beyond});
          });
        });
  return {Eigen::Map<const Vector>(offsets.data(), static_cast<Index>(offsets.size())), std::move(walls)};
}

std::pair<AffineMap, RegionPolytope> Region::affine_map_and_polytope() const {
  AffineMap map;
  RegionPolytope polytope;
  Matrix normals(count_walls(network_, configuration_), network_.input_size());
  Index next = 0;
  map.linear = sweep(network_, configuration_, {}, false, normal_writer(normals, next), true);
  map.constant = sweep(network_, configuration_, Matrix::Zero(network_.input_size(), 1), true);
  auto [offsets, walls] = offsets_and_walls();
  UNRECT_REQUIRE(normals.allFinite() && offsets.allFinite(), ErrorCode::kInvalidArgument,
                 "the region's inequalities overflow, expected weights whose products stay finite");
  polytope.halfspaces = Halfspaces(std::move(normals), std::move(offsets));
  polytope.walls = std::move(walls);
  return {std::move(map), std::move(polytope)};
}

RegionPolytope Region::polytope() const { return affine_map_and_polytope().second; }

void Region::for_each_normal_block(Index block, const std::function<void(Index, const Matrix&)>& visit) const {
  UNRECT_REQUIRE(block > 0, ErrorCode::kInvalidArgument, "blocks of {} columns, expected at least 1", block);
  const Index in = network_.input_size();
  for (Index begin = 0; begin < in; begin += block) {
    const Index count = std::min(block, in - begin);
    visit(begin, multiply_normals(Matrix::Identity(in, in).middleCols(begin, count)));
  }
}

Region unrectify(const Network& network, const VectorRef& x) {
  return Region(network, trace(network, x).configuration);
}

}  // namespace unrect
