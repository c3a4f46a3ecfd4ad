// A network built by hand, with a shortcut around its hidden layer, learns y = |x| and is written to a file.
#include <iostream>
#include <unrect/unrect.hpp>

using namespace unrect;

int main() {
  Rng rng(1);
  NetworkBuilder builder(Shape{1});
  const int hidden = builder.add(Dense{rng.normal_matrix(8, 1), rng.normal_vector(8)}, {0});
  const int active = builder.add(relu(), {hidden});
  const int deep = builder.add(Dense{0.1 * rng.normal_matrix(1, 8), Vector::Zero(1)}, {active});
  const int shortcut = builder.add(Dense{Matrix::Ones(1, 1), Vector::Zero(1)}, {0});
  const Network start = std::move(builder).build(builder.add(Sum{{1, 1}}, {deep, shortcut}));

  Samples samples;
  samples.inputs = rng.uniform_vector(256, -1, 1).cast<float>();
  samples.targets = samples.inputs.cwiseAbs();
  TrainOptions options;
  options.epochs = 200;
  options.batch = 64;
  const TrainResult result = train(start, samples, {}, options);
  std::cout << "loss " << result.log.front().train_loss << ", then " << result.log.back().train_loss << '\n'
            << "|-0.5| = " << evaluate(result.network, Vector::Constant(1, -0.5)) << '\n';
  write_network("abs.onnx", result.network);
}
