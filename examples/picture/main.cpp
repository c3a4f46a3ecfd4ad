// The regions of a random network in the plane, each in a colour of its own, as a picture.
#include <iostream>
#include <unrect/unrect.hpp>

int main() {
  const unrect::Network network = unrect::random_chain({2, 8, 8, 1}, unrect::Rng(1));
  const unrect::Domain square(unrect::Box(unrect::Vector::Constant(2, -1), unrect::Vector::Constant(2, 1)));
  unrect::Figure figure({.title = "regions", .equal = true});
  int count = 0;
  unrect::visit_regions({network, square}, [&](unrect::RegionView& region) {
    figure.polygon(region.vertices(), {.fill = unrect::categorical(count++ % 8)});
    return true;
  });
  figure.save("regions.svg");
  std::cout << count << " regions\n";
}
