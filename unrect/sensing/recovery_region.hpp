// A recovery network taken apart at a measurement: x̂ = A(s) y + c(s) as long as its configuration s stays.
#pragma once

#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/region/region.hpp"
#include "unrect/sensing/measurement.hpp"
#include "unrect/sensing/unrolled.hpp"

namespace unrect {

/// One layer of rectifiers at one image.
struct RectifierActivity {
  Index units = 0, on = 0;
  Index channels = 0, dead = 0;  // dead: channels that are off everywhere
};

class RecoveryRegion {
 public:
  /// One forward pass in double, for a network laid out for this measurement. @throws Error kInvalidArgument.
  RecoveryRegion(const Unrolled& unrolled, const Measurement& measurement);

  const Region& region() const { return region_; }
  /// x̂.
  Image image() const;
  std::vector<RectifierActivity> activity() const;
  /// ‖A(s)‖₂: noise of norm ε on y moves x̂ by at most this times ε while s stays. By Lanczos, from below, with `steps`
  /// products each way, told to the context one by one. @throws Error kCancelled if its progress says so.
  double noise_gain(Rng rng, Index steps = 24, const Context& context = {}) const;
  /// ∂x̂_ij / ∂x, a row of A(s)Φ as a picture: what of the image that pixel is made of. One backward pass.
  /// @throws Error kInvalidArgument for a pixel outside.
  Image filter(Index i, Index j) const;
  /// The share of units on their other side when σ N(0, I) is added to y.
  double switched(double sigma, Rng rng) const;

 private:
  Measurement measurement_;
  Index channels_;
  Network network_;
  Trace trace_;
  Region region_;
};

}  // namespace unrect
