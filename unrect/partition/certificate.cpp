#include "unrect/partition/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/partition/cell_faces.hpp"
#include "unrect/region/configuration.hpp"

namespace unrect {
namespace {

constexpr int kPoints = 1000;
constexpr double kVolumeTolerance = 1e-9;
constexpr double kContinuityTolerance = 1e-9;

struct Hash128 {
  std::uint64_t a = 0, b = 0;

  void flip(const Hash128& other) {
    a ^= other.a;
    b ^= other.b;
  }
};

std::uint64_t mix(std::uint64_t x) {  // SplitMix64's finaliser
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Where each check's sums stand in RegionCounts::sums.
enum Slot : std::size_t {
  kPositive,  // facets seen from the positive side, and from the negative one
  kNegative,
  kPositiveHash,  // two words each
  kNegativeHash = kPositiveHash + 2,
  kOuter = kNegativeHash + 2,  // facets on the domain's border
  kVolume,                     // fixed point, two words
  kPositiveValue = kVolume + 2,
  kNegativeValue = kPositiveValue + 2,
  kQuarters = kNegativeValue + 2,  // vertices of a plane, in quarters
  kHits,                           // one word a point
};

// Real sums that do not depend on the order: x = high 2^-28 + low 2^-60, integers of either sign.
void add_fixed(std::vector<std::uint64_t>& sums, std::size_t slot, double x) {
  const double high = std::floor(std::ldexp(x, 28));
  sums[slot] += static_cast<std::uint64_t>(static_cast<std::int64_t>(high));
  sums[slot + 1] += static_cast<std::uint64_t>(std::llround(std::ldexp(x - std::ldexp(high, -28), 60)));
}

double fixed(const std::vector<std::uint64_t>& sums, std::size_t slot) {
  return std::ldexp(static_cast<double>(static_cast<std::int64_t>(sums[slot])), -28) +
         std::ldexp(static_cast<double>(static_cast<std::int64_t>(sums[slot + 1])), -60);
}

}  // namespace

struct Certifier::Plan {
  const Refinement* refinement = nullptr;
  Index k = 0;
  std::vector<std::size_t> first_name;  // of each unit: names[first_name[unit] + piece]
  std::vector<Hash128> names;
  std::unordered_map<std::uint64_t, std::size_t> points;  // configuration's hash → index of the point
  std::vector<std::uint64_t> hits;                        // expected, a point
  double volume = 0;                                      // of the box; 0 if the domain is not a box
  Vector weights;                                         // of the outputs, in the continuity check
  double scale = 1;

  Hash128 name(std::size_t unit, std::size_t piece) const { return names[first_name[unit] + piece]; }
  Hash128 hash(std::span<const std::uint16_t> pieces) const {
    Hash128 h;
    for (std::size_t u = 0; u < pieces.size(); ++u) h.flip(name(u, pieces[u]));
    return h;
  }
  // A unit that sits on its break: neither piece.
  static Hash128 vanishing(std::size_t unit, Index piece) {
    const std::uint64_t seed = mix(~(unit * 65536 + static_cast<std::uint64_t>(piece)));
    return {mix(seed), mix(seed ^ 0x5555555555555555)};
  }
};

namespace {

class CertificateCollector final : public Collector {
 public:
  explicit CertificateCollector(std::shared_ptr<const Certifier::Plan> plan)
      : plan_(std::move(plan)), stages_(plan_->refinement->stages()) {
    reset();
  }

  bool visit(RegionView& region) override {
    const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
    const Matrix vertices = region.vertices();
    walls_ = region.walls();
    pieces_ = region.pieces();
    const Hash128 own = plan_->hash(pieces_);
    if (const auto point = plan_->points.find(own.a); point != plan_->points.end()) ++sums_[kHits + point->second];
    if (plan_->volume > 0) add_fixed(sums_, kVolume, volume_of(vertices, walls_of) / plan_->volume);
    if (plan_->k == 2) count_vertices(own, walls_of);
    count_facets(region, own, vertices, walls_of);
    return true;
  }

  void finish(const WorkUnit&, RegionCounts& counts) override {
    std::ranges::sort(marks_);
    marks_.erase(std::ranges::unique(marks_).begin(), marks_.end());
    counts.sums = std::move(sums_);
    counts.marks = std::move(marks_);
    reset();
  }

 private:
  void reset() {
    sums_.assign(kHits + kPoints, 0);
    marks_.clear();
  }

