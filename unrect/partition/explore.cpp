#include "unrect/partition/explore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/facet_keys.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

// Units of a round: many more than threads, so that few wait for its end.
constexpr std::uint64_t kRound = 256;
constexpr std::uint64_t kMagic = 0x31545045434e5255;  // "URNCEPT1"

// A plain stream of 64-bit words; strings and lists carry their length. Little endian, like the machines it runs on.
class Writer {
 public:
  void word(std::uint64_t w) { bytes_.append(reinterpret_cast<const char*>(&w), sizeof w); }
  void words(const std::vector<std::uint64_t>& list) {
    word(list.size());
    for (const std::uint64_t w : list) word(w);
  }
  void text(const std::string& text) {
    word(text.size());
    bytes_ += text;
  }
  void unit(const WorkUnit& unit) {
    word(unit.path.size());
    bytes_.append(reinterpret_cast<const char*>(unit.path.data()), unit.path.size() * sizeof(std::uint16_t));
    word(static_cast<std::uint64_t>(unit.generation));
  }
  void units(const std::vector<WorkUnit>& units) {
    word(units.size());
    for (const WorkUnit& u : units) unit(u);
  }
  void counts(const RegionCounts& counts) {
    word(counts.regions);
    word(counts.exact_decisions);
    words(counts.per_layer);
    words(counts.active);
    words(counts.sums);
    words(counts.marks);
  }
  std::string take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  std::uint64_t word() {
    std::uint64_t w = 0;
    std::memcpy(&w, take(sizeof w).data(), sizeof w);
    return w;
  }
  // A length, of items that take at least `bytes` each.
  std::size_t length(std::size_t bytes) {
    const std::uint64_t n = word();
    if (n > bytes_.size() / bytes) fail();
    return static_cast<std::size_t>(n);
  }
  std::vector<std::uint64_t> words() {
    std::vector<std::uint64_t> list(length(sizeof(std::uint64_t)));
    for (std::uint64_t& w : list) w = word();
    return list;
  }
  std::string text() { return std::string(take(length(1))); }
  WorkUnit unit() {
    WorkUnit unit;
    unit.path.resize(length(sizeof(std::uint16_t)));
    const std::string_view path = take(unit.path.size() * sizeof(std::uint16_t));
    std::ranges::copy(path, reinterpret_cast<char*>(unit.path.data()));
    unit.generation = static_cast<int>(word() & 0xffff);
    return unit;
  }
  std::vector<WorkUnit> units() {
    std::vector<WorkUnit> units(length(2 * sizeof(std::uint64_t)));
    for (WorkUnit& u : units) u = unit();
    return units;
  }
  RegionCounts counts() {
    RegionCounts counts;
    counts.regions = word();
    counts.exact_decisions = word();
    counts.per_layer = words();
    counts.active = words();
    counts.sums = words();
    counts.marks = words();
    return counts;
  }
  void end() {
    if (!bytes_.empty()) fail();
  }
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kFormat, fmt::format("{}: not a checkpoint of this version, or cut short", name_));
  }

 private:
  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) fail();
    const std::string_view head = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return head;
  }

  std::string_view bytes_;
  std::string_view name_;
};

// Threads on one state. A unit in hand stays in the queue until it is merged, so that a checkpoint has it as open.
class Crew {
 public:
  Crew(const Refinement& refinement, Exploration& state, const ExploreOptions& options, const Context& context)
      : refinement_(refinement),
        state_(state),
        options_(options),
        threads_(static_cast<std::size_t>(std::max(1, context.threads))),
        overseer_(refinement, options, context),
        queue_(state, options.max_regions) {}

  void run() {
    if (threads_ == 1) {
      work();
    } else {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < threads_; ++i) threads.emplace_back([this] { work(); });
    }
    queue_.give_back();
    if (failure_) std::rethrow_exception(failure_);
    overseer_.save(state_, queue_);
  }

 private:
  void work() {
    try {
      Worker worker(refinement_);
      const std::unique_ptr<Collector> collector = options_.collectors ? options_.collectors() : nullptr;
      std::unique_lock lock(mutex_);
      while (const std::optional<Task> task = next(lock)) {
        lock.unlock();
        WorkResult result = run_unit(worker, task->unit, collector.get(), task->most, [this] { return keep_going(); });
        lock.lock();
        queue_.done(task->number, std::move(result));
        changed_.notify_all();
        if (!overseer_.look(state_, queue_)) halt_ = true;
      }
    } catch (const Error& error) {
      fail(error.code() == ErrorCode::kCancelled && halt_ ? nullptr : std::current_exception());
    } catch (...) {
      fail(std::current_exception());
    }
    changed_.notify_all();
  }

  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    halt_ = true;
  }

  // Asked from within a unit of work: ten times a second somebody looks whether to go on.
  bool keep_going() {
    if (halt_) return false;
    const auto now = Clock::now().time_since_epoch().count();
    std::atomic<Clock::rep>& last = last_look_;
    Clock::rep before = last;
    if (now - before < std::chrono::duration_cast<Clock::duration>(std::chrono::milliseconds(100)).count()) return true;
    if (!last.compare_exchange_strong(before, now)) return true;
    const std::lock_guard lock(mutex_);
    if (!overseer_.look(state_, queue_)) halt_ = true;
    return !halt_;
  }

  // Waits for a task; nothing when there is none to come.
  std::optional<Task> next(std::unique_lock<std::mutex>& lock) {
    for (;;) {
      if (halt_) return {};
      if (std::optional<Task> task = queue_.next()) return task;
      if (queue_.idle()) return {};
      changed_.wait(lock);
    }
  }

  const Refinement& refinement_;
  Exploration& state_;
  const ExploreOptions& options_;
  std::size_t threads_;
  Overseer overseer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  TaskQueue queue_;
  std::atomic<bool> halt_ = false;
  std::atomic<Clock::rep> last_look_ = Clock::now().time_since_epoch().count();
  std::exception_ptr failure_;
};

}  // namespace

