#include "plane_partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/decision_boundary.hpp"

namespace unrect::cli {
namespace {

// √ of the largest eigenvalue of AᵀA, 2 × 2.
double spectral_norm(const Matrix& a) {
  const Eigen::Matrix2d gram = a.transpose() * a;
  const double mean = 0.5 * gram.trace();
  return std::sqrt(mean + std::hypot(0.5 * (gram(0, 0) - gram(1, 1)), gram(0, 1)));
}

constexpr Index kMostOutputs = 16;
constexpr Color kApart = hex(0xd4d7dd);

class LayerCollector {
 public:
  LayerCollector(const Stages& stages, int layer, const PlanePartition& partition, std::uint64_t limit)
      : stages_(stages), layer_(layer), partition_(partition), limit_(limit) {
    const auto l = static_cast<std::size_t>(layer);
    first_ = stages.first_unit[l];
    out_.units = stages.first_unit[l + 1] - first_;
    out_.starts.push_back(0);
  }

  void add(RegionView& region) {
    UNRECT_REQUIRE(out_.starts.size() <= limit_, ErrorCode::kInvalidArgument,
                   "the plane has over {} regions; --max-regions allows more, a smaller box shows fewer", limit_);
    const Matrix vertices = region.vertices();
    const std::vector<std::vector<int>> walls = region.walls_of_vertices();
    for (Index v = 0; v < vertices.rows(); ++v) {
      // The grid of the page is the box: rounding must not leave it.
      out_.vertices.push_back(std::clamp(vertices(v, 0), partition_.box.lower[0], partition_.box.upper[0]));
      out_.vertices.push_back(std::clamp(vertices(v, 1), partition_.box.lower[1], partition_.box.upper[1]));
      const Hyperplane& wall = region.walls()[static_cast<std::size_t>(walls[static_cast<std::size_t>(v)].back())];
      out_.edge_unit.push_back(wall.stage < 0 ? -1 : static_cast<std::int32_t>(first_of(wall) + wall.unit));
    }
    out_.starts.push_back(static_cast<std::uint32_t>(out_.vertices.size() / 2));
    const std::span<const std::uint16_t> pieces = region.pieces();
    for (Index u = first_; u < first_ + out_.units; ++u) {
      out_.pieces.push_back(static_cast<std::uint8_t>(std::min<int>(pieces[static_cast<std::size_t>(u)], 255)));
    }
    if (layer_ == 0) return;
    // Both layers are met in the order of the recursion: a new prefix is the next polygon of the layer before.
    const std::span<const std::uint16_t> prefix = pieces.first(static_cast<std::size_t>(first_));
    if (out_.parent.empty()) {
      out_.parent.push_back(0);
    } else {
      out_.parent.push_back(out_.parent.back() + (std::ranges::equal(prefix, prefix_) ? 0 : 1));
    }
    prefix_.assign(prefix.begin(), prefix.end());
  }

  ExplorerLayer take() && { return std::move(out_); }

 private:
  Index first_of(const Hyperplane& wall) const {
    return stages_.first_unit[static_cast<std::size_t>(stages_[wall.stage].layer)];
  }

