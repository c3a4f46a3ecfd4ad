#include "unrect/verify/certificate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/forms/internal/dyadic.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/verify/check.hpp"
#include "unrect/verify/internal/referee.hpp"
#include "unrect/verify/internal/regions_for_tests.hpp"
#include "unrect/verify/verify.hpp"

namespace unrect {
namespace {

const Halfspaces kNoRows(Matrix(0, 1), Vector(0));

VerifyResult verified(const Network& network, const Property& property) {
  VerifyOptions options;
  options.certificate = true;
  return verify(network, property, options);
}

std::string objection(const Network& network, const Property& property, const Certificate& certificate) {
  const CheckResult result = check_certificate(network, property, certificate);
  EXPECT_EQ(result.valid, result.reason.empty());
  return result.reason;
}

TEST(Certificate, EveryVerdictHasOneThatIsAccepted) {
  Rng rng(1);
  std::size_t steps = 0;
  for (std::uint64_t round = 0; round < 120; ++round) {
    Rng own = rng.split(round);
    const Network network =
        round % 4 == 3 ? random_chain({2, 6, 6, 2}, own.split(5)) : network_of_every_kind(own.split(3));
    if (network.input_size() > 3) continue;
    const Box box = cube(network.input_size(), 1);
    const Vector direction = own.normal_vector(network.output_size());
    const double largest = largest_by_regions(network, box, direction);
    // A proof never splits a maximum: close to the threshold it would take too many boxes.
    const bool maxima =
        std::ranges::any_of(network.nodes(), [](const Node& n) { return std::holds_alternative<Maximum>(*n.op); });
    const double step = (maxima ? 0.1 : 1e-4) * (1 + std::abs(largest));
    for (const double threshold : {largest + step, largest - step}) {
      const Property property = property_of(network, box, {at_least(direction, threshold)});
      const VerifyResult result = verified(network, property);
      ASSERT_TRUE(result.certificate) << round << " " << to_string(result.verdict);
      EXPECT_EQ(objection(network, property, *result.certificate), "") << round;
      EXPECT_EQ(result.certificate->witness.has_value(), threshold < largest);
      steps += result.certificate->steps.size();
    }
  }
  EXPECT_GT(steps, 500U);
}

// Several cases, several polytopes of several rows, rows over inputs: y₀ ≥ t together with y₁ ≥ t.
TEST(Certificate, SpeaksOfEveryCaseAndPolytope) {
  Rng rng(2);
  for (std::uint64_t round = 0; round < 20; ++round) {
    const Network network = random_chain({2, 10, 10, 2}, rng.split(round));
    Property property = property_of(network, Box(Eigen::Vector2d(-1, -1), Eigen::Vector2d(0, 1)), {});
    const Vector up = Eigen::Vector2d(1, 0), right = Eigen::Vector2d(0, 1);
    const double most = largest_by_regions(network, cube(2, 1), up + right);
    // Their sum is at most `most`, so both cannot be beyond half of it.
    const Halfspaces both(-Matrix::Identity(2, 2), Vector::Constant(2, -0.5 * most - 0.01));
    property.cases[0].unsafe_outputs = {both, at_least(up + right, most + 0.01)};
    property.cases[0].input_rows = Halfspaces(Eigen::RowVector2d(1, 1), Vector::Constant(1, 0.5));
    property.cases.push_back(property.cases[0]);
    property.cases[1].box = Box(Eigen::Vector2d(0, -1), Eigen::Vector2d(1, 1));
    property.cases[1].input_rows = Halfspaces(Matrix(0, 2), Vector(0));
    const VerifyResult result = verified(network, property);
    ASSERT_EQ(result.verdict, Verdict::kUnsat);
    ASSERT_TRUE(result.certificate) << round;
    EXPECT_EQ(objection(network, property, *result.certificate), "") << round;
    property.cases.pop_back();
    EXPECT_EQ(objection(network, property, *result.certificate), "it is the certificate of another property");
    Certificate forged = *result.certificate;
    forged.property = fingerprint(property);
    EXPECT_NE(objection(network, property, forged), "") << "steps of a case that is not there";
  }
}

// A proof for a threshold above the maximum says nothing about one below it, however little is between them.
TEST(Certificate, NoneIsAcceptedForWhatIsNotSo) {
  Rng rng(3);
  for (std::uint64_t round = 0; round < 40; ++round) {
    const Network network = random_chain({2, 8, 8, 2}, rng.split(round));
    const Vector direction = rng.split(round + 1000).normal_vector(2);
    const double largest = largest_by_regions(network, cube(2, 1), direction);
    const Property right = property_of(network, cube(2, 1), {at_least(direction, largest + 1e-9)});
    const Property wrong = property_of(network, cube(2, 1), {at_least(direction, largest - 1e-12)});
    const VerifyResult result = verified(network, right);
    if (!result.certificate) continue;  // so close a threshold need not have one
    EXPECT_EQ(objection(network, right, *result.certificate), "");
    EXPECT_EQ(objection(network, wrong, *result.certificate), "it is the certificate of another property");
    Certificate forged = *result.certificate;
    forged.property = fingerprint(wrong);
    EXPECT_NE(objection(network, wrong, forged), "") << round;
    const Network other = random_chain({2, 8, 8, 2}, rng.split(round + 2000));
    EXPECT_EQ(objection(other, right, *result.certificate),
              "it is the certificate of another network, or of this one read otherwise (folded or not)");
  }
}

// Whoever changes fields and seals the file anew cannot prove what is false.
TEST(Certificate, ChangedStepsNeverProveWhatIsFalse) {
  Rng rng(4);
  int judged = 0;
  for (std::uint64_t round = 0; round < 10; ++round) {
    const Network network = random_chain({2, 8, 8, 2}, rng.split(round));
    const Vector direction = rng.split(round + 1000).normal_vector(2);
    const double largest = largest_by_regions(network, cube(2, 1), direction);
    const Property wrong = property_of(network, cube(2, 1), {at_least(direction, largest - 1e-6)});
    const VerifyResult result =
        verified(network, property_of(network, cube(2, 1), {at_least(direction, largest + 1e-6)}));
    ASSERT_TRUE(result.certificate);
    for (int change = 0; change < 100; ++change, ++judged) {
      Rng own = rng.split(10'000 * round + static_cast<std::uint64_t>(change));
      Certificate forged = *result.certificate;
      forged.property = fingerprint(wrong);
      for (int times = 0; times < 1 + change % 5; ++times) {
        ProofStep& step = forged.steps[static_cast<std::size_t>(own.below(static_cast<Index>(forged.steps.size())))];
        switch (own.below(6)) {
          case 0:
            step.kind = static_cast<ProofStep::Kind>(own.below(5));
            break;
          case 1:
            step.at = own.uniform(-1.5, 1.5);
            break;
          case 2:
            step.unit = own.below(9);
            break;
          case 3:
            step.node = static_cast<int>(own.below(7));
            break;
          case 4:
            if (!forged.multipliers.empty())
              forged.multipliers[static_cast<std::size_t>(own.below(static_cast<Index>(forged.multipliers.size())))] =
                  std::ldexp(own.uniform(-1, 1), change - 50);
            break;
          default:
            forged.steps.erase(forged.steps.begin() + own.below(static_cast<Index>(forged.steps.size())));
            if (forged.steps.empty()) forged.steps.push_back({});
        }
      }
      ASSERT_NE(objection(network, wrong, forged), "") << round << ", " << change;
    }
  }
  EXPECT_EQ(judged, 1000);
}

// Any single number of a file that is changed is noticed, also where the proof would hold all the same.
TEST(Certificate, AnyChangedFieldOfAFileIsRefused) {
  const Network network = random_chain({2, 8, 8, 2}, Rng(5));
  const Vector direction = Eigen::Vector2d(1, -1);
  const double largest = largest_by_regions(network, cube(2, 1), direction);
  const Property property = property_of(network, cube(2, 1), {at_least(direction, largest + 1e-3)});
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "unrect-certificate-test.npz";
  write_certificate(path, verified(network, property).certificate.value());
  EXPECT_EQ(objection(network, property, read_certificate(path)), "");
  const ArrayMap whole = read_npz(path);
  Rng rng(6);
  int refused = 0;
  for (int change = 0; change < 1000; ++change) {
    ArrayMap arrays = whole;
    auto entry = arrays.begin();
    std::advance(entry, rng.below(static_cast<Index>(arrays.size())));
    std::string& bytes = entry->second.bytes;
    if (bytes.empty()) {
      ++refused;
      continue;
    }
    bytes[static_cast<std::size_t>(rng.below(static_cast<Index>(bytes.size())))] ^=
        static_cast<char>(1 << rng.below(8));
    try {
      (void)parse_certificate(format_npz(arrays), "changed");
      ADD_FAILURE() << entry->first;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 1000);
  for (const auto& [name, array] : whole) {
    ArrayMap arrays = whole;
    arrays.erase(name);
    EXPECT_THROW((void)parse_certificate(format_npz(arrays), "short"), Error) << name;
  }
  ArrayMap more = whole;
  more.emplace("more", whole.at("at"));
  EXPECT_THROW((void)parse_certificate(format_npz(more), "more"), Error);
  std::filesystem::remove(path);
}

TEST(Certificate, SaysWhatIsWrong) {
  const Network network = random_chain({2, 4, 1}, Rng(7));
  const Property property = property_of(network, cube(2, 1), {at_least(Vector::Ones(1), 1e6)});
  const Certificate good = verified(network, property).certificate.value();
  ASSERT_EQ(objection(network, property, good), "");
  const auto wrong = [&](const auto& change) {
    Certificate c = good;
    change(c);
    return objection(network, property, c);
  };
  EXPECT_EQ(wrong([](Certificate& c) { c.steps.clear(); }), "the steps end before the domain is covered");
  EXPECT_EQ(wrong([](Certificate& c) { c.steps.push_back({}); }), "1 steps after the last case");
  EXPECT_EQ(wrong([](Certificate& c) { c.multipliers.push_back(1); }), "1 multipliers too many");
  EXPECT_EQ(wrong([](Certificate& c) { c.multipliers.clear(); }), "step 0: the multipliers end");
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_EQ(wrong([&](Certificate& c) { c.multipliers[0] = bad; }),
              "step 0: a multiplier that is not ≥ 0 and finite");
  EXPECT_EQ(wrong([](Certificate& c) { c.multipliers[0] = 0; }),
            "step 0: these multipliers do not exclude an unsafe input");
  const auto begins_with = [&](ProofStep step) {
    return wrong([&](Certificate& c) { c.steps.insert(c.steps.begin(), step); });
  };
  using Kind = ProofStep::Kind;
  EXPECT_EQ(begins_with({Kind::kSplit, 0, 2, 0}), "step 0: the network has no input 2");
  EXPECT_EQ(begins_with({Kind::kSplit, 0, 0, 1.5}), "step 0: input 0 is split at 1.5, outside its part");
  EXPECT_EQ(begins_with({Kind::kSplit, 0, 0, std::nan("")}), "step 0: input 0 is split at nan, outside its part");
  EXPECT_EQ(begins_with({Kind::kSplit, 1, 0, 0}), "step 0: no piecewise-linear unit 0 of node 1");
  EXPECT_EQ(begins_with({Kind::kSplit, 2, 4, 0}), "step 0: no piecewise-linear unit 4 of node 2");
  EXPECT_EQ(begins_with({Kind::kCutBelow, 2, 0, 0}), "step 0: no cut of input 0 at 0 in its part");
  EXPECT_EQ(begins_with({Kind::kSplit, 0, 0, 0}), "the steps end before the domain is covered");
  Certificate witness;
  witness.network = good.network;
  witness.property = good.property;
  witness.witness = Eigen::Vector2d(0, 0);
  EXPECT_EQ(objection(network, property, witness), "the witness's output is safe");
  witness.witness = Eigen::Vector2d(0, 1 + 1e-15);
  EXPECT_EQ(objection(network, property, witness), "the witness is outside the domain");
  witness.witness = Vector::Zero(3);
  EXPECT_EQ(objection(network, property, witness), "the witness has 3 numbers; expected 2");
}

// What the referee says of sums of claims is below them at every point of what it entered: cancelling networks, ends of
// the box, and units on the side that was entered.
TEST(Referee, BoundsFromBelow) {
  Rng rng(8);
  double nearest = std::numeric_limits<double>::infinity();
  for (std::uint64_t round = 0; round < 60; ++round) {
    Rng own = rng.split(round);
    const Network network = network_of_every_kind(own.split(3));
    const Index n = network.input_size();
    Referee referee(network, cube(n, 1));
    const Vector middle = own.uniform_vector(n, -0.9, 0.9);
    const Box box(middle - Vector::Constant(n, 0.1), middle + Vector::Constant(n, 0.1));
    ASSERT_TRUE(referee.enter(box, {}, Referee::Ranges(referee.ranges())));
    const Halfspaces outputs(own.normal_matrix(3, network.output_size()), own.normal_vector(3));
    const Halfspaces inputs(own.normal_matrix(1, n), own.normal_vector(1));
    const Matrix weights = own.normal_matrix(5, 4).cwiseAbs();
    const AffineBounds bounds = referee.minorants({outputs, inputs}, weights);
    for (int sample = 0; sample < 50; ++sample) {
      Vector x = own.uniform_vector(n, 0, 1);
      if (sample < 8) x = x.array().round();  // corners
      x = box.lower + x.cwiseProduct(box.upper - box.lower);
      const Vector y = evaluate(network, x);
      Vector claims(4);
      claims << -outputs.slacks(y), -inputs.slacks(x);
      for (Index r = 0; r < 5; ++r) {
        const double value = weights.row(r).dot(claims), size = weights.row(r).dot(claims.cwiseAbs()) + 1;
        const double bound = bounds.slopes.row(r).dot(x) + bounds.constants[r];
        EXPECT_LE(bound, value + 1e-12 * size) << round;
        EXPECT_LE(Referee::least(bounds, r, box), bound + 1e-12 * size);
        nearest = std::min(nearest, (value - bound) / size);
      }
    }
  }
  EXPECT_LT(nearest, 1e-12);  // some box held no break: its bounds are attained
}

// 0.1 + 0.2 − 0.3 > 0 in the doubles' own arithmetic by 2.8e-17, and rounded sums say anything: the charge has to
// cover.
TEST(Referee, ChargesEveryRounding) {
  const Matrix first = (Matrix(3, 1) << 0.1, 0.2, -0.3).finished();
  const Network network = Network::chain({first, Matrix::Ones(1, 3)}, {Vector::Zero(3), Vector::Zero(1)});
  // y = relu(.1 x) + relu(.2 x) + relu(−.3 x): over x ∈ [1, 1] it is fl(.1) + fl(.2).
  Referee referee(network, Box(Vector::Ones(1), Vector::Ones(1)));
  ASSERT_TRUE(referee.enter(Box(Vector::Ones(1), Vector::Ones(1)), {}, Referee::Ranges(referee.ranges())));
  const Halfspaces outputs(Matrix::Constant(1, 1, 1), Vector::Constant(1, 0.1 + 0.2));
  const AffineBounds bounds = referee.minorants({outputs, kNoRows}, Matrix::Ones(1, 1));
  const double least = Referee::least(bounds, 0, Box(Vector::Ones(1), Vector::Ones(1)));
  // fl(.1) + fl(.2) − fl(fl(.1) + fl(.2)) = −2.8e-17, as long doubles say.
  EXPECT_LE(least, static_cast<double>(static_cast<long double>(0.1) + static_cast<long double>(0.2) -
                                       static_cast<long double>(0.1 + 0.2)));
  EXPECT_GT(least, -1e-13);
}

// The affine function itself, at a point and without rounding, is not above the claim it stands for: products of
// matrices whose sums cancel, all units active, so that nothing but rounding is between the two.
TEST(Referee, MinorantsPayForTheProductsOfWeights) {
  Rng rng(9);
  for (std::uint64_t round = 0; round < 40; ++round) {
    Rng own = rng.split(round);
    const Matrix first = own.normal_matrix(8, 6).cwiseAbs(), second = own.normal_matrix(1, 8);
    const Vector x = own.uniform_vector(6, 0.5, 1);
    const Network network = Network::chain({first, second}, {Vector::Zero(8), Vector::Zero(1)});
    Referee referee(network, Box(x, x));
    const AffineBounds bounds =
        referee.minorants({Halfspaces(Matrix::Ones(1, 1), Vector::Zero(1)), kNoRows}, Matrix::Ones(1, 1));
    Dyadic rest;  // y − slope · x − constant
    rest.add(Dyadic(-bounds.constants[0]));
    for (Index j = 0; j < 6; ++j) {
      const Dyadic input(x[j]);
      rest.add_product(-bounds.slopes(0, j), input);
      for (Index i = 0; i < 8; ++i) {
        Dyadic path;
        path.add_product(first(i, j), input);
        rest.add_product(second(0, i), path);
      }
    }
    EXPECT_GE(rest.sign(), 0) << round;
  }
}

// Ten products in a row cost their ten charges also where all of them are about numbers of 1e-312.
TEST(Referee, ChargesDoNotUnderflow) {
  const auto charge = [](int first, int last) {
    NetworkBuilder builder({1});
    int node = builder.add(Dense{Matrix::Constant(4, 1, std::ldexp(1.0, first)), Vector::Zero(4)}, {0});
    for (int layer = 0; layer < 10; ++layer)
      node = builder.add(Dense{Matrix::Constant(4, 4, 0.25), Vector::Zero(4)}, {node});
    node = builder.add(Dense{Matrix::Constant(1, 4, std::ldexp(1.0, last)), Vector::Zero(1)}, {node});
    Referee referee(std::move(builder).build(node), Box(Vector::Ones(1), Vector::Ones(1)));
    return -referee.minorants({Halfspaces(Matrix::Ones(1, 1), Vector::Zero(1)), kNoRows}, Matrix::Ones(1, 1))
                .constants[0];
  };
  EXPECT_GT(charge(-15, 0), 0);
  EXPECT_GE(charge(-1035, 1020), 0.99 * charge(-15, 0));
}

// Parts that are split by the same unit over and over, each with all sides of the one before.
TEST(Certificate, ManySidesAreNoProof) {
  const Network network = random_chain({2, 4, 1}, Rng(7));
  const Property property = property_of(network, cube(2, 1), {at_least(Vector::Ones(1), 1e6)});
  Certificate certificate;
  certificate.network = fingerprint(network);
  certificate.property = fingerprint(property);
  certificate.steps.assign(100'000, {ProofStep::Kind::kSplit, 2, 0, 0});
  EXPECT_EQ(objection(network, property, certificate), "step 1000: a part on more than 1000 sides");
}

TEST(Certificate, TheVerdictStandsWhereTheCheckerSeesOverflow) {
  const Network network = Network::chain({Matrix{{1e251}}, Matrix{{1}}}, {Vector::Zero(1), Vector::Zero(1)});
  const Property property = property_of(network, cube(1, 1), {at_least(Vector::Ones(1), 1e299)});
  const VerifyResult result = verified(network, property);
  EXPECT_EQ(result.verdict, Verdict::kUnsat);
  EXPECT_FALSE(result.certificate);
}

}  // namespace
}  // namespace unrect