void Exploration::merge(WorkResult result) {
  // What can fail comes first: counts without their open units would be counted again.
  open.insert(open.end(), std::make_move_iterator(result.open.begin()), std::make_move_iterator(result.open.end()));
  counts += result.counts;
  share += result.share;
  stopped = stopped || result.stopped;
}

std::optional<Task> TaskQueue::next() {
  if (!limited()) {
    if (state_.stopped || state_.open.empty()) return {};
    const Task task{std::move(state_.open.back()), max_regions_, handed_out_++};
    state_.open.pop_back();
    tasks_[task.number] = {task, true, {}};
    return task;
  }
  if (tasks_.empty()) begin_round();
  for (auto& [number, entry] : tasks_) {
    if (std::exchange(entry.out, true)) continue;
    return entry.task;
  }
  return {};
}

std::size_t TaskQueue::ready() const {
  if (!limited()) return state_.open.size();
  return static_cast<std::size_t>(std::ranges::count_if(tasks_, [](const auto& task) { return !task.second.out; }));
}

void TaskQueue::begin_round() {
  if (state_.stopped || state_.counts.regions >= max_regions_) return;
  std::uint64_t left = max_regions_ - state_.counts.regions;
  while (!state_.open.empty() && tasks_.size() < kRound) {
    const std::uint64_t budget = budget_of(state_.open.back());
    if (budget > left && !tasks_.empty()) break;
    const std::uint64_t most = std::min(budget, left);
    tasks_[handed_out_] = {{std::move(state_.open.back()), most, handed_out_}, false, {}};
    state_.open.pop_back();
    ++handed_out_;
    left -= most;
    if (left == 0) break;
  }
}

void TaskQueue::done(std::uint64_t number, WorkResult result) {
  const auto entry = tasks_.find(number);
  if (!limited()) {
    state_.merge(std::move(result));
    tasks_.erase(entry);
    return;
  }
  entry->second.result = std::move(result);
  if (!std::ranges::all_of(tasks_, [](const auto& task) { return task.second.result.has_value(); })) return;
  // The first task's rest comes last, to be the next one that is handed out.
  for (auto last = tasks_.rbegin(); last != tasks_.rend(); ++last) state_.merge(std::move(*last->second.result));
  tasks_.clear();
}

void TaskQueue::give_back() {
  for (auto last = tasks_.rbegin(); last != tasks_.rend(); ++last)
    state_.open.push_back(std::move(last->second.task.unit));
  tasks_.clear();
}

std::vector<WorkUnit> TaskQueue::in_hand() const {
  std::vector<WorkUnit> units;
  for (auto last = tasks_.rbegin(); last != tasks_.rend(); ++last) units.push_back(last->second.task.unit);
  return units;
}

WorkResult run_unit(Worker& worker, const WorkUnit& unit, Collector* collector, std::uint64_t most,
                    const std::function<bool()>& keep_going) {
  const std::uint64_t budget = std::min(budget_of(unit), most);
  if (collector == nullptr) return worker.run(unit, budget, {}, keep_going);
  WorkResult result = worker.run(
      unit, budget, [&](RegionView& region) { return collector->visit(region); }, keep_going);
  collector->finish(unit, result.counts);
  return result;
}

Overseer::Overseer(const Refinement& refinement, const ExploreOptions& options, const Context& context)
    : options_(options),
      context_(context),
      fingerprint_(options.checkpoint.empty() ? 0 : fingerprint(refinement)),
      last_progress_(Clock::now()),
      last_save_(last_progress_) {
  validate(options);
}

bool Overseer::look(const Exploration& state, const TaskQueue& queue) {
  const Clock::time_point now = Clock::now();
  if (std::chrono::duration<double>(now - last_save_).count() >= options_.checkpoint_seconds) save(state, queue);
  if (!context_.progress || now - last_progress_ < std::chrono::milliseconds(100)) return true;
  last_progress_ = now;
  const auto found = static_cast<double>(state.counts.regions);
  return context_.progress({"regions", found, state.share > 0 ? found / state.share : 0});
}