  const Stages& stages_;
  int layer_;
  const PlanePartition& partition_;
  std::uint64_t limit_;
  Index first_ = 0;
  ExplorerLayer out_;
  std::vector<std::uint16_t> prefix_;
};

void describe(RegionView& region, const Stages& stages, PlanePartition& out) {
  out.active.push_back(
      static_cast<float>(std::ranges::count_if(region.pieces(), [](std::uint16_t p) { return p > 0; })));
  int deepest = -1;
  for (const std::vector<int>& walls : region.walls_of_vertices()) {
    const Hyperplane& wall = region.walls()[static_cast<std::size_t>(walls.back())];
    if (wall.stage >= 0) deepest = std::max(deepest, stages[wall.stage].layer);
  }
  out.cut_layer.push_back(static_cast<float>(deepest));
  const ParameterMap map = region.map();
  out.lipschitz.push_back(static_cast<float>(spectral_norm(map.matrix)));
  for (Index i = 0; i < out.outputs; ++i) {
    for (Index d = 0; d < 2; ++d) out.maps.push_back(static_cast<float>(map.matrix(i, d)));
    out.maps.push_back(static_cast<float>(map.constant[i]));
  }
}

Eigen::Vector2d center_of(const ExplorerLayer& layer, std::size_t polygon) {
  Eigen::Vector2d sum = Eigen::Vector2d::Zero();
  for (std::size_t v = layer.starts[polygon]; v < layer.starts[polygon + 1]; ++v) {
    sum += Eigen::Vector2d(layer.vertices[2 * v], layer.vertices[2 * v + 1]);
  }
  return sum / (layer.starts[polygon + 1] - layer.starts[polygon]);
}

}  // namespace

void require_drawable(const Network& network, const Domain& domain) {
  UNRECT_REQUIRE(domain.dimension() == 2, ErrorCode::kInvalidArgument,
                 "a picture needs a domain of 2 dimensions, this one has {}: fix inputs with --box, or use --slice",
                 domain.dimension());
  UNRECT_REQUIRE(!network.layers().empty(), ErrorCode::kInvalidArgument,
                 "a picture needs a network with a piecewise-linear layer");
}

void require_output(const Network& network, Index output) {
  const Index kept = std::min(network.output_size(), kMostOutputs);
  UNRECT_REQUIRE(output >= 0 && output < kept, ErrorCode::kInvalidArgument,
                 "--output {}: expected one below {}, of {} outputs", output, kept, network.output_size());
}

PlanePartition plane_partition(const Network& network, const Domain& domain, std::uint64_t limit,
                               const std::function<bool()>& keep_going) {
  require_drawable(network, domain);
  PlanePartition out;
  out.box = domain.box;
  out.outputs = std::min(network.output_size(), kMostOutputs);
  const auto depth = static_cast<int>(network.layers().size());
  for (int l = 1; l <= depth; ++l) {
    const Refinement refinement(network, domain, Detail::kRegions, l);
    LayerCollector collector(refinement.stages(), l - 1, out, limit);
    visit_regions(refinement, [&](RegionView& region) {
      UNRECT_REQUIRE(!keep_going || keep_going(), ErrorCode::kCancelled, "interrupted while drawing");
      collector.add(region);
      if (l == depth) describe(region, refinement.stages(), out);
      return true;
    });
    out.layers.push_back(std::move(collector).take());
  }
  return out;
}

Coloring coloring_of(const PlanePartition& partition, const std::string& by, Index output) {
  if (by == "active") return {.values = partition.active, .label = "active units", .whole = true};
  if (by == "layer") {
    return {.values = partition.cut_layer, .label = "deepest layer around the region", .whole = true};
  }
  if (by == "lipschitz") {  // a few steep regions would leave all others the same colour
    const float least = std::ranges::max(partition.lipschitz) * 1e-12F;
    std::vector<float> logs = partition.lipschitz;
    for (float& value : logs) value = value > least ? std::log10(value) : std::numeric_limits<float>::quiet_NaN();
    return {
        .values = logs, .label = "log₁₀ of the local Lipschitz constant", .apart = "constant to 10⁻¹² of the steepest"};
  }
  UNRECT_REQUIRE(by == "output" && output >= 0 && output < partition.outputs, ErrorCode::kInvalidArgument,
                 "colour by {} {}: expected active, layer, lipschitz, or an output below {}", by, output,
                 partition.outputs);
  const ExplorerLayer& last = partition.layers.back();
  std::vector<float> values;
  for (std::size_t p = 0; p + 1 < last.starts.size(); ++p) {
    const Eigen::Vector2d center = center_of(last, p);
    const float* map =
        &partition.maps[(p * static_cast<std::size_t>(partition.outputs) + static_cast<std::size_t>(output)) * 3];
    values.push_back(static_cast<float>(map[0] * center.x() + map[1] * center.y() + map[2]));
  }
  return {.values = values, .label = fmt::format("output {}", output)};
}

namespace {

Range covered(const std::vector<float>& values) {
  Range range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const float value : values) {
    if (std::isnan(value)) continue;
    range.min = std::min<double>(range.min, value);
    range.max = std::max<double>(range.max, value);
  }
  return range;
}

}  // namespace