  std::size_t unit_of(const Hyperplane& wall) const {
    return static_cast<std::size_t>(stages_.first_unit[static_cast<std::size_t>(stages_[wall.stage].layer)] + wall.row);
  }

  // The configuration with the units of these walls taken out, and the sides of the domain among them put in.
  Hash128 without(Hash128 hash, const std::vector<int>& walls) const {
    for (std::size_t i = 0; i < walls.size(); ++i) {
      const Hyperplane& wall = walls_[static_cast<std::size_t>(walls[i])];
      if (wall.stage < 0) {
        hash.flip(Certifier::Plan::vanishing(pieces_.size() + static_cast<std::size_t>(wall.row), 0));
        continue;
      }
      const std::size_t unit = unit_of(wall);
      // Breaks may coincide: a unit has one piece to take out, however many of its walls are here.
      const bool again = std::any_of(walls.begin(), walls.begin() + static_cast<std::ptrdiff_t>(i), [&](int w) {
        const Hyperplane& other = walls_[static_cast<std::size_t>(w)];
        return other.stage >= 0 && unit_of(other) == unit;
      });
      if (!again) hash.flip(plan_->name(unit, pieces_[unit]));
      hash.flip(Certifier::Plan::vanishing(unit, wall.piece));
    }
    return hash;
  }

  void count_vertices(const Hash128& own, const std::vector<std::vector<int>>& walls_of) {
    for (const std::vector<int>& walls : walls_of) {
      const auto sides =
          std::ranges::count_if(walls, [&](int w) { return walls_[static_cast<std::size_t>(w)].stage < 0; });
      if (walls.size() == 2) {
        sums_[kQuarters] += std::size_t{1} << sides;
      } else {
        marks_.push_back(without(own, walls).a);
      }
    }
  }

  void count_facets(RegionView& region, const Hash128& own, const Matrix& vertices,
                    const std::vector<std::vector<int>>& walls_of) {
    const ParameterMap map = region.map();
    // Units that vanish all over the region vanish on each of its facets.
    std::vector<int> everywhere = walls_of.front();
    for (const std::vector<int>& walls : walls_of) {
      std::erase_if(everywhere, [&](int w) { return !std::ranges::binary_search(walls, w); });
    }
    const Hash128 kept = without(own, everywhere);
    for (const CellFace& facet : facets_of(walls_of, plan_->k)) {
      if (std::ranges::any_of(facet.walls, [&](int w) { return walls_[static_cast<std::size_t>(w)].stage < 0; })) {
        ++sums_[kOuter];
        continue;
      }
      // The first wall on the way down is the one that parted the two sides.
      const Hyperplane& cut = walls_[static_cast<std::size_t>(facet.walls.front())];
      const bool positive = pieces_[unit_of(cut)] > cut.piece;
      const Hash128 key = without(kept, facet.walls);
      ++sums_[positive ? kPositive : kNegative];
      sums_[positive ? kPositiveHash : kNegativeHash] += mix(key.a);
      sums_[(positive ? kPositiveHash : kNegativeHash) + 1] += mix(key.b);
      Vector centre = Vector::Zero(plan_->k);
      for (const int v : facet.vertices) centre += vertices.row(v).transpose();
      centre /= static_cast<double>(facet.vertices.size());
      const double weight = std::ldexp(static_cast<double>(key.b >> 11), -52) - 1;  // in [−1, 1)
      const double value = weight * plan_->weights.dot(map.matrix * centre + map.constant) / plan_->scale;
      add_fixed(sums_, positive ? kPositiveValue : kNegativeValue, value);
    }
  }

