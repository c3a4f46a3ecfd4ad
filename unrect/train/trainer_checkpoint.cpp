// Checkpoints: everything that the next step depends on.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/internal/hash.hpp"
#include "unrect/train/internal/trainer.hpp"

namespace unrect {

std::vector<std::pair<std::string, FloatVector*>> Trainer::replicated() {
  if (auto* rule = std::get_if<LayerMetric>(&rule_))
    return {{"grams", &rule->grams()}, {"inverse_grams", &rule->inverses()}};
  if (auto* rule = std::get_if<GaussNewton>(&rule_))
    return {{"moments", &rule->moments()}, {"inverses", &rule->inverses()}};
  if (auto* rule = std::get_if<Lbfgs>(&rule_)) return {{"history", &rule->history()}, {"gradient", &rule->gradient()}};
  return {};
}

std::span<double> Trainer::rule_numbers() {
  if (auto* rule = std::get_if<GaussNewton>(&rule_)) return rule->numbers();
  if (auto* rule = std::get_if<Lbfgs>(&rule_)) return rule->numbers();
  return {};
}

std::uint64_t Trainer::fingerprint() const {
  Hash hash;
  const auto bytes = [&](const float* data, Index size) {
    hash.add(std::string_view(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size) * sizeof(float)));
  };
  const FloatVector start = model_.weights();
  for (const Node& node : model_.network().nodes()) {
    hash.add(name_of(*node.op));
    for (const int input : node.inputs) hash.add(static_cast<std::uint64_t>(input));
  }
  bytes(start.data(), start.size());
  bytes(samples_.inputs.data(), samples_.inputs.size());
  bytes(samples_.targets.data(), samples_.targets.size());
  TrainOptions o = options_;
  o.batch = batch_;  // a larger one is the same
  // Whole numbers first, and flags among the others, as in the files that there are.
  TrainOptions::visit(o, [&](const auto& value, const Option& option) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_enum_v<Value> || (is_option_number<Value> && std::integral<Value>))
      if (!option.aside) hash.add(static_cast<std::uint64_t>(value));
  });
  hash.add(static_cast<std::uint64_t>(validation_size_));
  TrainOptions::visit(o, [&](const auto& value, const Option& option) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, double> || std::is_same_v<Value, bool>)
      if (!option.aside) hash.add(static_cast<double>(value));
  });
  hash.add(context_.seed);
  hash.add(validation_hash_);
  return hash.value();
}

void Trainer::save() {
  last_save_ = std::chrono::steady_clock::now();
  if (options_.checkpoint.empty()) return;
  RuleState state = std::visit([](auto& rule) { return rule.state(); }, rule_);
  for (auto& [name, values] : state) gather(values.data(), float_cuts_);
  if (ranks_.rank != 0) return;
  ArrayMap arrays;
  for (const auto& [name, values] : state)
    arrays[name] =
        Array::from(FloatVector(Eigen::Map<const FloatVector>(values.data(), static_cast<Index>(values.size()))));
  arrays["weights"] = Array::from(weights_);
  arrays["best_weights"] = Array::from(best_);
  for (const auto& [name, values] : replicated()) arrays[name] = Array::from(*values);
  const std::span<double> numbers = rule_numbers();
  arrays["numbers"] = Array::from(Vector(Eigen::Map<const Vector>(numbers.data(), static_cast<Index>(numbers.size()))));
  arrays["position"] =
      Array::from(std::vector<std::int64_t>{std::bit_cast<std::int64_t>(fingerprint()), epoch_, step_in_epoch_, step_,
                                            metric_updates_, halvings_, since_best_});
  arrays["losses"] = Array::from(Vector{{first_loss_, best_loss_, epoch_loss_, late_loss_, seconds()}});
  arrays["energies"] =
      Array::from(Vector(Eigen::Map<const Vector>(energies_.data(), static_cast<Index>(energies_.size()))));
  for (std::size_t l = 0; l < balls_.size(); ++l)
    arrays[fmt::format("directions_{}", l)] = Array::from(balls_[l].directions());
  Matrix log(static_cast<Index>(log_.size()), 6);
  for (std::size_t i = 0; i < log_.size(); ++i) {
    const EpochLog& l = log_[i];
    log.row(static_cast<Index>(i)) << l.epoch, l.train_loss, l.validation_loss, l.gradient_norm, l.rate, l.seconds;
  }
  arrays["log"] = Array::from(log);
  std::string events;
  for (const std::string& event : events_) events += event + '\n';
  arrays["events"] = Array::from(std::vector<std::uint8_t>(events.begin(), events.end()));
  write_npz(options_.checkpoint, arrays);
}

