// unrect regions: every region of a domain.
#include <fmt/format.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <chrono>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "picture_files.hpp"
#include "plane_partition.hpp"
#include "progress.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/certificate.hpp"
#include "unrect/partition/count_bounds.hpp"
#include "unrect/partition/region_graph.hpp"
#include "unrect/partition/shards.hpp"
#include "unrect/region/slice.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Command {
  NetworkOptions network;
  Explore explore;
  std::string box, color = "active";
  std::vector<std::string> slice, keep;
  std::filesystem::path vnnlib, html, out;
  PictureName picture;
  Index input_case = -1, output = 0;
  double radius = 1;
  Context context;
  ExploreOptions options;
  bool count_only = false, json = false, certify = false, resume = false, frames = false, raw = false, distinct = false,
       boundary = false;

  void check(const CLI::App& verb) const;
  void run() const;
  Domain domain(const Network& net) const;
  Domain slice_domain(const Network& net) const;
  Vector point(const std::string& text) const;
  Columns columns() const;
  Exploration walk(const Refinement& refinement, const CollectorFactory& collectors, const std::string& purpose) const;
  PictureText picture_text(const Domain& where) const;
  void draw(const Network& net, const Domain& where) const;
  void print(const Refinement& refinement, const Exploration& state, const std::vector<Check>& checks,
             const std::optional<std::uint64_t>& maps, std::uint64_t without_point, double seconds) const;
};

bool is_sample(const std::string& point) {
  return point.find(':') != std::string::npos && point.find(',') == std::string::npos;
}

// A point in any of the ways that `inspect` takes one.
Vector Command::point(const std::string& text) const {
  return is_sample(text) ? read_sample(text, raw) : parse_vector(text, "--slice");
}

Domain Command::slice_domain(const Network& net) const {
  UNRECT_REQUIRE(slice.size() == 1 || slice.size() == 3, ErrorCode::kInvalidArgument,
                 "--slice: {} points; expected three, or one for a random plane through it", slice.size());
  std::vector<Vector> points;
  for (const std::string& text : slice) {
    points.push_back(point(text));
    UNRECT_REQUIRE(points.back().size() == net.input_size(), ErrorCode::kInvalidArgument,
                   "--slice {}: {} numbers, {} takes {}", text, points.back().size(), network.file.string(),
                   net.input_size());
  }
  if (points.size() == 3) return plane_through(points[0], points[1], points[2]);
  const Plane plane = random_plane(points[0], context.seed);
  return {plane.origin, plane.axes, Box(Vector::Constant(2, -radius), Vector::Constant(2, radius))};
}

Domain Command::domain(const Network& net) const {
  if (!vnnlib.empty()) return property_domain(vnnlib, input_case, net);
  if (!slice.empty()) return slice_domain(net);
  UNRECT_REQUIRE(
      !box.empty(), ErrorCode::kInvalidArgument,
      "regions of which domain? Give one of --box LO,HI, --vnnlib FILE or --slice P,…: all of space has no end");
  const Box inputs = parse_box(box, net.input_size());
  return naming("--box", [&] { return Domain(inputs); });
}

Columns Command::columns() const {
  const auto kept = [&](const char* name) { return std::ranges::find(keep, name) != keep.end(); };
  return {kept("vertices"), kept("maps"), kept("facets")};
}

Exploration Command::walk(const Refinement& refinement, const CollectorFactory& collectors,
                          const std::string& purpose) const {
  ExploreOptions own = options;
  own.collectors = collectors;
  own.purpose = purpose;
  const std::filesystem::path& checkpoint = own.checkpoint;
  Exploration state;
  if (resume && std::filesystem::exists(checkpoint))
    state = read_checkpoint(checkpoint, fingerprint(refinement), purpose);
  const std::uint64_t before = state.counts.regions;
  const auto line = [&](const Progress& progress, double seconds) {
    const double rate = (progress.done - static_cast<double>(before)) / seconds;
    return fmt::format("{:.0f} regions, {:.3g}/s, {:.1f} % of the tree, about {:.0f} s to go", progress.done, rate,
                       progress.total > 0 ? 100 * progress.done / progress.total : 0,
                       progress.total > 0 ? (progress.total - progress.done) / rate : 0);
  };
  explore(refinement, state, own, ProgressLine(context, line).context());
  UNRECT_REQUIRE(!interrupted(), ErrorCode::kCancelled, "interrupted after {} regions{}", state.counts.regions,
                 checkpoint.empty() ? "" : "; --resume goes on from " + checkpoint.string());
  return state;
}

