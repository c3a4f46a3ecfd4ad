// unrect inspect: a network at one input.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "inspect_recovery.hpp"
#include "inspection.hpp"
#include "picture_files.hpp"
#include "progress.hpp"
#include "region_picture.hpp"
#include "unrect/base/error.hpp"
#include "unrect/view/bar_chart.hpp"
#include "unrect/view/report.hpp"

namespace unrect::cli {
namespace {

struct Command {
  NetworkOptions network;
  std::string at, sample, configuration, box, plane, pixel, only;
  bool random = false, json = false, raw = false;
  InspectOptions options;
  std::filesystem::path out, report, measurement;
  PictureName slice, filter;

  void check(const CLI::App& verb) const;
  void run() const;
  void decide(const Network& net) const;
  Vector point(const Network& net) const;
  std::optional<Figure> picture_of(const Region& region, const Vector& x) const;
  std::optional<Box> domain(const Network& net) const;
};

std::optional<Box> Command::domain(const Network& net) const {
  if (box.empty()) return std::nullopt;
  Box within = parse_box(box, net.input_size());
  // A region's ball, facets and emptiness are about an interior in all inputs.
  for (Index j = 0; j < within.dimension(); ++j) {
    UNRECT_REQUIRE(within.lower[j] < within.upper[j], ErrorCode::kInvalidArgument,
                   "--box: input {} is held at {}, expected an interval for each; regions takes such boxes", j,
                   within.lower[j]);
  }
  return within;
}

Vector Command::point(const Network& net) const {
  if (!at.empty()) return parse_vector(at, "--at");
  if (!sample.empty()) return read_sample(sample, raw);
  UNRECT_REQUIRE(random, ErrorCode::kInvalidArgument,
                 "inspect where? Give one of --at \"v1,v2,…\", --at x.npy, --sample images.idx.gz:17, --random or "
                 "--configuration");
  Rng rng(options.seed);
  if (const std::optional<Box> within = domain(net)) {
    Vector x(net.input_size());
    for (Index j = 0; j < x.size(); ++j) x[j] = rng.uniform(within->lower[j], within->upper[j]);
    return x;
  }
  return rng.normal_vector(net.input_size());
}

// The region in a plane: the inputs of --plane, the two there are, or else random directions.
std::optional<Figure> Command::picture_of(const Region& region, const Vector& x) const {
  if (x.size() < 2) return std::nullopt;
  const std::string title = network.file.filename().string() + ": the region of one input";
  if (plane.empty() && x.size() > 2) {
    return region_picture(region, random_plane(x, options.seed), title, "first random direction",
                          "second random direction");
  }
  const Vector axes = plane.empty() ? Vector(Eigen::Vector2d(0, 1)) : parse_vector(plane, "--plane");
  UNRECT_REQUIRE(axes.size() == 2 && axes.minCoeff() >= 0 && axes.maxCoeff() < 1e9 && axes[0] == std::floor(axes[0]) &&
                     axes[1] == std::floor(axes[1]),
                 ErrorCode::kInvalidArgument, "--plane {}: expected two input numbers, such as 0,3", plane);
  const auto first = static_cast<Index>(axes[0]), second = static_cast<Index>(axes[1]);
  return region_picture(region, coordinate_plane(x, first, second), title, fmt::format("x{}", first),
                        fmt::format("x{}", second));
}

// --configuration: does it occur? A ball that the network confirms, or a proof that there is none.
void Command::decide(const Network& net) const {
  const Region region(net, parse_configuration(net, configuration));
  const RegionPolytope polytope = region.polytope();
  const RegionBall found = largest_ball(region, polytope, domain(net));
  const Ball& ball = found.ball;
  const std::optional<bool> occurs = found.occurs();
  const bool has_proof = occurs == false && !found.tied;
  if (json) {
    nlohmann::ordered_json result{{"occurs", nullptr}, {"status", "undecided"}};
    if (occurs) {
      result["occurs"] = *occurs;
      result["status"] = found.tied ? "tied" : to_string(ball.status);
    }
    if (found.tied) {
      result["unit"] = {{"layer", found.tied->unit.layer}, {"unit", found.tied->unit.index}};
    } else if (has_proof) {
      result["farkas"] = std::vector<double>(ball.farkas.begin(), ball.farkas.end());
      result["farkas_proven"] = true;
    } else if (occurs == true) {
      result["ball"] = {{"center", std::vector<double>(ball.center.begin(), ball.center.end())},
                        {"radius", ball.radius}};
    }
    fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else if (!occurs) {
    fmt::print(
        "undecided: the inequalities hold together only where rounding opens or closes them, and exact arithmetic "
        "would\n"
        "take too long; --box gives a domain\n");
  } else if (*occurs && ball.radius <= 0) {
    fmt::print("occurs (by exact arithmetic), in a region too thin for a point in double around ({:.6g})\n",
               fmt::join(ball.center, ", "));
  } else if (*occurs) {
    fmt::print("occurs: its region holds a ball of radius {:.6g} around ({:.6g})\n", ball.radius,
               fmt::join(ball.center, ", "));
  } else if (found.tied) {
    fmt::print(
        "does not occur: {} is on its break wherever the others are on theirs, and counts as on piece {} there\n",
        wall_text({*found.tied}), found.tied->beyond);
  } else {
    const std::string_view what = ball.status == BallStatus::kEmpty
                                      ? "contradict each other (Farkas certificate, verified in exact arithmetic)"
                                      : "hold together only on a set without interior (verified in exact arithmetic)";
    fmt::print("does not occur: {} inequalities {}\n", (ball.farkas.array() > 0).count(), what);
    for (Index i = 0; i < ball.farkas.size(); ++i) {
      if (ball.farkas[i] <= 0) continue;
      const bool side = i >= static_cast<Index>(polytope.walls.size());
      fmt::print("  {:.6g} × {}\n", ball.farkas[i],
                 side ? "a side of the box" : wall_text({polytope.walls[static_cast<std::size_t>(i)]}));
    }
  }
}

Report make_report(const std::string& file, const Inspection& result, const std::optional<Figure>& picture) {
  Report page(fmt::format("{} at one input", file));
  page.paragraph(
      "Around this input the network is one affine map on one polytope. What follows is that map, that polytope, "
      "and how far every bound on the local Lipschitz constant is from the exact value.");
  if (picture) {
    page.heading("The region")
        .figure(*picture,
                "White: the region of the input. Labels: the layer:unit that switches across the edge. Colour: how "
                "many units are on "
                "another piece than at the input.");
  }
  std::vector<Bar> bars;
  for (const auto& [name, bound] : result.bounds) {
    if (bound > 0 && std::isfinite(bound)) bars.push_back({name, bound, categorical(name == "exact" ? 1 : 0)});
  }
  if (!bars.empty()) {
    BarChartOptions options;
    options.label = "Lipschitz constant (ℓ2)";
    options.log = true;
    page.heading("Bounds").figure(bar_chart(bars, options), "Every bound holds; only the first is attained.");
  }
  page.heading("All figures").preformatted(to_text(result));
  return page;
}

// What would be read and not used.
void Command::check(const CLI::App& verb) const {
  const bool region = configuration.empty();
  require_used(verb, {{"--pixel", !measurement.empty(), "--measurement"},
                      {"--filter", !measurement.empty(), "--measurement"},
                      {"--raw", !sample.empty(), "--sample"},
                      {"--top", region, "an input; --configuration only decides"},
                      {"--all-facets", region, "an input; --configuration only decides"},
                      {"--seed", region, "an input; --configuration only decides"},
                      {"--plane", !slice.empty() || !report.empty(), "--slice or --report"}});
}

void Command::run() const {
  slice.require_place("--slice");
  if (!measurement.empty()) {
    UNRECT_REQUIRE(out.empty() && slice.empty() && report.empty() && box.empty(), ErrorCode::kInvalidArgument,
                   "--measurement goes with --pixel, --filter, --seed and --json alone");
    return inspect_recovery({network.file, measurement, pixel, filter, options.seed, json});
  }
  const Network net = network.read();
  if (!configuration.empty()) {
    UNRECT_REQUIRE(out.empty() && slice.empty() && report.empty(), ErrorCode::kInvalidArgument,
                   "--configuration only decides: it goes with --box and --json, not with --out, --slice or --report");
    return decide(net);
  }
  const Vector x = point(net);
  UNRECT_REQUIRE(x.size() == net.input_size(), ErrorCode::kInvalidArgument,
                 "the point has {} numbers, {} takes {} ({})", x.size(), network.file.string(), net.input_size(),
                 shape_text(net.input_shape()));
  if (!only.empty()) {
    UNRECT_REQUIRE(out.empty() && slice.empty() && report.empty(), ErrorCode::kInvalidArgument,
                   "--only output prints it: no --out, --slice or --report");
    const Vector output = trace(net, x).output;
    if (json) {
      const nlohmann::ordered_json result{{"output", std::vector<double>(output.begin(), output.end())}};
      fmt::print("{}\n", result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      fmt::print("{}\n", fmt::join(output, "\n"));
    }
    return;
  }
  InspectOptions how = options;
  how.box = domain(net);
  UNRECT_REQUIRE(!how.box || how.box->contains(x), ErrorCode::kInvalidArgument,
                 "the point is outside --box, expected one within it");
  const Inspection result = [&] {
    const ProgressLine line({}, [](const Progress& now, double) {
      return now.total > 0 ? fmt::format("{:.0f} of {:.0f} {}", now.done, now.total, now.what) : std::string(now.what);
    });
    how.context = &line.context();
    return inspect(net, x, how);
  }();
  std::optional<Figure> picture;
  if (!slice.empty() || !report.empty()) picture = picture_of(result.region, x);
  UNRECT_REQUIRE(slice.empty() || picture, ErrorCode::kInvalidArgument, "--slice needs at least 2 inputs, {} has {}",
                 network.file.string(), x.size());
  if (picture && !slice.empty()) slice.save(*picture);
  if (!out.empty()) write_npz(out, to_arrays(result));
  if (!report.empty()) make_report(network.file.filename().string(), result, picture).save(report);
  if (json) {
    fmt::print("{}\n", to_json(result).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", to_text(result));
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = app.add_subcommand("inspect", "Take a network apart around one input");
  command->network.add_to(*verb);
  CLI::Option_group* where = verb->add_option_group("where", "the input, or a configuration");
  where->add_option("--at", command->at, "\"v1,v2,…\" or an .npy file");
  where->add_option("--sample", command->sample,
                    "item NUMBER of an IDX file (.gz or not), FILE:NUMBER, divided by 255");
  where->add_flag("--random", command->random, "a standard normal point, or a uniform one of --box");
  where->add_option("--configuration", command->configuration,
                    "pieces such as 0110,10: does any input have them? A ball inside, or a Farkas certificate");
  CLI::Option* const measured = where->add_option("--measurement", command->measurement,
                                                  "what unrect sense wrote, .npz: a recovery network at that image");
  where->require_option(1);
  verb->add_flag("--raw", command->raw, "do not divide --sample by 255");
  verb->add_option("--box", command->box, "LO,HI for all inputs, or LO1,HI1,LO2,HI2,…: stay within this domain");
  verb->add_option("--pixel", command->pixel, "--measurement: ROW,COLUMN of the pixel whose filter is shown")
      ->default_str("the middle");
  add_picture(*verb, "--filter", command->filter, "--measurement: draw that pixel's effective filter");
  add_seed(*verb, command->options.seed, "seed of --random, of the plane and of rays");
  verb->add_option("--top", command->options.top, "atoms to list")->capture_default_str()->check(CLI::Range(0, 100000));
  verb->add_option("--only", command->only, "nothing but this: output, one number a line")
      ->check(CLI::IsMember({"output"}));
  verb->add_flag("--all-facets", command->options.all_facets, "decide every inequality, however many inputs there are");
  add_picture(*verb, "--slice", command->slice, "draw the region in a plane through the input")
      ->expected(0, 1)
      ->default_str("region");
  verb->add_option("--plane", command->plane,
                   "--slice and --report: two inputs I,J that span the plane (else random directions)");
  verb->add_option("--report", command->report, "write one HTML page with pictures and all figures");
  verb->add_option("--out", command->out, "write the region as .npz: map, inequalities, facets, configuration");
  verb->add_flag("--json", command->json, "one JSON object");
  for (const char* const other : {"--raw", "--top", "--all-facets", "--plane", "--only", "--cut-softmax"})
    measured->excludes(verb->get_option(other));
  verb->footer(
      "Layers and units count from 0. Beyond 64 inputs facets are found by rays, and the ball is the one around the\n"
      "input, unless --all-facets asks for all.\n\n"
      "Examples:\n  unrect inspect net.onnx --at \"0.1,0.2\"\n"
      "  unrect inspect mnist.onnx --sample t10k-images-idx3-ubyte.gz:17 --slice seven\n"
      "  unrect inspect net.npz --random --seed 3 --json --out region.npz\n"
      "  unrect inspect recovery.onnx --measurement y.npz --pixel 120,96 --filter filter.png\n"
      "  unrect inspect net.npz --configuration 0110,10 --box -1,1");
  verb->callback([command, verb] {
    command->check(*verb);
    command->run();
  });
}

}  // namespace unrect::cli
