// A drawn disc, measured by a quarter as many random sums as it has pixels, and recovered by its total variation.
#include <iostream>
#include <unrect/unrect.hpp>

int main() {
  const unrect::Image disc = unrect::Image::NullaryExpr(64, 64, [](auto row, auto column) {
    return (row - 30) * (row - 30) + (column - 34) * (column - 34) < 400 ? 0.9 : 0.2;
  });
  const unrect::Sampling sampling =
      unrect::draw_sampling(unrect::SensingKind::kGaussian, unrect::measurements_for(0.25, 256), 16, 1);
  const unrect::Measurement measured = unrect::measure(disc, sampling);
  const unrect::Image found = unrect::decoder_named("tv", sampling)(measured);
  std::cout << measured.y.size() << " numbers instead of " << disc.size() << ": " << unrect::psnr(found, disc)
            << " dB\n";
  unrect::write_png("disc.png", found);
}
