// Properties of real networks, where there are any: the cases of their files, and the regions in their boxes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <string>

#include "unrect/base/file.hpp"
#include "unrect/base/internal/data_folder.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/verify/internal/vnnlib_judge_for_tests.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {
namespace {

using std::filesystem::path;

class RealProperties : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(folder_)) GTEST_SKIP() << "no real properties at " << folder_;
  }

  Property read(const std::string& name) const { return read_vnnlib(folder_ / name); }

  path folder_ = data_folder() / "onnx";
};

TEST_F(RealProperties, AcasBoxesAreTheNumbersOfTheFiles) {
  const Property three = read("acasxu/prop_3.vnnlib"), four = read("acasxu/prop_4.vnnlib");
  for (const Property& property : {three, four}) {
    EXPECT_EQ(property.inputs, 5);
    EXPECT_EQ(property.outputs, 5);
    ASSERT_EQ(property.cases.size(), 1U);
    EXPECT_EQ(property.cases[0].input_rows.size(), 0);
    EXPECT_EQ(property.cases[0].input_rows.dimension(), 5);
    ASSERT_EQ(property.cases[0].unsafe_outputs.size(), 1U);
    Matrix normals = -Matrix::Identity(5, 5).bottomRows(4);
    normals.col(0).setOnes();
    EXPECT_EQ(property.cases[0].unsafe_outputs[0].normals, normals);
    EXPECT_EQ(property.cases[0].unsafe_outputs[0].offsets, Vector::Zero(4));
  }
  EXPECT_EQ(three.cases[0].box.lower, (Vector(5) << -0.303531156, -0.009549297, 0.493380324, 0.3, 0.3).finished());
  EXPECT_EQ(three.cases[0].box.upper, (Vector(5) << -0.298552812, 0.009549297, 0.5, 0.5, 0.5).finished());
  const Box& box = four.cases[0].box;
  EXPECT_EQ(box.lower, (Vector(5) << -0.303531156, -0.009549297, 0, 0.318181818, 0.083333333).finished());
  EXPECT_EQ(box.upper, (Vector(5) << -0.298552812, 0.009549297, 0, 0.5, 0.166666667).finished());
  EXPECT_FALSE(std::signbit(box.lower[2]));
}

TEST_F(RealProperties, DisjunctionsHaveTheCasesOfTheFiles) {
  const auto shape = [&](const char* name) {
    std::string text;
    for (const Property::Case& c : read(name).cases) {
      text += fmt::format("box of {}, {} rows:", c.box.dimension(), c.input_rows.size());
      for (const Halfspaces& unsafe : c.unsafe_outputs) text += fmt::format(" {}", unsafe.size());
      text += "; ";
    }
    return text;
  };
  EXPECT_EQ(shape("acasxu/prop_1.vnnlib"), "box of 5, 0 rows: 1; ");
  EXPECT_EQ(shape("acasxu/prop_6.vnnlib"), "box of 5, 0 rows: 1 1 1 1; box of 5, 0 rows: 1 1 1 1; ");
  EXPECT_EQ(shape("acasxu/prop_7.vnnlib"), "box of 5, 0 rows: 3 3; ");
  EXPECT_EQ(shape("acasxu/prop_8.vnnlib"), "box of 5, 0 rows: 2 2 2; ");
  EXPECT_EQ(shape("control/cartpole_case_safe_14.vnnlib"), "box of 4, 0 rows: 1; ");
  EXPECT_EQ(shape("control/dubinsrejoin_case_safe_10.vnnlib"), "box of 8, 0 rows: 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6; ");
  EXPECT_EQ(shape("control/robot_0.vnnlib"), "box of 5, 0 rows: 5; ");
  EXPECT_EQ(shape("mnistfc/prop_0_0.03.vnnlib"), "box of 784, 0 rows: 1 1 1 1 1 1 1 1 1; ");
  EXPECT_EQ(shape("tll/property_N=16_0.vnnlib"), "box of 2, 0 rows: 1; ");
  const Property six = read("acasxu/prop_6.vnnlib");
  EXPECT_EQ(six.cases[0].box.lower[1], 0.11140846);
  EXPECT_EQ(six.cases[1].box.upper[1], -0.11140846);
  const Property digit = read("mnistfc/prop_0_0.03.vnnlib");
  EXPECT_EQ(digit.cases[0].box.upper[783], 0.029999999329447746);
  EXPECT_EQ(digit.cases[0].unsafe_outputs[0].normals.row(0), (Vector::Unit(10, 8) - Vector::Unit(10, 0)).transpose());
}

TEST_F(RealProperties, SayWhatTheirTextSays) {
  Rng rng(1);
  int files = 0, unsafe = 0, safe = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
    if (entry.path().extension() != ".vnnlib") continue;
    ++files;
    const Property property = read_vnnlib(entry.path());
    const TextJudge judge(read_file(entry.path()));
    for (int k = 0; k < 500; ++k) {
      const Box& box = property.cases[rng.below(static_cast<Index>(property.cases.size()))].box;
      // Corners and their neighbours, too.
      const Vector x = Vector::NullaryExpr(property.inputs, [&](Index i) {
        const Index choice = rng.below(20 * property.inputs);
        if (choice == 0) return std::nextafter(box.lower[i], -1e9);
        if (choice == 1) return std::nextafter(box.upper[i], 1e9);
        return choice % 3 == 0   ? box.lower[i]
               : choice % 3 == 1 ? box.upper[i]
                                 : rng.uniform(box.lower[i], box.upper[i]);
      });
      const double spread = std::pow(10, rng.uniform(-2, 1));
      const Vector y = Vector::NullaryExpr(property.outputs, [&] { return spread * rng.normal(); });
      const bool expected = judge.is_unsafe(x, y);
      ASSERT_EQ(property.contains(x, y), expected) << entry.path();
      ++(expected ? unsafe : safe);
    }
  }
  EXPECT_GE(files, 29);
  EXPECT_GT(unsafe, 500);
  EXPECT_GT(safe, 500);
  std::cout << files << " files, " << unsafe << " unsafe points, " << safe << " safe ones\n";
}

// Regions of collision-avoidance networks in the boxes of their properties, as they were counted before.
TEST_F(RealProperties, HaveTheRegionsThatAreKnown) {
  struct Known {
    const char* network;
    int property;
    std::uint64_t regions;
  };
  Context context;
  context.threads = 2;
  for (const Known& known : {Known{"1_1", 3, 71930},
                             {"1_1", 4, 19143},
                             {"1_2", 3, 40273},
                             {"2_1", 3, 16382},
                             {"3_3", 3, 7935},
                             {"1_1", 2, 39835}}) {
    const path file = folder_ / "acasxu" / fmt::format("ACASXU_run2a_{}_batch_2000.onnx", known.network);
    const Property property = read(fmt::format("acasxu/prop_{}.vnnlib", known.property));
    ASSERT_FALSE(property.cases.empty());
    const Refinement refinement(read_network(file), Domain(property.cases[0].box));
    EXPECT_EQ(count_regions(refinement, context).regions, known.regions) << known.network << ", " << known.property;
  }
}

}  // namespace
}  // namespace unrect