PictureText Command::picture_text(const Domain& where) const {
  PictureText text{network.file.filename().string() + ": regions", "t₀", "t₁"};
  if (!slice.empty()) return text;
  // A parameter that is an input is called so.
  for (Index d = 0; d < std::min<Index>(where.dimension(), 2); ++d) {
    for (Index j = 0; j < where.input_size(); ++j) {
      if (where.origin[j] != 0 || where.axes.row(j) != Vector::Unit(where.dimension(), d).transpose()) continue;
      (d == 0 ? text.x : text.y) = fmt::format("x{}", j);
      break;
    }
  }
  return text;
}

void Command::draw(const Network& net, const Domain& where) const {
  const PlanePartition partition =
      plane_partition(net, where, std::min<std::uint64_t>(options.max_regions, 20'000'000));
  const PictureText text = picture_text(where);
  if (!picture.empty()) {
    const Coloring coloring = coloring_of(partition, color, output);
    for (std::size_t l = frames ? 0 : partition.layers.size() - 1; l < partition.layers.size(); ++l) {
      PictureText named = text;
      if (frames) named.title += fmt::format(" after layer {}: {}", l, partition.layers[l].starts.size() - 1);
      Figure figure = partition_figure(partition, l, coloring, named);
      if (boundary && l + 1 == partition.layers.size()) add_decision_boundary(figure, net, where);
      (frames ? picture.with(fmt::format("-{}", l)) : picture).save(figure);
    }
  }
  if (!html.empty()) {
    std::vector<std::string> notes{fmt::format("{} regions", partition.layers.back().starts.size() - 1)};
    write_file(html, explorer_page(explorer_of(partition, text, notes)));
  }
}

// Layers of ReLUs, each fully connected to the one before: what the literature bounds the regions of.
bool is_chain(const Network& net) {
  int before = 0;
  for (std::size_t n = 1; n < net.nodes().size(); ++n) {
    const Node& node = net.nodes()[n];
    const auto* f = std::get_if<Piecewise>(node.op.get());
    if (node.inputs != std::vector<int>{before} || !(std::holds_alternative<Dense>(*node.op) || (f && f->is_relu()))) {
      return false;
    }
    before = static_cast<int>(n);
  }
  return !net.layers().empty();
}

// Upper bounds by the widths alone, the sharpest first.
std::vector<std::pair<std::string, BigCount>> bounds_of(const Network& net, Index k) {
  if (!is_chain(net)) return {};
  return {{"Serra 2018", serra_2018_upper(k, net.widths())},
          {"Montúfar 2017", montufar_2017_upper(k, net.widths())},
          {"Raghu 2017", raghu_2017_upper(k, net.widths())}};
}

std::string count_text(const BigCount& count) {
  return count.value < 1e15 ? fmt::format("{:.0f}", count.value) : fmt::format("10^{:.1f}", count.log10);
}

void Command::print(const Refinement& refinement, const Exploration& state, const std::vector<Check>& checks,
                    const std::optional<std::uint64_t>& maps, std::uint64_t without_point, double seconds) const {
  const auto bounds = bounds_of(refinement.network(), refinement.domain().dimension());
  const RegionCounts& counts = state.counts;
  const bool certified = !checks.empty() && std::ranges::all_of(checks, &Check::holds);
  nlohmann::ordered_json active = nlohmann::ordered_json::object();
  for (std::size_t n = 0; n < counts.active.size(); ++n) {
    if (counts.active[n] > 0) active[std::to_string(n)] = counts.active[n];
  }
  if (json) {
    nlohmann::ordered_json result{{"network", network.file.string()},
                                  {"dimension", refinement.domain().dimension()},
                                  {"domain_rounding", refinement.domain().rounding},
                                  {"regions", counts.regions},
                                  {"complete", state.complete()},
                                  {"regions_per_layer", counts.per_layer},
                                  {"active_units", active},
                                  {"exact_decisions", counts.exact_decisions},
                                  {"seconds", seconds},
                                  {"threads", context.threads},
                                  {"certified", certify ? nlohmann::ordered_json(certified) : nullptr}};
    if (maps) result["distinct_maps"] = *maps;
    if (!out.empty()) result["without_point"] = without_point;
    for (const auto& bound : bounds) result["upper_bounds"][bound.first] = {{"log10", bound.second.log10}};
    for (const Check& check : checks) {
      result["certificate"].push_back(
          {{"check", check.name}, {"made", check.made}, {"holds", check.holds}, {"finding", check.finding}});
    }
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{}{} regions in {} dimensions, {:.3g} s, {:.3g} µs each\n", state.complete() ? "" : "at least ",
             counts.regions, refinement.domain().dimension(), seconds,
             1e6 * seconds / std::max<double>(1, static_cast<double>(counts.regions)));
  if (refinement.domain().rounding > 0) {
    fmt::print("  of the domain rounded to doubles: inputs and constraints are up to {:.3g} off\n",
               1.005 * refinement.domain().rounding);
  }
  for (std::size_t l = 0; l < counts.per_layer.size(); ++l) {
    fmt::print("  after layer {}: {}\n", l, counts.per_layer[l]);
  }
  if (maps) fmt::print("  {} distinct affine pieces\n", *maps);
  if (!bounds.empty()) {
    fmt::print("  at most {} by the widths ({})\n", count_text(bounds.front().second), bounds.front().first);
  }
  if (counts.exact_decisions > 0) {
    fmt::print("  {} signs within rounding were decided in rational arithmetic\n", counts.exact_decisions);
  }
  if (without_point > 0) {
    fmt::print("  {} of them too thin for a point of doubles inside (has_point is 0 there)\n", without_point);
  }
  if (certify && checks.empty()) fmt::print("NOT certified: regions are still to come\n");
  if (!checks.empty()) {
    fmt::print("{}\n", certified ? "certified:" : "NOT certified:");
    for (const Check& check : checks) {
      fmt::print("  {:<11} {}{}\n", check.name,
                 check.holds  ? ""
                 : check.made ? "FAILS: "
                              : "not made: ",
                 check.finding);
    }
  }
}

