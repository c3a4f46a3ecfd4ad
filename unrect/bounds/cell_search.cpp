#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/team.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/bounds/internal/slope_ranges.hpp"
#include "unrect/bounds/internal/slope_search.hpp"
#include "unrect/bounds/internal/unit_graph.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr std::size_t kPortions = 16;  // units of work of a round
constexpr Index kSamples = 128;
constexpr double kNarrow = 1e-12;  // what is known so well needs no exact slopes
constexpr double kGuessed = 1e-9;  // a sampled slope may be off by this, relatively

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// ∂/∂t as ∂/∂u for orthonormal directions: the axes times a matrix, or as they are.
class Turn {
 public:
  explicit Turn(const Domain& domain) : directions_(directions_of(domain)) {
    if (directions_.error == 0) return;
    // axes T = directions; columns of T by least squares are as good as any, for the error is measured below.
    const Matrix& axes = domain.axes;
    const Eigen::MatrixXd gram = axes.transpose() * axes;
    turn_ = gram.ldlt().solve(Eigen::MatrixXd(axes.transpose() * directions_.matrix));
    const Matrix product = axes * turn_;
    const Matrix length = product.transpose() * product - Matrix::Identity(turn_.cols(), turn_.cols());
    const double gamma = static_cast<double>(axes.rows() + axes.cols() + 8) * kEpsilon;
    const double size = (axes.cwiseAbs() * turn_.cwiseAbs()).norm();
    error_ = 1.01 * (length.norm() + 4 * gamma * (size * size + 1));
    UNRECT_REQUIRE(error_ < 0.1, ErrorCode::kInvalidArgument,
                   "domain: its axes are too close to dependent for a Lipschitz constant: off by {:.2g}", error_);
  }

  void apply(MatrixRange& range) const {
    if (turn_.size() == 0) return;
    const double gamma = static_cast<double>(turn_.rows() + 8) * kEpsilon;
    const Matrix absolute = turn_.cwiseAbs();
    range.radius = (1 + gamma) * (range.radius * absolute + gamma * (range.center.cwiseAbs() * absolute));
    range.center = range.center * turn_;
  }
  NormRange corrected(NormRange norm) const {
    if (error_ > 0) {
      norm.low *= (1 - 4 * kEpsilon) / std::sqrt(1 + error_);
      norm.high *= (1 + 4 * kEpsilon) / std::sqrt(1 - error_);
    }
    return norm;
  }
  /// What norm_is_at_most has to show.
  double needed(double most) const { return error_ > 0 ? most * std::sqrt(1 - error_) * (1 - 8 * kEpsilon) : most; }

 private:
  Directions directions_;
  Matrix turn_;
  double error_ = 0;
};

MatrixRange margin_of(MatrixRange all, const LipschitzOptions& options) {
  if (!options.margin) return all;
  const auto [i, j] = *options.margin;
  MatrixRange one;
  one.center = all.center.row(i) - all.center.row(j);
  one.radius = (1 + 4 * kEpsilon) * (all.radius.row(i) + all.radius.row(j)) +
               kEpsilon * (all.center.row(i).cwiseAbs() + all.center.row(j).cwiseAbs());
  return one;
}

struct Contender {
  NormRange norm;
  std::vector<std::uint16_t> pieces;
  std::optional<Vector> point;
};

// Leaves out cells above which no slope is steeper than `enough`; keeps the steepest region that it is shown.
class Steepest final : public CellFilter {
 public:
  Steepest(const SlopeTask& task, const Turn& turn) : task_(task), turn_(turn), ranges_(task.stages, *task.domain) {}

  bool wants(const EnteredCell& cell) override {
    ++cells;
    MatrixRange range;
    if (!ranges_.over(cell, range)) return true;
    range = margin_of(std::move(range), task_.options);
    turn_.apply(range);
    return !norm_is_at_most(range, task_.options.from, task_.options.to, turn_.needed(enough));
  }

