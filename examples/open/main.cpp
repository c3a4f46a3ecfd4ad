// Opens a random network at a point and prints its affine map and the nearest boundary.
#include <iostream>
#include <unrect/unrect.hpp>

int main() {
  const unrect::Network network = unrect::random_chain({2, 8, 8, 1}, unrect::Rng(1));
  const unrect::Vector x = unrect::Vector::Constant(2, 0.25);
  const unrect::Region region = unrect::unrectify(network, x);
  const auto [map, polytope] = region.affine_map_and_polytope();
  const unrect::NearestBoundary nearest = unrect::nearest_boundary(polytope, x);
  std::cout << "A = " << map.linear << ", c = " << map.constant << '\n'
            << "nearest boundary " << nearest.distance << " away, at layer " << nearest.walls.at(0).unit.layer
            << " unit " << nearest.walls.at(0).unit.index << '\n';
  for (const auto& [name, bound] : unrect::all_bounds(region)) std::cout << name << " = " << bound << '\n';
}
