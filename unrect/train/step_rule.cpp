#include "unrect/train/internal/step_rule.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "unrect/train/internal/pass.hpp"

namespace unrect {
namespace {

constexpr Index kChunkRows = 128;
constexpr double kLeastEnergy = 1e-4;  // of an output, as a part of the inputs' mean energy
constexpr double kLeastChange = 1e-3;  // of an output, as a part of what C + δ̂I makes of it

// The chunk's floats, padding and all: for entry-wise work.
struct Part {
  Index begin, size;
};

Part part_of(const Model& model, const Chunk& chunk) {
  const Layer& layer = model.layers()[static_cast<std::size_t>(chunk.layer)];
  return {layer.offset + chunk.begin * layer.stride, chunk.rows * layer.stride};
}

Eigen::Map<FloatVector> in(float* buffer, const Part& part) { return {buffer + part.begin, part.size}; }
Eigen::Map<const FloatVector> in(const float* buffer, const Part& part) { return {buffer + part.begin, part.size}; }

}  // namespace

std::vector<Chunk> chunks_of(const Model& model) {
  std::vector<Chunk> chunks;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const Index rows = model.layers()[l].rows;
    for (Index begin = 0; begin < rows; begin += kChunkRows)
      chunks.push_back({static_cast<int>(l), begin, std::min(kChunkRows, rows - begin)});
  }
  return chunks;
}

Momentum::Momentum(const Model& model, double momentum)
    : model_(model), momentum_(static_cast<float>(momentum)), velocity_(FloatVector::Zero(model.size())) {}

void Momentum::step(const Chunk& chunk, const float* gradient, float* weights, double rate) {
  const Part part = part_of(model_, chunk);
  in(velocity_.data(), part) = momentum_ * in(velocity_.data(), part) - static_cast<float>(rate) * in(gradient, part);
  in(weights, part) += in(velocity_.data(), part);
}

Adam::Adam(const Model& model)
    : model_(model), first_(FloatVector::Zero(model.size())), second_(FloatVector::Zero(model.size())) {}

void Adam::step(const Chunk& chunk, const float* gradient, float* weights, double rate, Index t) {
  const Part part = part_of(model_, chunk);
  const float beta1 = 0.9F, beta2 = 0.999F, tiny = 1e-8F;
  const double unbias1 = 1 - std::pow(0.9, static_cast<double>(t));
  const double unbias2 = 1 - std::pow(0.999, static_cast<double>(t));
  const float step = static_cast<float>(rate / unbias1);
  const float root = static_cast<float>(1 / std::sqrt(unbias2));
  const auto g = in(gradient, part).array();
  auto m = in(first_.data(), part).array();
  auto v = in(second_.data(), part).array();
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * g.square();
  in(weights, part).array() -= step * m / (root * v.sqrt() + tiny);
}

LayerMetric::LayerMetric(const Model& model, const Options& options)
    : model_(model), options_(options), velocity_(FloatVector::Zero(model.size())), gram_offsets_{0} {
  for (int l = 0; l < static_cast<int>(model.layers().size()); ++l)
    per_position_.push_back(1 / static_cast<float>(positions_of(model, l)));
  for (const Layer& layer : model.layers()) gram_offsets_.push_back(gram_offsets_.back() + layer.cols * layer.stride);
  grams_ = FloatVector::Zero(gram_size());
  inverses_ = FloatVector::Zero(gram_size());
}

FloatOut LayerMetric::gram_in(float* grams, int layer) const {
  const Layer& l = model_.layers()[static_cast<std::size_t>(layer)];
  return Eigen::Map<FloatMatrix, 0, Eigen::OuterStride<>>(grams + gram_offsets_[static_cast<std::size_t>(layer)],
                                                          l.cols, l.cols, Eigen::OuterStride<>(l.stride));
}

void LayerMetric::update(int layer, const FloatVector& sum, Index rows, Index k) {
  const float keep = std::min(0.95F, 1 - 1 / static_cast<float>(k));
  Eigen::Map<FloatVector> c(grams_.data() + gram_offsets_[static_cast<std::size_t>(layer)], sum.size());
  c = keep * c + (1 - keep) / static_cast<float>(rows) * sum;
  FloatMatrix shifted = gram_in(grams_.data(), layer);
  shifted.diagonal().array() += shift(layer);
  const Eigen::LLT<FloatMatrix> cholesky(shifted);
  gram_in(inverses_.data(), layer) = cholesky.solve(FloatMatrix::Identity(shifted.rows(), shifted.cols()));
}

float LayerMetric::shift(int layer) {
  return static_cast<float>(options_.damping) * gram_in(grams_.data(), layer).diagonal().mean();
}

const float* LayerMetric::early(int layer, Index rows) const {
  const auto l = static_cast<std::size_t>(layer);
  const bool matrix = per_position_[l] == 1;
  return matrix && !has_trust_region() && rows <= model_.layers()[l].rows ? inverses_.data() + gram_offsets_[l]
                                                                          : nullptr;
}

double LayerMetric::energy(const Chunk& chunk, const float* weights) {
  const Layer& layer = model_.layers()[static_cast<std::size_t>(chunk.layer)];
  const FloatRef w = layer.in(weights).middleRows(chunk.begin, chunk.rows);
  FloatMatrix image(w.rows(), w.cols());
  const FloatOut gram = gram_in(grams_.data(), chunk.layer);
  gemm(w, Transpose::kNo, gram, Transpose::kNo, image);
  // A layer that begins at 0 could not move by a part of itself.
  const double least = kLeastEnergy * static_cast<double>(w.rows()) * gram.diagonal().cast<double>().mean();
  return std::max(static_cast<double>((image.array() * w.array()).sum()), least);
}

double LayerMetric::propose(const Chunk& chunk, float* gradient, double rate) {
  const Layer& layer = model_.layers()[static_cast<std::size_t>(chunk.layer)];
  FloatOut g = layer.in(gradient).middleRows(chunk.begin, chunk.rows);
  const float eta = static_cast<float>(rate) * per_position_[static_cast<std::size_t>(chunk.layer)];
  thread_local FloatMatrix scratch;
  const FloatMatrix& plain = (scratch = g);
  gemm(plain, Transpose::kNo, gram_in(inverses_.data(), chunk.layer), Transpose::kNo, g, eta);
  if (!has_trust_region()) return 0;
  // Where C hardly sees S the difference is what rounding left, and a step as long as it allowed would be anything.
  const double damped = static_cast<double>((g.array() * eta * plain.array()).sum());
  return std::max(static_cast<double>((g.array() * (eta * plain.array() - shift(chunk.layer) * g.array())).sum()),
                  kLeastChange * damped);
}

void LayerMetric::apply(const Chunk& chunk, const float* step, double scale, float* weights) {
  const Part part = part_of(model_, chunk);
  const float* const s = step + part.begin;
  float* const v = velocity_.data() + part.begin;
  float* const w = weights + part.begin;
  const float mu = static_cast<float>(options_.momentum), factor = static_cast<float>(scale);
  for (Index i = 0; i < part.size; ++i) {
    v[i] = mu * v[i] - factor * s[i];
    w[i] += v[i];
  }
}

double LayerMetric::scale(double change, double energy, double share) const {
  if (change <= 0) return 1;
  const double trust = share * options_.trust;
  const double ratio = trust * std::sqrt(energy / change);  // κz/dz
  return std::min(ratio, std::sqrt(ratio));
}

}  // namespace unrect
