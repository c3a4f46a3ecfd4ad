// Boxes of inputs with the outputs that a network has over them, ready for a verdict: one a region, ten regions at
// most.
#include <iostream>
#include <unrect/unrect.hpp>

int main(int, char** argv) {
  const unrect::Network network = unrect::read_network(argv[1]);
  const unrect::Vector one = unrect::Vector::Ones(network.input_size());
  int left = 10;
  unrect::visit_regions({network, unrect::Domain(unrect::Box(-one, one))}, [&](unrect::RegionView& region) {
    const auto [matrix, constant] = region.map();
    const unrect::Matrix x = region.vertices(), y = (x * matrix.transpose()).rowwise() + constant.transpose();
    std::cout << "x in [" << x.colwise().minCoeff() << "] to [" << x.colwise().maxCoeff() << "]: y in ["
              << y.colwise().minCoeff() << "] to [" << y.colwise().maxCoeff() << "]\n";
    return --left > 0;
  });
}