void Overseer::save(const Exploration& state, const TaskQueue& queue) {
  last_save_ = Clock::now();
  if (options_.checkpoint.empty()) return;
  Exploration whole = state;
  const std::vector<WorkUnit> in_hand = queue.in_hand();
  whole.open.insert(whole.open.end(), in_hand.begin(), in_hand.end());
  save_checkpoint(options_.checkpoint, whole, fingerprint_, options_.purpose);
}

void explore(const Refinement& refinement, Exploration& state, const ExploreOptions& options, const Context& context) {
  Crew(refinement, state, options, context).run();
}

RegionCounts count_regions(const Refinement& refinement, const Context& context) {
  Exploration state;
  explore(refinement, state, {}, context);
  UNRECT_REQUIRE(state.complete(), ErrorCode::kCancelled, "counting regions: cancelled after {}", state.counts.regions);
  return state.counts;
}

std::uint64_t fingerprint(const Refinement& refinement) {
  Hash hash;
  hash.add(refinement.layers());
  const Domain& domain = refinement.domain();
  hash.add(domain.origin);
  hash.add(domain.axes);
  hash.add(domain.box.lower);
  hash.add(domain.box.upper);
  hash.add(domain.constraints.normals);
  hash.add(domain.constraints.offsets);
  for (const Stage& stage : refinement.stages().stages) {
    hash.add(stage.size);
    hash.add(stage.biases.size());
    hash.add(stage.links.size());
    for (const Vector& bias : stage.biases) hash.add(bias);
    for (const Link& link : stage.links) {
      hash.add(link.source);
      hash.add(link.columns);
      for (const Index j : link.start) hash.add(j);
      for (const Index r : link.row) hash.add(r);
      for (const double w : link.weight) hash.add(w);
    }
    if (const Piecewise* f = stage.piecewise()) {
      hash.add(f->breaks);
      hash.add(f->slopes);
      hash.add(f->offsets);
    } else if (const Maximum* m = stage.maximum()) {
      hash.add(m->width);
      for (const Index i : m->index) hash.add(i);
    }
  }
  return hash.value();
}

void save_checkpoint(const std::filesystem::path& path, const Exploration& state, std::uint64_t fingerprint,
                     const std::string& purpose) {
  Writer out;
  out.word(kMagic);
  out.word(fingerprint);
  out.text(purpose);
  out.counts(state.counts);
  out.word(state.stopped ? 1 : 0);
  out.word(std::bit_cast<std::uint64_t>(state.share));
  out.units(state.open);
  std::string bytes = std::move(out).take();
  Hash sum;
  for (const char c : bytes) sum.add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  Writer tail;
  tail.word(sum.value());
  write_file(path, bytes + std::move(tail).take());
}

Exploration read_checkpoint(const std::filesystem::path& path, std::uint64_t fingerprint, const std::string& purpose) {
  const std::string bytes = read_file(path);
  const std::string name = path.string();
  Reader in(bytes, name);
  if (bytes.size() < 16 || in.word() != kMagic) in.fail();
  Hash sum;
  for (const char c : std::string_view(bytes).substr(0, bytes.size() - 8)) {
    sum.add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  if (Reader(std::string_view(bytes).substr(bytes.size() - 8), name).word() != sum.value()) in.fail();
  UNRECT_REQUIRE(in.word() == fingerprint, ErrorCode::kInvalidArgument, "{}: a checkpoint of another network or domain",
                 name);
  const std::string other = in.text();
  UNRECT_REQUIRE(other == purpose, ErrorCode::kInvalidArgument, "{}: a checkpoint of a run with \"{}\", not \"{}\"",
                 name, other, purpose);
  Exploration state;
  state.counts = in.counts();
  state.stopped = in.word() != 0;
  state.share = std::bit_cast<double>(in.word());
  state.open = in.units();
  in.word();
  in.end();
  return state;
}

std::string format_tasks(const std::vector<Task>& tasks) {
  Writer out;
  out.word(tasks.size());
  for (const Task& task : tasks) {
    out.unit(task.unit);
    out.word(task.most);
    out.word(task.number);
  }
  return std::move(out).take();
}

std::vector<Task> parse_tasks(std::string_view bytes, std::string_view name) {
  Reader in(bytes, name);
  std::vector<Task> tasks(in.length(4 * sizeof(std::uint64_t)));
  for (Task& task : tasks) {
    task.unit = in.unit();
    task.most = in.word();
    task.number = in.word();
  }
  in.end();
  return tasks;
}

std::string format_results(const std::vector<WorkResult>& results) {
  Writer out;
  out.word(results.size());
  for (const WorkResult& result : results) {
    out.counts(result.counts);
    out.word(std::bit_cast<std::uint64_t>(result.share));
    out.word(result.stopped ? 1 : 0);
    out.units(result.open);
  }
  return std::move(out).take();
}

std::vector<WorkResult> parse_results(std::string_view bytes, std::string_view name) {
  Reader in(bytes, name);
  std::vector<WorkResult> results(in.length(9 * sizeof(std::uint64_t)));
  for (WorkResult& result : results) {
    result.counts = in.counts();
    result.share = std::bit_cast<double>(in.word());
    result.stopped = in.word() != 0;
    result.open = in.units();
  }
  in.end();
  return results;
}

}  // namespace unrect