Figure partition_figure(const PlanePartition& partition, std::size_t layer, const Coloring& coloring,
                        const PictureText& text) {
  const auto [low, high] = coloring.range.value_or(covered(coloring.values));
  std::vector<double> own(coloring.values.begin(), coloring.values.end());
  for (std::size_t l = partition.layers.size() - 1; l > layer; --l) {
    const std::vector<std::uint32_t>& parent = partition.layers[l].parent;
    std::vector<double> sums(partition.layers[l - 1].starts.size() - 1, 0.0);
    std::vector<double> counts(sums.size(), 0.0);
    for (std::size_t p = 0; p < parent.size(); ++p) {
      if (std::isnan(own[p])) continue;
      sums[parent[p]] += own[p];
      counts[parent[p]] += 1;
    }
    for (std::size_t p = 0; p < sums.size(); ++p) sums[p] /= counts[p];  // NaN of none
    own = std::move(sums);
  }
  const double extent_x = partition.box.upper[0] - partition.box.lower[0];
  const double extent_y = partition.box.upper[1] - partition.box.lower[1];
  FigureOptions options;
  options.title = text.title;
  options.x = {text.x, Range{partition.box.lower[0], partition.box.upper[0]}, false, {}, false};
  options.y = {text.y, Range{partition.box.lower[1], partition.box.upper[1]}, false, {}, false};
  options.equal = extent_x < 20 * extent_y && extent_y < 20 * extent_x;
  options.width = 900;
  options.height = 760;
  Figure figure(options);
  const ExplorerLayer& polygons = partition.layers[layer];
  // Many regions: edges thin out, so that the fills still show.
  const double stroke = std::clamp(12.0 / std::sqrt(static_cast<double>(own.size())), 0.05, 0.8);
  bool apart = false;
  for (std::size_t p = 0; p + 1 < polygons.starts.size(); ++p) {
    Matrix corners(polygons.starts[p + 1] - polygons.starts[p], 2);
    for (Index v = 0; v < corners.rows(); ++v) {
      corners(v, 0) = polygons.vertices[2 * (polygons.starts[p] + static_cast<std::size_t>(v))];
      corners(v, 1) = polygons.vertices[2 * (polygons.starts[p] + static_cast<std::size_t>(v)) + 1];
    }
    PolygonStyle style;
    style.fill = std::isnan(own[p]) ? kApart : sequential(high > low ? (own[p] - low) / (high - low) : 0.5);
    apart = apart || std::isnan(own[p]);
    style.stroke = faded(kWhite, 0.8);
    style.width = stroke;
    figure.polygon(corners, style);
  }
  if (high > low) figure.colorbar({low, high}, coloring.label, sequential, coloring.whole);
  if (apart) figure.legend(coloring.apart, kApart);
  return figure;
}

void add_decision_boundary(Figure& figure, const Network& network, const Domain& domain, const Context& context) {
  for (const BoundarySegment& segment : decision_boundary(Refinement(network, domain), context)) {
    Matrix ends(2, 2);
    ends << segment.from.transpose(), segment.to.transpose();
    LineStyle style;
    style.color = categorical(1);
    style.width = 2;
    figure.polyline(ends, style);
  }
}

Explorer explorer_of(const PlanePartition& partition, const PictureText& text, std::vector<std::string> notes) {
  Explorer page;
  page.title = text.title;
  page.notes = std::move(notes);
  page.x = {partition.box.lower[0], partition.box.upper[0]};
  page.y = {partition.box.lower[1], partition.box.upper[1]};
  page.x_name = text.x;
  page.y_name = text.y;
  page.layers = partition.layers;
  page.columns.push_back({"active units", partition.active});
  page.columns.push_back({"local Lipschitz constant", partition.lipschitz});
  page.columns.push_back({"deepest layer around it", partition.cut_layer});
  for (Index i = 0; i < partition.outputs; ++i) {
    page.outputs.push_back(fmt::format("y{}", i));  // the page's menu calls it "output y0"
  }
  page.maps = partition.maps;
  return page;
}

}  // namespace unrect::cli