// What would be read and not used.
void Command::check(const CLI::App& verb) const {
  const bool one_point = slice.size() == 1, samples = std::ranges::any_of(slice, is_sample);
  require_used(verb, {{"--radius", one_point, "--slice of one point"},
                      {"--raw", samples, "--slice of an IDX file's samples, FILE:NUMBER"},
                      {"--seed", one_point || certify, "--slice of one point, or --certify"},
                      {"--every", !options.checkpoint.empty(), "--checkpoint FILE"},
                      {"--resume", !options.checkpoint.empty(), "--checkpoint FILE, the file to go on from"},
                      {"--keep", !out.empty(), "--out FOLDER, of which it says what is kept"},
                      {"--frames", !picture.empty(), "--picture"},
                      {"--boundary", !picture.empty(), "--picture"},
                      {"--color", !picture.empty(), "--picture (the page of --html has a menu)"},
                      {"--output", color == "output", "--color output"}});
}

void Command::run() const {
  const Network net = network.read();
  const Domain where = domain(net);
  UNRECT_REQUIRE(!count_only || (picture.empty() && html.empty() && out.empty()), ErrorCode::kInvalidArgument,
                 "--count-only goes without --picture, --html and --out");
  // Better before the count than after it.
  picture.require_place("--picture");
  if (!picture.empty() || !html.empty()) require_drawable(net, where);
  if (color == "output") require_output(net, output);
  UNRECT_REQUIRE(out.empty() || !certify, ErrorCode::kInvalidArgument,
                 "--out goes without --certify: run them in turn");
  if (distinct) require_relu_like(stages_of(net), "--distinct-maps");
  if (certify) require_relu_like(stages_of(net), "--certify");
  const Detail detail = distinct || certify ? Certifier::detail_for(where) : Detail::kRegions;
  const Refinement refinement(net, where, detail);
  std::optional<Certifier> certifier;
  std::optional<ShardWriter> shards;
  if (certify) certifier.emplace(refinement, context.seed);
  if (!out.empty()) shards.emplace(refinement, out, columns());
  const Clock::time_point start = Clock::now();
  const Exploration state =
      certifier ? walk(refinement, certifier->collectors(), fmt::format("certificate, seed {}", context.seed))
      : shards  ? walk(refinement, shards->collectors(), shards->purpose())
                : walk(refinement, {}, "count");
  const double seconds = seconds_since(start);
  const std::vector<Check> checks =
      certifier && state.complete() ? certifier->checks(state.counts) : std::vector<Check>{};
  std::optional<std::uint64_t> maps;
  if (distinct && state.complete()) {
#ifdef __GLIBC__
    // What the workers collected goes back to the system as it is put together, or the peak is half as high again.
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
    const Partition partition = partition_of(refinement, {.maps = true, .keys = true}, context);
    maps = distinct_maps(refinement, partition, adjacency(partition)).count;
  }
  print(refinement, state, checks, maps, shards ? ShardWriter::without_point(state.counts) : 0, seconds);
  std::fflush(stdout);  // whatever becomes of the picture
  if (!picture.empty() || !html.empty()) draw(net, where);
  for (const Check& check : checks) {
    UNRECT_REQUIRE(check.holds || !check.made, ErrorCode::kFormat,
                   "{}: the certificate's check of {} fails: this is a defect of unrect, please report it",
                   network.file.string(), check.name);
  }
  for (const Check& check : checks) {
    UNRECT_REQUIRE(check.made, ErrorCode::kUnsupported,
                   "{}: not certified, since the check of {} could not be made: {}", network.file.string(), check.name,
                   check.finding);
  }
}

}  // namespace