  std::shared_ptr<const Certifier::Plan> plan_;
  const Stages& stages_;
  std::span<const Hyperplane> walls_;
  std::span<const std::uint16_t> pieces_;
  std::vector<std::uint64_t> sums_, marks_;
};

}  // namespace

Certifier::Certifier(const Refinement& refinement, std::uint64_t seed) {
  const Domain& domain = refinement.domain();
  const Stages& stages = refinement.stages();
  UNRECT_REQUIRE(domain.dimension() <= kMostDimensions, ErrorCode::kInvalidArgument,
                 "certificate: a domain of {} dimensions; expected at most {}", domain.dimension(), kMostDimensions);
  UNRECT_REQUIRE(refinement.detail() == Detail::kIncidence, ErrorCode::kInvalidArgument,
                 "certificate: a refinement without incidence; expected Detail::kIncidence");
  auto plan = std::make_shared<Plan>();
  plan->refinement = &refinement;
  plan->k = domain.dimension();
  Rng rng(seed);
  for (const int s : stages.of_layer) {
    const Piecewise& f = *stages[s].piecewise();
    for (Index unit = 0; unit < stages[s].size; ++unit) {
      plan->first_name.push_back(plan->names.size());
      for (Index p = 0; p < f.pieces(); ++p) plan->names.push_back({rng.next(), rng.next()});
    }
  }
  if (domain.constraints.size() == 0) plan->volume = (domain.box.upper - domain.box.lower).prod();
  double largest = 0;
  std::vector<std::uint16_t> pieces;
  int passes = 0;
  for (int tries = 0; static_cast<int>(plan->hits.size()) < kPoints && passes < 3 * kPoints && tries < 1000 * kPoints;
       ++tries) {
    Vector t(plan->k);
    for (Index d = 0; d < plan->k; ++d) t[d] = rng.uniform(domain.box.lower[d], domain.box.upper[d]);
    if (domain.constraints.size() > 0 && !domain.constraints.contains(t)) continue;
    ++passes;
    const Trace trace = unrect::trace(refinement.network(), domain.point(t));
    // Where rounding decides a piece the forward pass is no witness.
    if (!boundary_units(refinement.network(), trace).empty()) continue;
    pieces.clear();
    for (const auto& layer : trace.configuration.layers) pieces.insert(pieces.end(), layer.begin(), layer.end());
    largest = std::max(largest, trace.output.cwiseAbs().maxCoeff());
    const auto [at, fresh] = plan->points.emplace(plan->hash(pieces).a, plan->hits.size());
    plan->hits.push_back(fresh ? 1 : 0);  // several points in one region: the first one stands for all
  }
  plan->hits.resize(kPoints, 0);
  plan->scale = largest > 0 ? 4 * largest * std::sqrt(static_cast<double>(refinement.network().output_size())) : 1;
  plan->weights = rng.normal_vector(refinement.network().output_size());
  plan->weights /= plan->weights.norm();
  plan_ = std::move(plan);
}

Certifier::~Certifier() = default;

CollectorFactory Certifier::collectors() const {
  return [plan = plan_] { return std::make_unique<CertificateCollector>(plan); };
}

std::vector<Check> Certifier::checks(const RegionCounts& counts) const {
  std::vector<std::uint64_t> sums = counts.sums;
  sums.resize(kHits + kPoints, 0);
  std::vector<Check> checks;
  if (plan_->volume > 0) {
    const double share = fixed(sums, kVolume);
    checks.push_back(
        {"volume", fmt::format("regions fill {:.12f} of the box", share), std::abs(share - 1) <= kVolumeTolerance});
  }
  const bool matched = sums[kPositive] == sums[kNegative] && sums[kPositiveHash] == sums[kNegativeHash] &&
                       sums[kPositiveHash + 1] == sums[kNegativeHash + 1];
  checks.push_back({"facets",
                    fmt::format("{} and {} seen from either side, {}; {} on the border", sums[kPositive],
                                sums[kNegative], matched ? "each once" : "not the same ones", sums[kOuter]),
                    matched});
  const double jump = std::abs(fixed(sums, kPositiveValue) - fixed(sums, kNegativeValue));
  checks.push_back({"continuity", fmt::format("maps across facets differ by {:.1e} in the weighted sum", jump),
                    jump <= kContinuityTolerance * std::sqrt(1.0 + static_cast<double>(sums[kPositive]))});
  std::uint64_t expected = 0;
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < kPoints; ++i) {
    expected += plan_->hits[i];
    wrong += sums[kHits + i] == plan_->hits[i] ? 0 : 1;
  }
  if (expected > 0) {
    checks.push_back({"membership",
                      fmt::format("{} regions of random points, {} not met exactly once", expected, wrong),
                      wrong == 0});
  }
  if (plan_->k == 2) {
    const std::uint64_t vertices = sums[kQuarters] / 4 + counts.marks.size();
    const std::uint64_t edges = (sums[kPositive] + sums[kNegative]) / 2 + sums[kOuter];
    checks.push_back({"Euler",
                      fmt::format("{} vertices − {} edges + {} regions = {}", vertices, edges, counts.regions,
                                  static_cast<std::int64_t>(vertices + counts.regions - edges)),
                      sums[kQuarters] % 4 == 0 && vertices + counts.regions == edges + 1});
  }
  return checks;
}

}  // namespace unrect
