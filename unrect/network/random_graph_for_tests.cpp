#include "unrect/network/internal/random_graph_for_tests.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "unrect/base/rng.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}

  Index between(Index low, Index high) { return low + rng_.below(high - low + 1); }
  bool coin() { return between(0, 1) == 1; }
  Matrix matrix(Index rows, Index cols) {
    return rng_.normal_matrix(rows, cols) / std::sqrt(static_cast<double>(cols));
  }
  Vector vector(Index size) { return rng_.normal_vector(size); }
  template <class T>
  T one_of(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(between(0, std::ssize(all) - 1))];
  }
  Index divisor(Index of) {
    std::vector<Index> all;
    for (Index d = 1; d <= of; ++d) {
      if (of % d == 0) all.push_back(d);
    }
    return one_of(all);
  }

 private:
  Rng rng_;
};

Convolution convolution(Draw& draw, Index size) {
  Convolution op;
  Window& w = op.window;
  w.channels = draw.divisor(size);
  w.height = draw.divisor(size / w.channels);
  w.width = size / w.channels / w.height;
  if (draw.coin()) {
    w.kernel_height = draw.between(1, std::min<Index>(3, w.height));
    w.kernel_width = draw.between(1, std::min<Index>(3, w.width));
    w.pad_top = draw.between(0, 1);
    w.pad_left = draw.between(0, 1);
    w.pad_bottom = draw.between(0, 1);
    w.pad_right = draw.between(0, 1);
    w.stride_height = draw.between(1, 2);
    w.stride_width = draw.between(1, 2);
    if (2 * (w.kernel_height - 1) < w.height + w.pad_top + w.pad_bottom) w.dilation_height = draw.between(1, 2);
    if (2 * (w.kernel_width - 1) < w.width + w.pad_left + w.pad_right) w.dilation_width = draw.between(1, 2);
  }
  op.groups = draw.divisor(w.channels);
  const Index out = op.groups * draw.between(1, 2);
  op.kernel = draw.matrix(out, w.channels / op.groups * w.kernel_height * w.kernel_width);
  op.bias = draw.vector(out);
  return op;
}

Piecewise hinges(Draw& draw, Index units) {
  // s z to the left of a break, t z + (s − t) b to the right, every unit with its own.
  Piecewise f{"Bent", draw.vector(units), draw.matrix(units, 2), Matrix::Zero(units, 2)};
  f.offsets.col(1) = (f.slopes.col(0) - f.slopes.col(1)).cwiseProduct(f.breaks.col(0));
  return f;
}

Piecewise piecewise(Draw& draw, Index units) {
  const double low = draw.vector(1)[0], high = low + 1;
  switch (draw.between(0, 13)) {
    case 0:
      return absolute();
    case 1:
      return leaky_relu(0.01);
    case 2:
      return leaky_relu(1.5);
    case 3:
      return parametric_relu(draw.vector(units).cwiseMin(0.9));
    case 4:
      return parametric_relu(Vector::LinSpaced(units, -1, 1.7));
    case 5:
      return clip(low, high);
    case 6:
      return clip(low, kInfinity);
    case 7:
      return clip(-kInfinity, high);
    case 8:
      return hard_sigmoid(0.2, 0.5);
    case 9:
      return hard_sigmoid(0.3, 0.45);
    case 10:
      return soft_threshold(0.5);
    case 11:
      return soft_threshold(0.3);
    case 12:
      return hinges(draw, units);
    default:
      return relu();
  }
}

Maximum maximum(Draw& draw, Index size) {
  Maximum op{draw.between(1, 4), {}};
  const Index units = draw.between(1, 6);
  for (Index i = 0; i < units * op.width; ++i) {
    const bool empty = i % op.width != 0 && draw.between(0, 3) == 0;
    op.index.push_back(empty ? -1 : draw.between(0, size - 1));
  }
  return op;
}

Select selection(Draw& draw, Index size) {
  Select op{{}, Vector::Zero(draw.between(1, 10))};
  for (Index i = 0; i < op.fill.size(); ++i) {
    op.index.push_back(draw.between(0, 4) == 0 ? -1 : draw.between(0, size - 1));
    if (op.index.back() < 0 && draw.coin()) op.fill[i] = draw.vector(1)[0];
  }
  return op;
}

}  // namespace

Network random_graph(std::uint64_t seed) {
  Draw draw(seed);
  static const std::vector<std::string> kNames{"a",   "a",   "b",    "",        "output", "input",
                                               "a.W", "a_2", "flat", "größe\n", "x/y"};
  NetworkBuilder builder(draw.one_of<Shape>({{6}, {2, 3}, {3, 4, 4}, {}}));
  int last = 0;
  std::shared_ptr<const Op> shared;
  for (int nodes = 0; nodes < 12; ++nodes) {
    const Index size = builder.size(last);
    const std::string name = draw.one_of(kNames);
    const int other = static_cast<int>(draw.between(0, last));
    switch (draw.between(0, 8)) {
      case 0: {
        if (!shared || std::get<Dense>(*shared).weight.cols() != size) {
          const Index out = draw.between(1, 8);
          shared = std::make_shared<const Op>(Dense{draw.matrix(out, size), draw.vector(out)});
        }
        last = builder.add(shared, {last}, name);
        break;
      }
      case 1:
        last = builder.add(convolution(draw, size), {last}, name);
        break;
      case 2: {
        const Index channels = draw.coin() ? draw.divisor(size) : size;  // of one factor and shift each
        const auto spread = [&](const Vector& v) -> Vector {
          const Matrix rows = v.replicate(1, size / channels);
          return Eigen::Map<const Vector>(rows.data(), size);
        };
        const Vector shift = draw.coin() ? draw.vector(channels) : Vector::Zero(channels);
        last = builder.add(Scale{spread(draw.vector(channels)), spread(shift)}, {last}, name);
        break;
      }
      case 3:
        last = builder.add(selection(draw, size), {last}, name);
        break;
      case 4: {
        std::vector<int> inputs{last};
        std::vector<double> factors{draw.one_of<double>({1, -1, 0.5})};
        for (int k = 0; k <= last; ++k) {
          if (builder.size(k) == size && draw.coin()) {
            inputs.push_back(k);
            factors.push_back(draw.one_of<double>({1, -1, 0.5, factors[0]}));
          }
        }
        last = builder.add(Sum{factors}, inputs, name);
        break;
      }
      case 5:
        if (size + builder.size(other) > 200) break;
        last = builder.add(Concat{}, {last, other, last}, name);
        break;
      case 6:
        last = builder.add(maximum(draw, size), {last}, name);
        break;
      default:
        last = builder.add(piecewise(draw, size), {last}, name);
    }
  }
  const Index outputs = builder.size(last);
  return std::move(builder).build(last, draw.coin() ? Shape{outputs} : Shape{1, outputs, 1});
}

}  // namespace unrect
