#include "unrect/verify/vnnlib.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/verify/internal/vnnlib_judge_for_tests.hpp"

namespace unrect {
namespace {

using std::filesystem::path;

// Two inputs and two outputs, the inputs within [-4, 4].
const std::string kTwo =
    "(declare-const X_0 Real)(declare-const X_1 Real)\n(declare-const Y_0 Real)(declare-const Y_1 Real)\n"
    "(assert (and (<= X_0 4) (>= X_0 -4) (<= X_1 4) (>= X_1 -4)))\n";

Property two(const std::string& more) { return parse_vnnlib(kTwo + more, "two"); }

std::string error_of(const std::string& text, ErrorCode code = ErrorCode::kFormat) {
  try {
    parse_vnnlib(text, "p.vnnlib");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 200U) << message;
    EXPECT_TRUE(message.starts_with("p.vnnlib: ")) << message;
    return message.substr(10);
  }
  return "accepted";
}

std::string repeated(const std::string& piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += piece;
  return all;
}

// A random sum over inputs ('X') or outputs ('Y') with small integers: exact in double.
std::string random_sum(Rng& rng, char letter, int depth) {
  switch (rng.below(depth > 0 ? 7 : 3)) {
    case 0:
      return std::to_string(rng.below(9) - 4);
    case 1:
    case 2:
      return fmt::format("{}_{}", letter, rng.below(2));
    case 3:
      return fmt::format("(- {})", random_sum(rng, letter, depth - 1));
    case 4:
      return fmt::format("(- {} {})", random_sum(rng, letter, depth - 1), random_sum(rng, letter, depth - 1));
    case 5:
      return fmt::format("(+ {} {}\n {})", random_sum(rng, letter, depth - 1), random_sum(rng, letter, depth - 1),
                         random_sum(rng, letter, 0));
    default:
      return rng.below(2) == 0 ? fmt::format("(* {} {} 2)", rng.below(5) - 2, random_sum(rng, letter, depth - 1))
                               : fmt::format("(* {} {})", random_sum(rng, letter, depth - 1), rng.below(5) - 2);
  }
}

std::string random_formula(Rng& rng, int depth) {
  if (depth == 0 || rng.below(4) == 0) {
    const char letter = rng.below(2) == 0 ? 'X' : 'Y';
    return fmt::format("({} {} {})", rng.below(2) == 0 ? "<=" : ">=", random_sum(rng, letter, 2),
                       random_sum(rng, letter, 1));
  }
  std::string all = rng.below(2) == 0 ? "(and" : "(or ; one of\n";
  for (Index i = 1 + rng.below(3); i > 0; --i) all += " " + random_formula(rng, depth - 1);
  return all + ")";
}

TEST(Vnnlib, NormalFormsOfRandomFormulasSayWhatTheTextSays) {
  Rng rng(1);
  int unsafe = 0, safe = 0;
  std::size_t most_cases = 0, most_outputs = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text = kTwo;
    for (Index i = 1 + rng.below(2); i > 0; --i) text += "(assert " + random_formula(rng, 3) + ")\n";
    const Property property = parse_vnnlib(text, "random");
    const TextJudge judge(text);
    most_cases = std::max(most_cases, property.cases.size());
    for (const Property::Case& c : property.cases) {
      most_outputs = std::max(most_outputs, c.unsafe_outputs.size());
      EXPECT_TRUE((c.box.lower.array() <= c.box.upper.array()).all());
    }
    for (int k = 0; k < 50; ++k) {
      const Vector x = Vector::NullaryExpr(2, [&] { return static_cast<double>(rng.below(11) - 5); });
      const Vector y = Vector::NullaryExpr(2, [&] { return static_cast<double>(rng.below(11) - 5); });
      const bool expected = judge.is_unsafe(x, y);
      ASSERT_EQ(property.contains(x, y), expected) << text << x.transpose() << " | " << y.transpose();
      ++(expected ? unsafe : safe);
    }
  }
  EXPECT_GT(unsafe, 10'000);
  EXPECT_GT(safe, 10'000);
  EXPECT_GT(most_cases, 10U);
  EXPECT_GT(most_outputs, 5U);
}

TEST(Vnnlib, ConstantsStandOnEitherSide) {
  const Property::Case c = two("(assert (<= -1 X_0))(assert (>= 2 X_0))(assert (<= (* 4 X_1) 1.0))").cases.at(0);
  EXPECT_EQ(c.box.lower, Vector::Map(std::vector<double>{-1, -4}.data(), 2));
  EXPECT_EQ(c.box.upper, Vector::Map(std::vector<double>{2, 0.25}.data(), 2));
}

TEST(Vnnlib, RowsOverSeveralVariablesAreHalfspaces) {
  const Property property = two("(assert (<= (+ X_0 (* 2 X_1) 3) 5))(assert (>= Y_0 (- Y_1 0.5)))");
  ASSERT_EQ(property.cases.size(), 1U);
  const Property::Case& c = property.cases[0];
  EXPECT_EQ(c.input_rows.normals, (Matrix(1, 2) << 1, 2).finished());
  EXPECT_EQ(c.input_rows.offsets, Vector::Constant(1, 2));
  ASSERT_EQ(c.unsafe_outputs.size(), 1U);
  EXPECT_EQ(c.unsafe_outputs[0].normals, (Matrix(1, 2) << -1, 1).finished());
  EXPECT_EQ(c.unsafe_outputs[0].offsets, Vector::Constant(1, 0.5));
}

TEST(Vnnlib, TermsWithTheSameInputsShareACase) {
  const std::string left = "(<= X_0 0) (<= X_1 1)", swapped = "(<= X_1 1) (<= X_0 0)", right = "(>= X_0 1)";
  const Property property = two(
      fmt::format("(assert (or (and {} (<= Y_0 0)) (and {} (<= Y_0 1)) (and {} (<= Y_0 2))))", left, right, swapped));
  ASSERT_EQ(property.cases.size(), 2U);
  EXPECT_EQ(property.cases[0].box.upper[0], 0);
  ASSERT_EQ(property.cases[0].unsafe_outputs.size(), 2U);
  EXPECT_EQ(property.cases[0].unsafe_outputs[1].offsets[0], 2);
  EXPECT_EQ(property.cases[1].box.lower[0], 1);
  EXPECT_EQ(property.cases[1].unsafe_outputs.size(), 1U);
}

TEST(Vnnlib, EmptyBoxesAndFalseRowsLeaveNoCase) {
  EXPECT_EQ(two("(assert (or (<= X_0 -5) (>= X_0 3)))").cases.size(), 1U);
  EXPECT_TRUE(two("(assert (<= X_0 -5))").cases.empty());
  EXPECT_EQ(two("(assert (<= X_0 -5))").contradiction, "X_0 ≥ -4 and X_0 ≤ -5");
  EXPECT_EQ(two("").contradiction, "");
  EXPECT_TRUE(two("(assert (<= 1 0))").cases.empty());
  EXPECT_EQ(two("(assert (or (<= 1 0) (<= X_0 X_0)))").cases.size(), 1U);
  // Without a word on outputs all of them are unsafe.
  const Property property = two("");
  ASSERT_EQ(property.cases.at(0).unsafe_outputs.size(), 1U);
  EXPECT_TRUE(property.contains(Vector::Zero(2), Vector::Constant(2, 1e9)));
  EXPECT_EQ(intersect(Halfspaces(property.cases[0].box), property.cases[0].input_rows).size(), 4);
  EXPECT_THROW(property.contains(Vector::Zero(3), Vector::Zero(2)), Error);
}

TEST(Vnnlib, NumbersAreTheNearestDoubles) {
  for (const char* digits : {"0.1", "-0.3035311560987654321", "1e-05", "4.9e-324", "1.7976931348623157e308", "5",
                             "9007199254740993", "0.029999999329447746", "2.2250738585072011e-308"}) {
    const Property property = two(fmt::format("(assert (<= Y_0 {}))", digits));
    EXPECT_EQ(property.cases.at(0).unsafe_outputs.at(0).offsets[0], std::strtod(digits, nullptr)) << digits;
  }
}

// A bound that no double is stays a row, and the box holds it.
TEST(Vnnlib, BoundsThatAreNoDoublesAreRows) {
  const Property::Case third = two("(assert (<= (* 3 X_0) 1))(assert (>= (* 3 X_0) 1))").cases.at(0);
  EXPECT_EQ(third.input_rows.normals, (Matrix(2, 2) << 3, 0, -3, 0).finished());
  EXPECT_EQ(third.input_rows.offsets, (Vector(2) << 1, -1).finished());
  EXPECT_EQ(third.box.upper[0], std::nextafter(1.0 / 3, 1));
  EXPECT_EQ(third.box.lower[0], std::nextafter(1.0 / 3, 0));
  for (const char* exact : {"(<= (* 3 X_0) 1.5)", "(<= (* 0.1 X_0) 0.2)", "(<= (* -4 X_0) 0.3)", "(<= (* 7 X_0) 0)",
                            "(>= (- X_0) 4.9e-324)", "(<= (* 3 X_0) 900719925474099)"}) {
    EXPECT_EQ(two(fmt::format("(assert {})", exact)).cases.at(0).input_rows.size(), 0) << exact;
  }
  for (const char* rounded : {"(<= (* 3 X_0) 1e-300)", "(<= (* 0.1 X_0) 0.3)", "(>= (* -3 X_0) 1)",
                              "(<= (* 1e300 X_0) 1e-300)", "(<= (* 3 X_0) 1.0000000000000002)"}) {
    EXPECT_EQ(two(fmt::format("(assert {})", rounded)).cases.at(0).input_rows.size(), 1) << rounded;
  }
}

TEST(Vnnlib, VariablesThatTheNetworkHasNotAreNamed) {
  const auto refusal = [](NetworkSizes sizes, const std::string& more = "") {
    try {
      const Property property = parse_vnnlib("(declare-const Y_2 Real)\n" + kTwo + more, "p.vnnlib", sizes);
      return fmt::format("{} inputs, {} outputs", property.inputs, property.outputs);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refusal({}), "2 inputs, 3 outputs");
  EXPECT_EQ(refusal({2, 3}), "2 inputs, 3 outputs");
  EXPECT_EQ(refusal({2, 5}), "2 inputs, 5 outputs");
  EXPECT_EQ(refusal({2, 2}), "p.vnnlib: line 1: 'Y_2' is not there, the network has 2 outputs");
  EXPECT_EQ(refusal({1, 3}), "p.vnnlib: line 2: 'X_1' is not there, the network has 1 inputs");
  EXPECT_EQ(refusal({3, 3}), "p.vnnlib: X_2 is not declared, the network has 3 inputs");
}

TEST(Vnnlib, VariablesComeInAnyOrderAndLayout) {
  const std::string text =
      "\t;(assert nothing)\r\n(declare-const Y_0 Real);c\r\n(\ndeclare-const X_1 Real)(declare-const X_0\n;x\nReal)"
      "(assert(and(<= X_0 1)(<= X_1 2)\r\n(>= X_0 0)(>= X_1 0)))(assert(<= Y_0 X_1))";
  EXPECT_EQ(error_of(text, ErrorCode::kUnsupported), "line 7: '<=' relates inputs to outputs, expected either alone");
  const Property property = parse_vnnlib(text.substr(0, text.rfind("(assert")), "p");
  EXPECT_EQ(property.inputs, 2);
  EXPECT_EQ(property.outputs, 1);
  EXPECT_EQ(property.cases.at(0).box.upper, Vector::LinSpaced(2, 1, 2));
}

TEST(Vnnlib, BadFilesAreRefusedInOneLine) {
  const auto wrong = [](const std::string& more) { return error_of(kTwo + more); };
  EXPECT_EQ(error_of(""),
            "line 1: X_0 is not declared, expected inputs X_i and outputs Y_i numbered from 0 without gaps");
  EXPECT_EQ(error_of("(declare-const X_0 Real)\n(declare-const X_2 Real)\n"),
            "line 3: X_1 is not declared, expected inputs X_i and outputs Y_i numbered from 0 without gaps");
  EXPECT_EQ(error_of("(declare-const X_999999999999 Real)"),
            "line 1: 'X_999999999999', expected X_i or Y_i, each numbered from 0 without gaps");
  for (const char* name : {"X_99999999999999999999", "X_", "X_-1", "X_01", "X_1x", "Z_0", "X_0_0", "x_0", "|X_2|"}) {
    EXPECT_NE(wrong(fmt::format("(declare-const {} Real)", name)).find("expected X_i or Y_i"), std::string::npos)
        << name;
  }
  EXPECT_EQ(wrong("(declare-const X_0 Real)"), "line 4: 'X_0', expected each variable declared once");
  EXPECT_EQ(wrong("(declare-const X_2 Int)"), "line 4: 'Int', expected 'Real'");
  EXPECT_EQ(wrong("\n(assert (<= Y_2 0))"), "line 5: 'Y_2', expected a variable declared before");
  EXPECT_EQ(wrong("(check-sat)"), "line 4: 'check-sat', expected declare-const or assert");
  EXPECT_EQ(wrong("(assert (<= Y_0 0)"), "line 4: the end of the file, expected ')'");
  EXPECT_EQ(wrong("(assert (<= Y_0 0)))"), "line 4: ')', expected '('");
  EXPECT_EQ(wrong("(assert (<= Y_0 0 1))"), "line 4: '1', expected ')'");
  EXPECT_EQ(wrong("(assert (< Y_0 0))"), "line 4: '<', expected <=, >=, and, or");
  EXPECT_EQ(wrong("(assert (not (<= Y_0 0)))"), "line 4: 'not', expected <=, >=, and, or");
  EXPECT_EQ(wrong("(assert (and))"), "line 4: ')', expected '('");
  EXPECT_EQ(wrong("(assert Y_0)"), "line 4: 'Y_0', expected '('");
  EXPECT_EQ(wrong("(assert (<= (* Y_0 Y_1) 0))"), "line 4: '*', expected one factor with variables at most");
  EXPECT_EQ(wrong("(assert (<= (/ Y_0 2) 0))"), "line 4: '/', expected +, - or *");
  for (const char* number :
       {"nan", "inf", "-inf", "infinity", "1e999", "0x10", "1.5.2", "1,5", "--1", "+1", "-", "1e"}) {
    EXPECT_EQ(wrong(fmt::format("(assert (<= Y_0 {}))", number)),
              fmt::format("line 4: '{}', expected a finite number, X_i, Y_i or '('", number));
  }
  EXPECT_EQ(wrong("(assert (<= Y_0 (* 1e300 1e300)))"),
            "line 4: '<=', expected an inequality with finite coefficients");
  EXPECT_NE(wrong("(assert (<= Y_0 (* 0 1e300 1e300 1e300)))").find("accepted"), std::string::npos);
  EXPECT_NE(wrong("(assert (<= (* 1e300 1e300 0 Y_0) 1))").find("finite coefficients"), std::string::npos);
  EXPECT_NE(wrong("(\x1b[31m\xff" + std::string(1000, 'a') + " x)").find("'?[31m?aaaa"), std::string::npos);
}

TEST(Vnnlib, AnInputWithoutABoundIsNamed) {
  const std::string declared = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n";
  const std::string first = "(assert (and (<= X_0 1) (<= 0 X_0)))\n";
  EXPECT_EQ(error_of(declared + first + "(assert (<= X_1 1))"),
            "line 2: X_1 has no finite lower bound, expected every input bounded on both sides");
  EXPECT_EQ(error_of(declared + first + "(assert (or (>= X_1 0) (and (>= X_1 2) (<= X_1 3))))"),
            "line 2: X_1 has no finite upper bound, expected every input bounded on both sides");
}

TEST(Vnnlib, CutFilesAreRefusedUnlessNothingIsBegun) {
  const std::string text = kTwo + "(assert (or (and (<= Y_0 1.5) (>= Y_1 (+ Y_0 (* 2 Y_1)))) (<= X_0 -1))) ; done\n";
  int open = 0;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    if (size > 0) open += (text[size - 1] == '(') - (text[size - 1] == ')');
    const bool whole = open == 0 && size + 1 >= kTwo.size();  // the inputs are bounded, nothing is begun
    EXPECT_EQ(error_of(text.substr(0, size)) == "accepted", whole) << text.substr(0, size);
  }
}

TEST(Vnnlib, DeepNestingIsRefused) {
  EXPECT_EQ(error_of(std::string(1'000'000, '(')), "line 1: '(', expected declare-const or assert");
  EXPECT_EQ(error_of(kTwo + "(assert " + std::string(1'000'000, '(')), "line 4: '(', expected <=, >=, and, or");
  for (const std::string& open : {"(assert " + repeated("(and", 1'000'000), "(assert " + repeated("(or ", 1'000'000),
                                  "(assert (<= " + repeated("(- ", 1'000'000)}) {
    EXPECT_EQ(error_of(kTwo + open), "line 4: nested deeper than 1000, expected less");
  }
  const auto nested = [](int depth) {
    return "(assert " + repeated("(or (<= Y_0 1) (and (<= Y_1 1) ", depth) + "(<= Y_0 0)" + repeated("))", depth) + ")";
  };
  const Property property = two(nested(450));
  ASSERT_EQ(property.cases.size(), 1U);
  EXPECT_EQ(property.cases[0].unsafe_outputs.size(), 451U);
}

TEST(Vnnlib, DisjunctionsMultiplyUpToALimit) {
  const std::string choice = "(assert (or (<= Y_0 1) (<= Y_1 1)))\n";
  EXPECT_EQ(two(repeated(choice, 10)).cases.at(0).unsafe_outputs.size(), 1024U);
  EXPECT_EQ(error_of(kTwo + repeated(choice, 64)), "line 20: a disjunction of 131072 cases, expected at most 100000");
  EXPECT_EQ(error_of(kTwo + "(assert (or" + repeated("\n(<= Y_0 0)", 100'001) + "))"),
            "line 100005: a disjunction of 100001 cases, expected at most 100000");
  // Few cases, each of very many rows.
  const std::string many = "(and" + repeated("(<= Y_0 0)", 3000) + ")";
  const std::string either = "(assert (or " + many + many + "))";
  EXPECT_NE(error_of(kTwo + repeated(either, 14)).find("numbers, expected fewer"), std::string::npos);
  // The common bounds are kept once however many cases there are.
  std::string wide = "(declare-const Y_0 Real)(assert (or" + repeated("(<= Y_0 0)", 10'000) + "))";
  for (int i = 0; i < 10'000; ++i) {
    wide += fmt::format("(declare-const X_{0} Real)(assert (and (<= X_{0} 1) (>= X_{0} 0)))\n", i);
  }
  const Property property = parse_vnnlib(wide, "wide");
  ASSERT_EQ(property.cases.size(), 1U);
  EXPECT_EQ(property.cases[0].unsafe_outputs.size(), 10'000U);
}

TEST(Vnnlib, FilesAreReadPlainOrCompressed) {
  const path folder = std::filesystem::temp_directory_path() / fmt::format("unrect_vnnlib_test_{}", ::getpid());
  std::filesystem::create_directories(folder);
  const path plain = folder / "p.vnnlib", packed = folder / "p.vnnlib.gz";
  write_file(plain, kTwo);
  gzFile file = gzopen(packed.c_str(), "wb");
  gzwrite(file, kTwo.data(), static_cast<unsigned>(kTwo.size()));
  gzclose(file);
  EXPECT_EQ(read_vnnlib(plain).cases.at(0).box.upper, Vector::Constant(2, 4));
  EXPECT_EQ(read_vnnlib(packed).cases.at(0).box.upper, Vector::Constant(2, 4));
  write_file(packed, read_file(packed).substr(0, 30));
  EXPECT_THROW(read_vnnlib(packed), Error);
  for (const path& wrong : {folder, folder / "missing.vnnlib"}) {
    try {
      read_vnnlib(wrong);
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFile) << error.what();
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace unrect
