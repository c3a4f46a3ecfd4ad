#include "unrect/partition/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/partition/internal/point_pieces.hpp"
#include "unrect/partition/internal/region_proof.hpp"

namespace unrect {
namespace {

// Random points whose regions must be met.
constexpr int kPoints = 1000;
constexpr double kVolumeTolerance = 1e-9;
// A domain that fills less of its box has volumes that doubles do not know so well.
constexpr double kLeastShare = 1e-6;
constexpr double kContinuityTolerance = 1e-9;
// So many times the filter's bound on the outputs' errors counts as rounding in the continuity check: the scale of the
// outputs is at least that, of which kContinuityTolerance is four times the bound.
constexpr double kRounding = 4e9;

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
  kUnproved,                       // regions that are not what their facets enclose
  kElsewhere,                      // regions that a forward pass at a point inside does not find,
  kPointless,                      // and that no point of doubles was found in
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
  Plan(const Refinement& of, FacetKeys names) : refinement(of), k(of.domain().dimension()), keys(std::move(names)) {}

  const Refinement refinement;
  Index k;
  FacetKeys keys;
  std::unordered_map<std::uint64_t, std::size_t> points;  // configuration's hash → index of the point
  std::vector<std::uint64_t> hits;                        // expected, a point
  double volume = 0;                                      // the domain's, as a share of its box; 0: no interior
  Vector weights;                                         // of the outputs, in the continuity check
  double scale = 1;

  bool by_vertices() const { return refinement.detail() == Detail::kIncidence; }
};

namespace {

// Of a cell of vertices, in parts of the box's sides, which may be of any size.
double volume_in_box(RegionView& region, const Box& box, const std::vector<std::vector<int>>& walls_of) {
  Matrix parts = region.vertices();
  parts.rowwise() -= box.lower.transpose();
  parts.array().rowwise() /= (box.upper - box.lower).transpose().array();
  return volume_of(parts, walls_of);
}

// The domain itself, as the only region of a network without layers.
void visit_domain(const Domain& domain, Detail detail, const RegionVisitor& visitor) {
  const Network constant = Network::chain({Matrix::Zero(1, domain.input_size())}, {Vector::Zero(1)});
  visit_regions(Refinement(constant, domain, detail), visitor);
}

class CertificateCollector final : public Collector {
 public:
  explicit CertificateCollector(std::shared_ptr<const Certifier::Plan> plan) : plan_(std::move(plan)) {
    if (!plan_->by_vertices()) {
      proof_.emplace(plan_->refinement);
      passed_.emplace(plan_->refinement);
    }
    reset();
  }