  bool visit(RegionView& region) {
    const ParameterMap map = region.map();
    MatrixRange range;
    range.center = map.matrix;
    range.radius = ranges_.output_error().replicate(1, map.matrix.cols());
    range = margin_of(std::move(range), task_.options);
    turn_.apply(range);
    if (found && norm_is_at_most(range, task_.options.from, task_.options.to, turn_.needed(enough))) return true;
    const NormRange norm = turn_.corrected(norm_range(range, task_.options.from, task_.options.to));
    if (found && norm.high <= low) return true;
    found = true;
    contenders.push_back({norm, {region.pieces().begin(), region.pieces().end()}, region.interior_point()});
    if (norm.low <= low) return true;
    low = norm.low;
    enough = std::max(enough, task_.enough(low));
    std::erase_if(contenders, [&](const Contender& c) { return c.norm.high < low; });
    return true;
  }

  void begin(double lower) {
    enough = lower;
    low = 0;
    found = false;
    cells = 0;
    contenders.clear();
  }

  double enough = 0, low = 0;
  bool found = false;
  std::uint64_t cells = 0;
  std::vector<Contender> contenders;  // that may be the steepest, as far as rounding lets one tell

 private:
  const SlopeTask& task_;
  const Turn& turn_;
  SlopeRanges ranges_;
};

// A guess of the constant: slopes at points all over, and around the steepest.
class Guess {
 public:
  Guess(const SlopeTask& task, const Turn& turn) : task_(task), turn_(turn) {
    for (int s = 0; s < task.stages.size(); ++s) {
      weights_.emplace_back();
      for (const Link& link : task.stages[s].links) weights_.back().push_back(columns(link, s));
    }
  }

  double make() {
    const Box& box = task_.domain->box;
    const Index k = task_.domain->dimension();
    Rng rng(20260101);
    double best = 0;
    Vector at_best = box.center();
    const auto attempt = [&](const Vector& t) {
      const double slope = slope_at(t);
      if (!(slope > best)) return;
      best = slope;
      at_best = t;
    };
    attempt(at_best);
    for (Index i = 0; i < kSamples; ++i) {
      Vector t(k);
      const double share = i < kSamples / 2 ? 1 : std::pow(0.97, static_cast<double>(i - kSamples / 2));
      for (Index d = 0; d < k; ++d) {
        const double middle = i < kSamples / 2 ? 0.5 * (box.lower[d] + box.upper[d]) : at_best[d];
        t[d] = std::clamp(middle + share * (rng.uniform() - 0.5) * (box.upper[d] - box.lower[d]), box.lower[d],
                          box.upper[d]);
      }
      const Halfspaces& sides = task_.domain->constraints;
      if (sides.size() > 0 && !sides.contains(t)) continue;
      attempt(t);
    }
    return best;
  }

