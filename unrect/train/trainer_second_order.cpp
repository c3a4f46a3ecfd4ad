// The steps of the methods that need more of the batch than its gradient: Gauss–Newton's and L-BFGS's.
#include <algorithm>
#include <functional>
#include <numeric>

#include "unrect/train/internal/trainer.hpp"

namespace unrect {

// r/2 Σ ‖W_l‖².
double Trainer::penalty(const FloatVector& weights) const {
  if (options_.decay == 0) return 0;
  double sum = 0;
  for (const Layer& layer : model_.layers())
    sum += layer.in(weights.data()).leftCols(layer.cols - 1).cast<double>().squaredNorm();
  return options_.decay / 2 * sum;
}

void Trainer::gauss_newton_step(GaussNewton& rule, double loss_before) {
  const bool log_gradient = step_in_epoch_ + 1 == steps_per_epoch_;
  for_chunks([&](std::size_t c) {
    average(chunks_[c], weights_, options_.decay);
    if (log_gradient) chunk_values_[c] = squared_gradient(chunks_[c]);
    rule.scale_inputs(chunks_[c], change_.data());
  });
  if (log_gradient) gather(chunk_values_.data(), chunk_cuts_);
  gather(rule.half().data(), float_cuts_);
  std::vector<GaussNewton::Products> products(chunks_.size());
  for_chunks([&](std::size_t c) {
    rule.scale_outputs(chunks_[c]);
    products[c] = rule.products(chunks_[c], change_.data());
  });
  gather(rule.direction().data(), float_cuts_);
  gather(products.data(), chunk_cuts_);
  std::vector<GaussNewton::Curvatures> curvatures(groups_.size());
  for_groups([&](std::size_t g) {
    Group& group = groups_[g];
    curvatures[g] =
        rule.curvatures(*group.pass, group.pass->value(model_.network().output()), group.targets, weights_.data());
  });
  gather(curvatures.data(), group_cuts_);
  const auto sum_of = [](const auto& parts) {
    auto sum = parts[0];
    for (std::size_t i = 1; i < parts.size(); ++i)
      std::ranges::transform(sum, parts[i], sum.begin(), std::plus<double>());
    return sum;
  };
  rule.plan(sum_of(curvatures), sum_of(products), batch_);
  // Every rank steps everywhere: the tangents need the whole step next time.
  const double penalty_before = penalty(weights_);
  team_.run(static_cast<int>(chunks_.size()),
            [&](int c) { rule.apply(chunks_[static_cast<std::size_t>(c)], weights_.data()); });
  std::vector<double> losses(groups_.size(), 0);
  for_groups([&](std::size_t g) {
    Group& group = groups_[g];
    losses[g] =
        loss<float>(options_.loss, group.pass->forward(weights_.data()), group.targets, group.pass->output_cotangent());
  });
  gather(losses.data(), group_cuts_);
  const double loss_after = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(batch_);
  if (rule.judge(loss_before + penalty_before - loss_after - penalty(weights_))) return;
  for (const Chunk& chunk : chunks_) rule.take_back(chunk, weights_.data());
}

// f and ∇f over all samples, in blocks of the groups' shares of a batch.
double Trainer::full_loss(const FloatVector& weights, FloatVector& gradient) {
  for_groups([&](std::size_t g) {
    Group& group = groups_[g];
    batch_losses_[g] = 0;
    group.gradient.setZero();
    for (Index begin = 0; begin < group.size; begin += group.rows) {
      const Index count = group.pass->load(group.samples.inputs, begin);
      const FloatRef y = group.pass->forward(weights.data());
      FloatOut cotangent = group.pass->output_cotangent();
      batch_losses_[g] += loss<float>(options_.loss, y.topRows(count), group.samples.targets.middleRows(begin, count),
                                      cotangent.topRows(count));
      cotangent.bottomRows(group.rows - count).setZero();  // what filled the block up pulls nowhere
      group.pass->backward(weights.data(), group.block_gradient.data());
      group.gradient += group.block_gradient;
    }
  });
  gather(batch_losses_.data(), group_cuts_);
  for (Group& group : groups_) scatter(group, group.gradient, float_cuts_, group.received_gradient);
  for_chunks([&](std::size_t c) { average(chunks_[c], weights, options_.decay); });
  gather(change_.data(), float_cuts_);
  gradient = change_;
  return std::accumulate(batch_losses_.begin(), batch_losses_.end(), 0.0) / static_cast<double>(summed_) +
         penalty(weights);
}

void Trainer::lbfgs_step(Lbfgs& rule) {
  rule.step([&](const FloatVector& weights, FloatVector& gradient) { return full_loss(weights, gradient); }, weights_);
  epoch_loss_ = late_loss_ = rule.value() - penalty(weights_);
  std::ranges::fill(chunk_values_, 0.0);
  chunk_values_[0] = rule.gradient().cast<double>().squaredNorm();
}

}  // namespace unrect