  bool visit(RegionView& region) override {
    walls_ = region.walls();
    pieces_ = region.pieces();
    const Hash128 own = plan_->keys.of(pieces_);
    if (const auto point = plan_->points.find(own.a); point != plan_->points.end()) ++sums_[kHits + point->second];
    if (proof_) {
      prove(region, own);
    } else {
      measure(region, own);
    }
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

  // By vertices and incidence.
  void measure(RegionView& region, const Hash128& own) {
    const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
    add_fixed(sums_, kVolume, volume_in_box(region, plan_->refinement.domain().box, walls_of) / plan_->volume);
    if (plan_->k == 2) count_vertices(own, walls_of);
    weigh(region.map());
    for (const KeyedFacet& facet : plan_->keys.facets(own, walls_of, walls_, pieces_, plan_->k)) {
      if (facet.outer) {
        ++sums_[kOuter];
        continue;
      }
      count_facet(region, walls_[static_cast<std::size_t>(facet.wall())], facet.key);
    }
  }

  // By facets alone.
  void prove(RegionView& region, const Hash128& own) {
    const std::vector<int> facets = region.facets();
    if (!proof_->holds(region, facets)) ++sums_[kUnproved];
    if (const std::optional<Vector> inside = region.interior_point()) {
      const std::optional<std::vector<std::uint16_t>> there = passed_->at(*inside);
      if (!there || !std::ranges::equal(*there, pieces_)) ++sums_[kElsewhere];
    } else {
      prove_sliver(region, facets);
    }
    weigh(region.map());
    for (const int w : facets) {
      const Hyperplane& cut = walls_[static_cast<std::size_t>(w)];
      if (cut.stage < 0) {
        ++sums_[kOuter];
        continue;
      }
      const Hash128 key = proof_->forms().key(plan_->keys, own, cut);
      count_facet(region, cut, key);
    }
  }

  // No point of doubles is inside: one of rationals is, if that is not a matter of many dimensions.
  void prove_sliver(RegionView& region, const std::vector<int>& facets) {
    if (plan_->k > ExactForms::kMostDimensionsOfAPoint) {
      ++sums_[kPointless];
      return;
    }
    std::vector<WallSide> sides;
    for (const int w : facets) {
      const Hyperplane& wall = walls_[static_cast<std::size_t>(w)];
      if (wall.stage >= 0 || wall.row >= 2 * plan_->k) sides.push_back({wall, proof_->forms().is_above(wall) ? 1 : -1});
    }
    const std::optional<ExactPoint> inside = proof_->forms().exact().deepest_point(sides, region.pieces());
    const std::optional<std::vector<std::uint16_t>> there = inside ? passed_->at(*inside) : std::nullopt;
    if (!there || !std::ranges::equal(*there, pieces_)) ++sums_[kElsewhere];
  }

  void count_vertices(const Hash128& own, const std::vector<std::vector<int>>& walls_of) {
    for (const std::vector<int>& walls : walls_of) {
      const auto sides =
          std::ranges::count_if(walls, [&](int w) { return walls_[static_cast<std::size_t>(w)].stage < 0; });
      if (walls.size() == 2) {
        sums_[kQuarters] += std::size_t{1} << sides;
      } else {
        marks_.push_back(plan_->keys.without(own, walls, walls_, pieces_).a);
      }
    }
  }

  // The weighted sum of the outputs, as a form of t.
  void weigh(const ParameterMap& map) {
    slope_.noalias() = map.matrix.transpose() * plan_->weights;
    constant_ = map.constant.dot(plan_->weights);
  }

  // One side of a facet inside the domain. cut: the wall that parted the sides.
  void count_facet(RegionView& region, const Hyperplane& cut, const Hash128& key) {
    const bool positive = pieces_[plan_->keys.unit_of(cut)] > cut.piece;
    ++sums_[positive ? kPositive : kNegative];
    sums_[positive ? kPositiveHash : kNegativeHash] += mix(key.a);
    sums_[(positive ? kPositiveHash : kNegativeHash) + 1] += mix(key.b);
    // Both maps agree on the whole hyperplane: where a random point of the domain falls on it.
    const Box& box = plan_->refinement.domain().box;
    Rng rng(key.a);
    Vector& point = point_;
    point.resize(plan_->k);
    for (Index d = 0; d < plan_->k; ++d) point[d] = rng.uniform(box.lower[d], box.upper[d]);
    Vector form = region.form_of(cut);
    form /= form.head(plan_->k).cwiseAbs().maxCoeff();  // of any size: its squares may vanish
    const double off = form.head(plan_->k).dot(point) + form[plan_->k];
    point -= off / form.head(plan_->k).squaredNorm() * form.head(plan_->k);
    const double weight = std::ldexp(static_cast<double>(key.b >> 11), -52) - 1;  // in [−1, 1)
    const double value = weight * (slope_.dot(point) + constant_) / plan_->scale;
    add_fixed(sums_, positive ? kPositiveValue : kNegativeValue, value);
  }

  std::shared_ptr<const Certifier::Plan> plan_;
  std::span<const Hyperplane> walls_;
  std::span<const std::uint16_t> pieces_;
  std::vector<std::uint64_t> sums_, marks_;

  std::optional<RegionProof> proof_;
  std::optional<PointPieces> passed_;
  Vector point_, slope_;
  double constant_ = 0;
};

}  // namespace

Certifier::Certifier(const Refinement& refinement, std::uint64_t seed) {
  const Domain& domain = refinement.domain();
  const Stages& stages = refinement.stages();
  UNRECT_REQUIRE(refinement.detail() == detail_for(domain) || refinement.detail() == Detail::kRegions,
                 ErrorCode::kInvalidArgument,
                 "certificate: vertices and incidence of {} dimensions; expected at most {}, or Detail::kRegions",
                 domain.dimension(), kMostMeasuredDimensions);
  require_relu_like(stages, "certificate");
  Rng rng(seed);
  auto plan = std::make_shared<Plan>(refinement, FacetKeys(refinement.stages(), rng));
  double largest = 0;
  PointPieces passed(refinement);
  const auto expect = [&](const Vector& t) {
    const std::optional<std::vector<std::uint16_t>> pieces = passed.at(t);
    if (!pieces) return;
    largest = std::max(largest, passed.output().cwiseAbs().maxCoeff());
    const auto [at, fresh] = plan->points.emplace(plan->keys.of(*pieces).a, plan->hits.size());
    plan->hits.push_back(fresh ? 1 : 0);  // several points in one region: the first one stands for all
  };
  visit_domain(domain, refinement.detail(), [&](RegionView& whole) {
    plan->volume =
        plan->by_vertices() ? volume_in_box(whole, domain.box, whole.walls_of_vertices()) : 1;  // of no use otherwise
    if (const std::optional<Vector> inside = whole.interior_point()) expect(*inside);
    return true;
  });
  int passes = 0;
  for (int tries = 0; static_cast<int>(plan->hits.size()) < kPoints && passes < 3 * kPoints && tries < 1000 * kPoints;
       ++tries) {
    Vector t(plan->k);
    for (Index d = 0; d < plan->k; ++d) t[d] = rng.uniform(domain.box.lower[d], domain.box.upper[d]);
    if (domain.constraints.size() > 0 && !domain.constraints.contains(t)) continue;
    ++passes;
    expect(t);
  }
  plan->hits.resize(kPoints, 0);
  plan->scale = largest > 0 ? 4 * largest * std::sqrt(static_cast<double>(refinement.network().output_size())) : 1;
  // Where the outputs cancel to next to nothing their rounding is no jump.
  plan->scale = std::max(plan->scale, kRounding * filters_of(stages, domain).back().error.maxCoeff());
  plan->weights = rng.normal_vector(refinement.network().output_size());
  plan->weights /= plan->weights.norm();
  plan_ = std::move(plan);
}

Certifier::~Certifier() = default;

Detail Certifier::detail_for(const Domain& domain) {
  return domain.dimension() <= kMostMeasuredDimensions ? Detail::kIncidence : Detail::kRegions;
}

CollectorFactory Certifier::collectors() const {
  return [plan = plan_] { return std::make_unique<CertificateCollector>(plan); };
}

std::vector<Check> Certifier::checks(const RegionCounts& counts) const {
  std::vector<std::uint64_t> sums = counts.sums;
  sums.resize(kHits + kPoints, 0);
  std::vector<Check> checks;
  if (!plan_->by_vertices()) {
    checks.push_back({"regions",
                      fmt::format("{} rebuilt from their facets alone, {} differ; {} found by a forward pass inside, "
                                  "{} not, {} too thin for a point of doubles",
                                  counts.regions, sums[kUnproved], counts.regions - sums[kElsewhere] - sums[kPointless],
                                  sums[kElsewhere], sums[kPointless]),
                      sums[kUnproved] == 0 && sums[kElsewhere] == 0});
    if (checks.back().holds && sums[kPointless] > 0) checks.back().unmade();
  } else if (plan_->volume < kLeastShare) {
    checks.push_back(
        {"volume", fmt::format("the domain fills {:.1e} of its box, too little to measure in doubles", plan_->volume),
         false, false});
  } else {
    const double share = fixed(sums, kVolume);
    checks.push_back(
        {"volume", fmt::format("regions fill {:.12f} of the domain", share), std::abs(share - 1) <= kVolumeTolerance});
  }
  const bool matched = sums[kPositive] == sums[kNegative] && sums[kPositiveHash] == sums[kNegativeHash] &&
                       sums[kPositiveHash + 1] == sums[kNegativeHash + 1];
  checks.push_back({"facets",
                    fmt::format("{} and {} seen from either side, {}; {} on the border", sums[kPositive],
                                sums[kNegative], matched ? "each once" : "not the same ones", sums[kOuter]),
                    matched});
  for (std::size_t word = 0; word < 2; ++word) sums[kPositiveValue + word] -= sums[kNegativeValue + word];
  const double jump = std::abs(fixed(sums, kPositiveValue));
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
  } else {
    checks.push_back(
        {"membership", "no point of doubles was found inside the domain and off all boundaries", false, false});
  }
  if (plan_->k == 2 && plan_->by_vertices()) {
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
