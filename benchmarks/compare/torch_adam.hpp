// libtorch's Adam on a fully connected ReLU network. Its headers need minutes to compile: they stay in torch_adam.cpp.
#pragma once

#include <vector>

#include "unrect/lifted/chain.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {

struct TorchCourse {
  std::vector<double> seconds, train, test;  // an epoch
};

/// Mini-batches of a fresh permutation every epoch, loss Σ(y − x)²/2 a sample, rate warmed up and cooled down as ours.
TorchCourse torch_adam(const Chain& start, const Samples& train, const Samples& test, int epochs, Index batch,
                       double rate, int warm_up, int threads, std::uint64_t seed);

}  // namespace unrect
