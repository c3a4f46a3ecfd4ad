#include "unrect/verify/check.hpp"

#include <fmt/format.h>
#include <gmpxx.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "unrect/verify/internal/affine_node.hpp"
#include "unrect/verify/internal/referee.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Why a certificate is no proof; nothing where it is one.
using Objection = std::optional<std::string>;

// --- a witness, in rational arithmetic ---

using Rationals = std::vector<mpq_class>;

Rationals outputs(const Network& network, const Vector& input) {
  std::vector<Rationals> values(network.nodes().size());
  values[0].assign(input.begin(), input.end());
  for (int v = 1; v < static_cast<int>(values.size()); ++v) {
    const Node& node = network.node(v);
    const Rationals& x = values[static_cast<std::size_t>(node.inputs.front())];
    Rationals& y = values[static_cast<std::size_t>(v)];
    if (const auto* f = std::get_if<Piecewise>(node.op.get())) {
      for (Index i = 0; i < node.size; ++i) {
        const Index row = f->row_of(i);
        Index piece = 0;
        while (piece < f->breaks.cols() && x[at(i)] > mpq_class(f->breaks(row, piece))) ++piece;
        y.emplace_back(mpq_class(f->slopes(row, piece)) * x[at(i)] + mpq_class(f->offsets(row, piece)));
      }
      continue;
    }
    if (const auto* m = std::get_if<Maximum>(node.op.get())) {
      for (Index unit = 0; unit < m->units(); ++unit) {
        const mpq_class* most = nullptr;
        for (Index slot = 0; slot < m->width; ++slot) {
          const Index i = m->index[at(unit * m->width + slot)];
          if (i >= 0 && (most == nullptr || x[at(i)] > *most)) most = &x[at(i)];
        }
        y.push_back(*most);
      }
      continue;
    }
    const AffineNode affine = affine_node(network, v);
    y.assign(affine.bias.begin(), affine.bias.end());
    if (affine.weight != nullptr) {
      for (Index i = 0; i < node.size; ++i) {
        for (Index j = 0; j < affine.weight->cols(); ++j) y[at(i)] += mpq_class((*affine.weight)(i, j)) * x[at(j)];
      }
    }
    for (const AffineTerm& t : affine.terms)
      y[at(t.row)] += mpq_class(t.weight) * values[static_cast<std::size_t>(t.source)][at(t.column)];
  }
  return values[static_cast<std::size_t>(network.output())];
}

bool inside(const Rationals& point, const Halfspaces& rows) {
  for (Index i = 0; i < rows.size(); ++i) {
    mpq_class sum = 0;
    for (Index j = 0; j < rows.dimension(); ++j) {
      if (rows.normals(i, j) != 0) sum += mpq_class(rows.normals(i, j)) * point[at(j)];
    }
    if (sum > mpq_class(rows.offsets[i])) return false;
  }
  return true;
}

Objection judge_witness(const Network& network, const Property& property, const Vector& x) {
  if (x.size() != network.input_size())
    return fmt::format("the witness has {} numbers; expected {}", x.size(), network.input_size());
  if (!x.allFinite()) return "the witness has a number that is not finite";
  const Rationals point(x.begin(), x.end()), y = outputs(network, x);
  bool in_domain = false;
  for (const Property::Case& one : property.cases) {
    if ((x.array() < one.box.lower.array()).any() || (x.array() > one.box.upper.array()).any() ||
        !inside(point, one.input_rows))
      continue;
    in_domain = true;
    for (const Halfspaces& polytope : one.unsafe_outputs) {
      if (inside(y, polytope)) return std::nullopt;
    }
  }
  return in_domain ? "the witness's output is safe" : "the witness is outside the domain";
}

// --- a tree ---

// Every open part keeps its sides: more of them than this are no proof of any use, but much memory.
constexpr std::size_t kMostSides = 1000;

// A part of the domain whose proof is still to come.
struct Part {
  Box box;
  std::vector<Side> sides;
  std::shared_ptr<const Referee::Ranges> ranges;  // of the smallest part around it that was bounded
};

class Proof {
 public:
  Proof(const Network& network, const Certificate& certificate, const Context& context)
      : network_(network), certificate_(certificate), context_(context) {}

  Objection judge(const Property::Case& one);
  Objection finish() const {
    if (step_ != certificate_.steps.size())
      return fmt::format("{} steps after the last case", certificate_.steps.size() - step_);
    if (multiplier_ != certificate_.multipliers.size())
      return fmt::format("{} multipliers too many", certificate_.multipliers.size() - multiplier_);
    return std::nullopt;
  }

 private:
  Objection refute(const Property::Case& one, const Box& slice);
  Objection split(const ProofStep& step, Part part);
  bool told_to_stop();

  std::string here(std::string_view what) const { return fmt::format("step {}: {}", step_ - 1, what); }

  const Network& network_;
  const Certificate& certificate_;
  const Context& context_;
  std::size_t step_ = 0, multiplier_ = 0;
  std::vector<Part> open_;
  std::optional<Referee> referee_;
  std::optional<bool> entered_;  // the part at hand; false: it holds no input
  Clock::time_point told_ = Clock::now();
};

bool Proof::told_to_stop() {
  const auto now = Clock::now();
  if (!context_.progress || now - told_ < std::chrono::milliseconds(100)) return false;
  told_ = now;
  return !context_.progress({"steps", static_cast<double>(step_), static_cast<double>(certificate_.steps.size())});
}

