#include "unrect/bounds/internal/networks_for_tests.hpp"

#include <utility>

namespace unrect {
namespace {

Op random_function(Index size, Rng& rng) {
  switch (rng.below(9)) {
    case 0:
      return leaky_relu(rng.uniform(-0.5, 0.5));
    case 1:
      return clip(-0.5, rng.uniform(0, 1));
    case 2:
      return absolute();
    case 3:
      return hard_sigmoid(0.3, 0.5);
    case 4:
      return soft_threshold(0.2);
    case 5:
      return parametric_relu(rng.uniform_vector(size, -0.5, 0.9));
    case 6: {  // each unit the largest of three slots, one of them empty now and then
      Maximum m{3, {}};
      for (Index i = 0; i < 3 * (size - 1); ++i)
        m.index.push_back(i % 3 == 2 && rng.below(3) == 0 ? -1 : rng.below(size));
      return m;
    }
    default:
      return relu();
  }
}

Op random_matrix(Index out, Index in, Rng& rng) {
  return Dense{rng.normal_matrix(out, in), rng.normal_vector(out) * 0.3};
}

}  // namespace

Network network_of_every_kind(Rng rng) {
  const Index inputs = 2 + rng.below(2);
  NetworkBuilder builder({inputs});
  int at = 0;
  const Index layers = 1 + rng.below(3);
  for (Index l = 0; l < layers; ++l) {
    const int before = at;
    const Index size = 3 + rng.below(3);
    if (l == 0 && rng.below(4) == 0) {  // along the inputs, two channels
      Window window{1, 1, inputs, 1, 2};
      window.pad_left = 1;
      at = builder.add(Convolution{window, 1, rng.normal_matrix(2, 2), rng.normal_vector(2)}, {at});
    } else {
      at = builder.add(random_matrix(size, builder.size(at), rng), {at});
    }
    if (rng.below(3) == 0)
      at = builder.add(Scale{rng.normal_vector(builder.size(at)), rng.normal_vector(builder.size(at))}, {at});
    at = builder.add(random_function(builder.size(at), rng), {at});
    if (rng.below(4) == 0) {
      const int straight = builder.add(random_matrix(builder.size(at), builder.size(before), rng), {before});
      at = builder.add(Sum{{1, rng.below(2) == 0 ? 1.0 : 0.3}}, {at, straight});
    }
    if (rng.below(4) == 0) at = builder.add(Concat{}, {at, before});
    if (rng.below(4) == 0) {
      Select select{{}, rng.normal_vector(builder.size(at))};
      for (Index i = 0; i < builder.size(at); ++i) {
        select.index.push_back(rng.below(5) == 0 ? -1 : rng.below(builder.size(at)));
        if (select.index.back() >= 0) select.fill[i] = 0;
      }
      at = builder.add(std::move(select), {at});
    }
  }
  at = builder.add(random_matrix(2, builder.size(at), rng), {at});
  return std::move(builder).build(at);
}

}  // namespace unrect
