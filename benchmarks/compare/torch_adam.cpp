#include "torch_adam.hpp"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <numbers>

namespace unrect {
namespace {

torch::Tensor tensor_of(const MatrixOf<float>& matrix) {
  return torch::from_blob(const_cast<float*>(matrix.data()), {matrix.rows(), matrix.cols()}).clone();
}

struct Net {
  std::vector<torch::Tensor> weights, biases;
  bool relu_output = false;

  torch::Tensor operator()(torch::Tensor a) const {
    for (std::size_t l = 0; l < weights.size(); ++l) {
      a = torch::addmm(biases[l], a, weights[l].t());
      if (l + 1 < weights.size() || relu_output) a = torch::relu(a);
    }
    return a;
  }
};

double mean_squared_error(const Net& net, const torch::Tensor& x, const torch::Tensor& y) {
  const torch::NoGradGuard guard;
  double sum = 0;
  for (int64_t begin = 0; begin < x.size(0); begin += 1000) {
    const int64_t end = std::min<int64_t>(begin + 1000, x.size(0));
    sum += (net(x.slice(0, begin, end)) - y.slice(0, begin, end)).square().sum().item<double>();
  }
  return sum / static_cast<double>(y.numel());
}

}  // namespace

TorchCourse torch_adam(const Chain& start, const Samples& train, const Samples& test, int epochs, Index batch,
                       double rate, int warm_up, int threads, std::uint64_t seed) {
  torch::set_num_threads(threads);
  torch::manual_seed(seed);
  Net net;
  net.relu_output = start.relu_output;
  std::vector<torch::Tensor> parameters;
  for (const Matrix& layer : start.layers) {
    const MatrixOf<float> w = layer.leftCols(layer.cols() - 1).cast<float>();
    const MatrixOf<float> b = layer.rightCols(1).transpose().cast<float>();
    net.weights.push_back(tensor_of(w).set_requires_grad(true));
    net.biases.push_back(tensor_of(b).reshape({b.size()}).set_requires_grad(true));
    parameters.push_back(net.weights.back());
    parameters.push_back(net.biases.back());
  }
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(rate));
  const torch::Tensor x = tensor_of(train.inputs), y = tensor_of(train.targets);
  const torch::Tensor test_x = tensor_of(test.inputs), test_y = tensor_of(test.targets);
  const Index steps = train.size() / batch, total = steps * epochs;
  TorchCourse course;
  double seconds = 0;
  Index t = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto begin = std::chrono::steady_clock::now();
    const torch::Tensor order = torch::randperm(x.size(0));
    for (Index s = 0; s < steps; ++s) {
      ++t;
      const double rise = std::min(1.0, static_cast<double>(t) / (warm_up + 1));
      const double fall =
          0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(t - 1) / static_cast<double>(total)));
      static_cast<torch::optim::AdamOptions&>(adam.param_groups()[0].options()).lr(rate * rise * fall);
      const torch::Tensor rows = order.slice(0, s * batch, (s + 1) * batch);
      const torch::Tensor loss =
          (net(x.index_select(0, rows)) - y.index_select(0, rows)).square().sum() / (2.0 * static_cast<double>(batch));
      adam.zero_grad();
      loss.backward();
      adam.step();
    }
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    course.seconds.push_back(seconds);
    course.train.push_back(mean_squared_error(net, x, y));
    course.test.push_back(mean_squared_error(net, test_x, test_y));
  }
  return course;
}

}  // namespace unrect