// That the next multipliers leave no unsafe input in the slice of the part that was entered.
Objection Proof::refute(const Property::Case& one, const Box& slice) {
  std::vector<AffineBounds> bounds;
  for (const Halfspaces& polytope : one.unsafe_outputs) {
    const Referee::Claims claims{polytope, one.input_rows};
    const auto count = static_cast<std::size_t>(referee_->size(claims));
    if (count > certificate_.multipliers.size() - multiplier_) return here("the multipliers end");
    const Eigen::Map<const Matrix> weights(certificate_.multipliers.data() + multiplier_, 1, static_cast<Index>(count));
    multiplier_ += count;
    if (!weights.allFinite() || (weights.array() < 0).any()) return here("a multiplier that is not ≥ 0 and finite");
    if (!*entered_) continue;
    if (!(Referee::least(referee_->minorants(claims, weights), 0, slice) > 0))
      return here("these multipliers do not exclude an unsafe input");
  }
  return std::nullopt;
}

Objection Proof::split(const ProofStep& step, Part part) {
  if (step.node == 0) {
    const Index j = step.unit;
    if (j >= network_.input_size()) return here(fmt::format("the network has no input {}", j));
    if (!(step.at >= part.box.lower[j] && step.at <= part.box.upper[j]))
      return here(fmt::format("input {} is split at {}, outside its part", j, step.at));
    Part upper = part;
    upper.box.lower[j] = step.at;
    part.box.upper[j] = step.at;
    open_.push_back(std::move(upper));
  } else {
    const auto v = static_cast<std::size_t>(step.node);
    if (v >= network_.nodes().size() || !std::holds_alternative<Piecewise>(*network_.nodes()[v].op) ||
        step.unit >= network_.nodes()[v].size || !std::isfinite(step.at))
      return here(fmt::format("no piecewise-linear unit {} of node {}", step.unit, step.node));
    if (part.sides.size() >= kMostSides) return here(fmt::format("a part on more than {} sides", kMostSides));
    Part upper = part;
    upper.sides.push_back({step.node, step.unit, step.at, 1});
    part.sides.push_back({step.node, step.unit, step.at, -1});
    open_.push_back(std::move(upper));
  }
  open_.push_back(std::move(part));
  return std::nullopt;
}

Objection Proof::judge(const Property::Case& one) {
  referee_.emplace(network_, one.box);
  open_.push_back({one.box, {}, std::make_shared<const Referee::Ranges>(referee_->ranges())});
  while (!open_.empty()) {
    Part part = std::move(open_.back());
    open_.pop_back();
    entered_.reset();
    for (bool done = false; !done;) {
      if (step_ == certificate_.steps.size()) return "the steps end before the domain is covered";
      if (told_to_stop()) return "stopped before the end";
      const ProofStep& step = certificate_.steps[step_++];
      if (step.kind == ProofStep::Kind::kSplit) {
        if (Objection objection = split(step, std::move(part))) return objection;
        break;
      }
      if (step.kind == ProofStep::Kind::kBound) {
        entered_ = referee_->enter(part.box, part.sides, *part.ranges);
        if (*entered_) part.ranges = std::make_shared<const Referee::Ranges>(referee_->ranges());
        continue;
      }
      if (!entered_) entered_ = referee_->enter_within(part.box, part.sides, *part.ranges);
      Box slice = part.box;
      if (step.kind == ProofStep::Kind::kRefuted) {
        done = true;
      } else {
        const Index j = step.unit;
        if (step.node != 0 || j >= network_.input_size() || !(step.at >= slice.lower[j] && step.at <= slice.upper[j]))
          return here(fmt::format("no cut of input {} at {} in its part", j, step.at));
        const bool below = step.kind == ProofStep::Kind::kCutBelow;
        (below ? slice.upper : slice.lower)[j] = step.at;
        (below ? part.box.lower : part.box.upper)[j] = step.at;
      }
      if (Objection objection = refute(one, slice)) return objection;
    }
  }
  return std::nullopt;
}

Objection judge_tree(const Network& network, const Property& property, const Certificate& certificate,
                     const Context& context) {
  Proof proof(network, certificate, context);
  for (const Property::Case& one : property.cases) {
    if (Objection objection = proof.judge(one)) return objection;
  }
  return proof.finish();
}

Objection judge(const Network& network, const Property& property, const Certificate& certificate,
                const Context& context) {
  require_sizes(property, network.input_size(), network.output_size());
  if (certificate.network != fingerprint(network))
    return "it is the certificate of another network, or of this one read otherwise (folded or not)";
  if (certificate.property != fingerprint(property)) return "it is the certificate of another property";
  if (certificate.witness) {
    if (!certificate.steps.empty() || !certificate.multipliers.empty()) return "a witness and steps of a proof";
    return judge_witness(network, property, *certificate.witness);
  }
  return judge_tree(network, property, certificate, context);
}

}  // namespace

CheckResult check_certificate(const Network& network, const Property& property, const Certificate& certificate,
                              const Context& context) {
  const auto start = Clock::now();
  CheckResult result;
  if (const Objection objection = judge(network, property, certificate, context))
    result.reason = *objection;
  else
    result.valid = true;
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace unrect