 private:
  Matrix columns(const Link& link, int s) const {
    if (link.dense()) return link.columns.leftCols(task_.stages[s].size);
    Matrix out = Matrix::Zero(task_.stages[link.source].units(), task_.stages[s].size);
    for (Index j = 0; j < out.rows(); ++j) {
      for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e) out(j, link.row[at(e)]) += link.weight[at(e)];
    }
    return out;
  }

  // Rows: ∂/∂t_d, then the value.
  double slope_at(const Vector& t) {
    const Index k = t.size();
    std::vector<Matrix> a;
    for (int s = 0; s < task_.stages.size(); ++s) {
      const Stage& stage = task_.stages[s];
      Matrix z = Matrix::Zero(k + 1, stage.size);
      if (s == 0) {
        z.topRows(k) = task_.domain->axes.transpose();
        z.row(k) = task_.domain->point(t).transpose();
      }
      for (std::size_t l = 0; l < stage.links.size(); ++l) z += a[at(stage.links[l].source)] * weights_[at(s)][l];
      for (const Vector& bias : stage.biases) z.row(k) += bias.transpose();
      if (const Piecewise* f = stage.piecewise()) {
        for (Index i = 0; i < stage.size; ++i) {
          const Index row = f->row_of(i), piece = f->piece(i, z(k, i));
          z.col(i) *= f->slopes(row, piece);
          z(k, i) += f->offsets(row, piece);
        }
      } else if (const Maximum* m = stage.maximum()) {
        const Vector values = z.row(k).transpose();
        Matrix top(k + 1, m->units());
        for (Index i = 0; i < m->units(); ++i)
          top.col(i) = z.col(m->index[at(i * m->width + m->top_slot(i, values.data()))]);
        z = top;
      }
      a.push_back(std::move(z));
    }
    MatrixRange range;
    range.center = a.back().topRows(k).transpose();
    range.radius = Matrix::Zero(range.center.rows(), k);
    range = margin_of(std::move(range), task_.options);
    turn_.apply(range);
    return induced_norm(range.center, task_.options.from, task_.options.to);
  }

  const SlopeTask& task_;
  const Turn& turn_;
  std::vector<std::vector<Matrix>> weights_;
};

class CellSearch {
 public:
  explicit CellSearch(const SlopeTask& task)
      : task_(task),
        turn_(*task.domain),
        refinement_(task.network, *task.domain),
        team_(task.context.threads),
        progress_(task.context) {}

  LipschitzResult run() {
    // Cells that are no steeper than what was seen are left out; should nothing be found that is as steep, the guess
    // was none.
    double threshold = Guess(task_, turn_).make() * (1 - kGuessed);
    while (!pass(threshold) && threshold > 0) threshold = threshold > 1e-30 ? 0.5 * threshold : 0;
    result_.upper = std::max(result_.upper, result_.lower);
    result_.seconds = task_.seconds();
    return std::move(result_);
  }

 private:
  // Everything that may be steeper than the threshold; false if there was nothing.
  bool pass(double threshold) {
    std::vector<WorkUnit> open{WorkUnit{}};
    double enough = threshold;
    bool found = false;
    while (!open.empty()) {
      if (!progress_.look(result_.nodes, result_.lower, std::numeric_limits<double>::infinity())) stopped_ = true;
      if (stopped_ || task_.out_of_time()) {
        give_up();
        return true;
      }
      const std::size_t taken = std::min(kPortions, open.size());
      const std::vector<WorkUnit> units(std::make_move_iterator(open.end() - static_cast<std::ptrdiff_t>(taken)),
                                        std::make_move_iterator(open.end()));
      open.resize(open.size() - taken);
      while (tools_.size() < taken) tools_.push_back(std::make_unique<Tools>(task_, turn_, refinement_));
      std::vector<WorkResult> results(taken);
      std::atomic<bool> late{false};
      team_.run(static_cast<int>(taken), [&](int i) {
        Tools& tools = *tools_[at(i)];
        tools.steepest.begin(enough);
        try {
          results[at(i)] = tools.worker.run(
              units[at(i)], budget_of(units[at(i)]), [&](RegionView& region) { return tools.steepest.visit(region); },
              [&] { return !late && !(task_.out_of_time() || (i == 0 && !goes_on(tools.steepest.cells))); });
        } catch (const Error& error) {
          if (error.code() != ErrorCode::kCancelled) throw;
          late = true;
        }
      });
      if (late) {
        give_up();
        return true;
      }
      for (std::size_t i = 0; i < taken; ++i) {
        Steepest& steepest = tools_[i]->steepest;
        result_.nodes += steepest.cells;
        take(steepest);
        found = found || (steepest.found && steepest.low >= threshold);
        for (auto unit = results[i].open.rbegin(); unit != results[i].open.rend(); ++unit)
          open.push_back(std::move(*unit));
      }
      if (any_) enough = std::max(enough, task_.enough(result_.lower));
    }
    if (!found && threshold > 0) return false;
    settle();
    result_.upper = std::max(high_, any_ ? task_.enough(result_.lower) : enough);
    return true;
  }