void Trainer::load() {
  const std::string name = options_.checkpoint.string();
  ArrayMap arrays = read_npz(options_.checkpoint);
  const auto array = [&](const std::string& key, DType type, Index size) -> const Array& {
    const auto found = arrays.find(key);
    UNRECT_REQUIRE(found != arrays.end() && found->second.type == type && (size < 0 || found->second.size() == size),
                   ErrorCode::kFormat,
                   "{}: array '{}' is missing or not {} × {}; expected a checkpoint of this training", name, key, size,
                   name_of(type));
    return found->second;
  };
  const auto floats = [&](const std::string& key, FloatVector& into) {
    std::ranges::copy(array(key, DType::kFloat32, into.size()).bytes, reinterpret_cast<char*>(into.data()));
  };
  const auto doubles = [&](const std::string& key, std::span<double> into) {
    const Vector values = array(key, DType::kFloat64, static_cast<Index>(into.size())).to_vector();
    std::ranges::copy(values, into.begin());
  };
  std::int64_t position[7];
  std::memcpy(position, array("position", DType::kInt64, 7).bytes.data(), sizeof position);
  UNRECT_REQUIRE(std::bit_cast<std::uint64_t>(position[0]) == fingerprint(), ErrorCode::kInvalidArgument,
                 "{}: a checkpoint of another network, other samples or other options", name);
  const std::int64_t most[7] = {0,  options_.epochs, steps_per_epoch_, std::int64_t{1} << 62, std::int64_t{1} << 62,
                                64, options_.epochs};
  for (int i = 1; i < 7; ++i) {
    UNRECT_REQUIRE(position[i] >= 0 && position[i] <= most[i], ErrorCode::kFormat,
                   "{}: 'position' has {} at {}; expected 0 to {}", name, position[i], i, most[i]);
  }
  floats("weights", weights_);
  floats("best_weights", best_);
  RuleState state = std::visit([](auto& rule) { return rule.state(); }, rule_);
  for (auto& [key, values] : state) {
    const Array& stored = array(key, DType::kFloat32, static_cast<Index>(values.size()));
    std::ranges::copy(stored.bytes, reinterpret_cast<char*>(values.data()));
  }
  for (const auto& [key, values] : replicated()) floats(key, *values);
  doubles("numbers", rule_numbers());
  epoch_ = position[1];
  step_in_epoch_ = position[2];
  step_ = position[3];
  metric_updates_ = position[4];
  halvings_ = static_cast<int>(position[5]);
  since_best_ = static_cast<int>(position[6]);
  std::vector<double> losses(5);
  doubles("losses", losses);
  first_loss_ = losses[0];
  best_loss_ = losses[1];
  epoch_loss_ = losses[2];
  late_loss_ = losses[3];
  seconds_before_ = losses[4];
  doubles("energies", energies_);
  for (std::size_t l = 0; l < balls_.size(); ++l) {
    FloatMatrix& directions = balls_[l].directions();
    const Array& stored = array(fmt::format("directions_{}", l), DType::kFloat32, -1);
    UNRECT_REQUIRE(stored.shape.size() == 2 && stored.shape[0] == directions.rows(), ErrorCode::kFormat,
                   "{}: array 'directions_{}' has another shape than {} rows", name, l, directions.rows());
    directions = Eigen::Map<const FloatMatrix, Eigen::Unaligned>(reinterpret_cast<const float*>(stored.bytes.data()),
                                                                 stored.shape[0], stored.shape[1]);
  }
  const Matrix log = array("log", DType::kFloat64, 6 * epoch_).to_matrix(name);
  for (Index i = 0; i < log.rows(); ++i)
    log_.push_back({static_cast<int>(log(i, 0)), log(i, 1), log(i, 2), log(i, 3), 0, log(i, 4), log(i, 5)});
  std::string line;
  for (const char c : array("events", DType::kUInt8, -1).bytes) {
    if (c != '\n') {
      line += c;
    } else {
      events_.push_back(std::exchange(line, {}));
    }
  }
  shuffle();
}

}  // namespace unrect
