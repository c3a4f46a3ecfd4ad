#include "unrect/partition/refine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/engine.hpp"
#include "unrect/partition/internal/halfspace_judge.hpp"
#include "unrect/partition/internal/polygon_cell.hpp"
#include "unrect/partition/internal/vertex_cell.hpp"
#include "unrect/partition/internal/vertex_region.hpp"

namespace unrect {
namespace {

constexpr std::uint64_t kFirstBudget = 256;
constexpr std::uint64_t kLargestBudget = 16384;

}  // namespace

RegionCounts& RegionCounts::operator+=(const RegionCounts& other) {
  regions += other.regions;
  exact_decisions += other.exact_decisions;
  per_layer.resize(std::max(per_layer.size(), other.per_layer.size()), 0);
  for (std::size_t l = 0; l < other.per_layer.size(); ++l) per_layer[l] += other.per_layer[l];
  active.resize(std::max(active.size(), other.active.size()), 0);
  for (std::size_t i = 0; i < other.active.size(); ++i) active[i] += other.active[i];
  sums.resize(std::max(sums.size(), other.sums.size()), 0);
  for (std::size_t i = 0; i < other.sums.size(); ++i) sums[i] += other.sums[i];
  if (!other.marks.empty()) {
    std::vector<std::uint64_t> both;
    std::ranges::set_union(marks, other.marks, std::back_inserter(both));
    marks = std::move(both);
  }
  return *this;
}

void require_relu_like(const Stages& stages, std::string_view what) {
  for (const int s : stages.of_layer) {
    UNRECT_REQUIRE(stages[s].piecewise() != nullptr, ErrorCode::kUnsupported,
                   "{}: not there for layer {} ({}): ReLU-like layers only", what, stages[s].layer,
                   name_of(*stages[s].activation));
  }
}

Refinement::Refinement(const Network& network, Domain domain, Detail detail, int layers) {
  UNRECT_REQUIRE(domain.input_size() == network.input_size(), ErrorCode::kInvalidArgument,
                 "partition: a domain of {} inputs for a network of {}", domain.input_size(), network.input_size());
  auto prepared =
      std::make_unique<Prepared>(Prepared{network, std::move(domain), stages_of(network), {}, {}, false, 0, {}});
  const auto depth = static_cast<int>(prepared->stages.of_layer.size());
  UNRECT_REQUIRE(layers >= -1 && layers != 0 && layers <= depth, ErrorCode::kInvalidArgument,
                 "partition by {} layers; the network has {}", layers, depth);
  prepared->layers = layers < 0 ? depth : layers;
  prepared->incidence = detail == Detail::kIncidence;
  if (prepared->incidence) {
    require_relu_like(prepared->stages, "incidence");
    UNRECT_REQUIRE(prepared->domain.dimension() <= kMostVertexDimensions, ErrorCode::kUnsupported,
                   "partition: incidence in {} dimensions; expected at most {}, since a box alone has 2^k vertices",
                   prepared->domain.dimension(), kMostVertexDimensions);
  }
  prepared->filters = filters_of(prepared->stages, prepared->domain);
  prepared->reach = prepared->domain.box.lower.cwiseAbs().cwiseMax(prepared->domain.box.upper.cwiseAbs());
  const Index k = prepared->domain.dimension();
  for (const Stage& stage : prepared->stages.stages) {
    Forms bias(k, stage.size);
    for (const Vector& b : stage.biases) Eigen::Map<Vector>(bias.row(k), stage.size) += b;
    prepared->biases.push_back(std::move(bias));
  }
  prepared_ = std::move(prepared);
}

const Network& Refinement::network() const { return prepared_->network; }
const Domain& Refinement::domain() const { return prepared_->domain; }
int Refinement::layers() const { return prepared_->layers; }
const Stages& Refinement::stages() const { return prepared_->stages; }
Detail Refinement::detail() const { return prepared_->incidence ? Detail::kIncidence : Detail::kRegions; }

Worker::Worker(const Refinement& refinement, Cells cells) : refinement_(refinement) {
  const Index k = refinement.domain().dimension();
  const bool incidence = refinement.detail() == Detail::kIncidence;
  UNRECT_REQUIRE(!incidence || cells != Cells::kHalfspaces, ErrorCode::kInvalidArgument,
                 "partition: incidence needs cells of vertices");
  UNRECT_REQUIRE(
      cells != Cells::kVertices || k <= kMostVertexDimensions, ErrorCode::kInvalidArgument,
      "partition: cells of vertices in {} dimensions; expected at most {}, since a box alone has 2^k of them", k,
      kMostVertexDimensions);
  if (!incidence && (cells == Cells::kHalfspaces || (cells == Cells::kByDimension && k > kFewDimensions))) {
    implementation_ = std::make_unique<Engine<HalfspaceJudge>>(*refinement.prepared_);
  } else if (k == 2 && !incidence) {
    implementation_ = std::make_unique<Engine<VertexJudge<PolygonGeometry>>>(*refinement.prepared_);
  } else {
    implementation_ = std::make_unique<Engine<VertexJudge<VertexGeometry>>>(*refinement.prepared_);
  }
}

Worker::~Worker() = default;
Worker::Worker(Worker&&) noexcept = default;

WorkResult Worker::run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor,
                       const std::function<bool()>& keep_going) {
  return implementation_->run(unit, budget, visitor, keep_going);
}

void Worker::filter_by(CellFilter* filter) { implementation_->filter_by(filter); }

std::uint64_t budget_of(const WorkUnit& unit) {
  return std::min(kLargestBudget, kFirstBudget << std::min(2 * unit.generation, 16));
}

RegionCounts visit_regions(const Refinement& refinement, const RegionVisitor& visitor) {
  return Worker(refinement).run({}, ~std::uint64_t{0}, visitor).counts;
}

}  // namespace unrect