  void take(Steepest& steepest) {
    if (!steepest.found) return;
    any_ = true;
    result_.lower = std::max(result_.lower, steepest.low);
    contenders_.insert(contenders_.end(), std::make_move_iterator(steepest.contenders.begin()),
                       std::make_move_iterator(steepest.contenders.end()));
    std::erase_if(contenders_, [&](const Contender& c) { return c.norm.high < result_.lower; });
  }

  // Contenders that rounding leaves apart are measured by their exact slopes, the likeliest first.
  void settle() {
    ExactForms forms(task_.stages, *task_.domain);
    std::ranges::stable_sort(contenders_,
                             [](const Contender& a, const Contender& b) { return a.norm.low > b.norm.low; });
    for (Contender& c : contenders_) {
      if (c.norm.high > result_.lower && c.norm.high > c.norm.low * (1 + kNarrow)) {
        MatrixRange range = exact_slopes(forms, task_, c.pieces);
        turn_.apply(range);
        const NormRange norm = turn_.corrected(norm_range(range, task_.options.from, task_.options.to));
        c.norm = {std::max(c.norm.low, norm.low), std::min(c.norm.high, norm.high)};
      }
      high_ = std::max(high_, c.norm.high);
      if (named_ && c.norm.low <= result_.lower) continue;
      named_ = true;
      result_.lower = std::max(result_.lower, c.norm.low);
      result_.configuration = configuration_of(task_.stages, c.pieces);
      result_.point.reset();
      if (c.point) result_.point = task_.domain->point(*c.point);
    }
    contenders_.clear();
  }

  bool goes_on(std::uint64_t cells) {
    if (!progress_.look(result_.nodes + cells, result_.lower, std::numeric_limits<double>::infinity())) stopped_ = true;
    return !stopped_;
  }

  // What holds for the domain as a whole is all that is known of what is open.
  void give_up() {
    result_.status = stopped_ ? LipschitzStatus::kCancelled : LipschitzStatus::kTimeLimit;
    result_.upper = whole();
    for (const auto& tools : tools_) take(tools->steepest);
    settle();
  }

  // The bound of the first cell, by intervals.
  double whole() {
    class First final : public CellFilter {
     public:
      First(const SlopeTask& task, const Turn& turn) : task_(task), turn_(turn), ranges_(task.stages, *task.domain) {}
      bool wants(const EnteredCell& cell) override {
        MatrixRange range;
        bound = std::numeric_limits<double>::infinity();
        if (ranges_.over(cell, range)) {
          range = margin_of(std::move(range), task_.options);
          turn_.apply(range);
          bound = turn_.corrected(norm_range(range, task_.options.from, task_.options.to)).high;
        }
        return false;
      }
      double bound = std::numeric_limits<double>::infinity();

     private:
      const SlopeTask& task_;
      const Turn& turn_;
      SlopeRanges ranges_;
    };
    First first(task_, turn_);
    Worker worker(refinement_);
    worker.filter_by(&first);
    worker.run({}, ~std::uint64_t{0});
    return first.bound;
  }

  struct Tools {
    Tools(const SlopeTask& task, const Turn& turn, const Refinement& refinement)
        : steepest(task, turn), worker(refinement) {
      worker.filter_by(&steepest);
    }
    Steepest steepest;
    Worker worker;
  };

  const SlopeTask& task_;
  Turn turn_;
  Refinement refinement_;
  Team team_;
  SlopeProgress progress_;
  std::vector<std::unique_ptr<Tools>> tools_;
  LipschitzResult result_;
  double high_ = 0;
  bool any_ = false, named_ = false;
  bool stopped_ = false;
  std::vector<Contender> contenders_;
};

}  // namespace

LipschitzResult search_cells(const SlopeTask& task) { return CellSearch(task).run(); }

}  // namespace unrect