void add_regions(CLI::App& app, Explore explore) {
  auto command = std::make_shared<Command>();
  command->explore = std::move(explore);
  CLI::App* verb = app.add_subcommand("regions", "Find every region of a domain");
  command->network.add_to(*verb);
  CLI::Option_group* where = verb->add_option_group("domain", "where to look");
  where->add_option("--box", command->box,
                    "LO,HI for all inputs, or LO1,HI1,LO2,HI2,…; equal ends hold an input fixed");
  where->add_option("--vnnlib", command->vnnlib, "the input set of a VNN-LIB property");
  where
      ->add_option("--slice", command->slice,
                   "a plane through three points, or a random one through one: \"v1,v2,…\", x.npy or images.idx:17")
      ->expected(1, 3);
  where->require_option(0, 1);
  verb->add_option("--case", command->input_case, "which input set, when --vnnlib has several (from 0)")
      ->check(not_negative())
      ->needs("--vnnlib");
  verb->add_option("--radius", command->radius, "half the width of a random plane's window")
      ->capture_default_str()
      ->check(within(1e-100, 1e100));
  verb->add_flag("--raw", command->raw, "do not divide IDX samples by 255");
  add_seed(*verb, command->context.seed, "seed of random planes and of the certificate's points");
  verb->add_flag("--count-only", command->count_only, "count, keep nothing");
  verb->add_flag(
      "--certify", command->certify,
      "check facets, continuity, random points, and volume (up to 6 dimensions) or each region anew, while counting");
  add_threads(*verb, command->context);
  ExploreOptions& options = command->options;
  add_field(*verb, "--max-regions", options, options.max_regions);
  verb->add_flag("--distinct-maps", command->distinct,
                 "count the affine pieces of the function: connected regions with one map are one (in memory)");
  verb->add_option("--out", command->out, "write every region into this folder, as .npz shards");
  verb->add_option("--keep", command->keep, "what --out keeps besides pieces and a point inside: vertices,maps,facets")
      ->delimiter(',')
      ->check(CLI::IsMember({"vertices", "maps", "facets"}));
  add_field(*verb, "--checkpoint", options, options.checkpoint);
  add_field(*verb, "--every", options, options.checkpoint_seconds);
  verb->add_flag("--resume", command->resume, "go on from --checkpoint, if it is there");
  add_picture(*verb, "--picture", command->picture, "draw a plane's partition");
  verb->add_option("--color", command->color, "--picture: colour by active, layer, lipschitz or output")
      ->capture_default_str()
      ->check(CLI::IsMember({"active", "layer", "lipschitz", "output"}));
  verb->add_flag("--boundary", command->boundary,
                 "draw the decision boundary: where the two largest outputs (or one output and 0) are equal");
  verb->add_option("--output", command->output, "--color output: which one")->capture_default_str();
  verb->add_flag("--frames", command->frames, "a picture after each layer: FILE-0, FILE-1, …");
  verb->add_option("--html", command->html, "write the explorer page of a plane: one file, opens in any browser");
  verb->add_flag("--json", command->json, "one JSON object");
  verb->footer(
      "Counts are exact: a sign that rounding leaves open is decided in rational arithmetic. Layers count from 0.\n\n"
      "Examples:\n  unrect regions net.onnx --box -1,1 --certify\n"
      "  unrect regions acasxu.onnx --vnnlib prop_3.vnnlib --count-only --json --threads 2\n"
      "  unrect regions net.onnx --box -1,1 --picture partition --color lipschitz --html explorer.html\n"
      "  unrect regions mnist.onnx --slice t10k.idx.gz:0 t10k.idx.gz:1 t10k.idx.gz:2 --picture digits\n"
      "  unrect regions net.onnx --box -1,1 --checkpoint run.ckpt --resume");
  verb->callback([command, verb] {
    command->check(*verb);
    command->run();
  });
}

}  // namespace unrect::cli
