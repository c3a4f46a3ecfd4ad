#include "unrect/polytope/mip.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// min −2 a + b, 1/3 a + b = 1, a − 10 c ≤ 0, 0 ≤ a ≤ 4, b free, c 0 or 1.
Mip example() {
  Mip mip;
  mip.remarks = {"an example"};
  const int a = mip.add("a", 0, 4, -2);
  const int b = mip.add("b", -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity(), 1);
  const int c = mip.add("c", 0, 1, 0, true);
  mip.rows.push_back({"sum", {{a, 1.0 / 3}, {b, 1}}, true, 1});
  mip.rows.push_back({"on", {{a, 1}, {c, -10}}, false, 0});
  return mip;
}

TEST(Mip, FilesNameEverythingAndKeepEveryDigit) {
  EXPECT_EQ(format_lp(example()),
            "\\ an example\nMinimize\n cost: -2 a +1 b +0 c\nSubject To\n sum: +0.3333333333333333 a +1 b = 1\n"
            " on: +1 a -10 c <= 0\nBounds\n 0 <= a <= 4\n -inf <= b <= +inf\n 0 <= c <= 1\nGeneral\n c\nEnd\n");
  EXPECT_EQ(format_mps(example()),
            "* an example\nNAME unrect FREE\nROWS\n N cost\n E sum\n L on\nCOLUMNS\n a cost -2\n"
            " a sum 0.3333333333333333\n a on 1\n b cost 1\n b sum 1\n marker_2 'MARKER' 'INTORG'\n c cost 0\n"
            " c on -10\n marker_end 'MARKER' 'INTEND'\nRHS\n rhs sum 1\nBOUNDS\n LO bound a 0\n UP bound a 4\n"
            " MI bound b\n LO bound c 0\n UP bound c 1\nENDATA\n");
  EXPECT_EQ(example().entries(), 4);
  EXPECT_THROW(write_mip("problem.txt", example()), Error);
}

TEST(Mip, LinesStayShort) {
  Mip mip;
  mip.rows.push_back({"row", {}, true, 0});
  for (int v = 0; v < 500; ++v) mip.rows[0].terms.emplace_back(mip.add("x_" + std::to_string(v), 0, 1), 1.0 / (v + 3));
  const std::string text = format_lp(mip);
  std::size_t longest = 0, begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin))
    longest = std::max(longest, end - begin);
  EXPECT_LE(longest, 255U);
}

TEST(Mip, ResidualsOfRows) {
  const Vector r = row_residuals(example(), Vector{{3, 0.5, 0}});
  EXPECT_DOUBLE_EQ(r[0], 0.5);
  EXPECT_EQ(r[1], 3);
  EXPECT_EQ(row_residuals(example(), Vector{{3, 0, 1}}), Vector::Zero(2));
  EXPECT_THROW(row_residuals(example(), Vector::Zero(2)), Error);
}

TEST(Mip, ReadsSolutionsOfCbcAndGlpk) {
  const MipSolution cbc = parse_mip_solution(
      "Optimal - objective value -7.5\n      0 a          3.75          0\n**    2 c   1   0.5\n", "answer", example());
  EXPECT_EQ(cbc.status, "Optimal");
  EXPECT_EQ(cbc.values, (Vector{{3.75, 0, 1}}));
  const MipSolution glpk = parse_mip_solution(
      "c Problem:\nc\ns mip 2 3 f -7.5\ni 1 1\ni 2 0\nj 1 3.75\nj 2 -0.25\nj 3 1\ne o f\n", "answer", example());
  EXPECT_EQ(glpk.status, "Feasible");
  EXPECT_EQ(glpk.values, (Vector{{3.75, -0.25, 1}}));
  const MipSolution basis = parse_mip_solution(
      "c Problem:\ns bas 2 3 f f -7.5\ni 1 s 1 0\ni 2 b 0 0\nj 1 u 4 0\nj 2 b -0.25 0\nj 3 b 1 0\ne o f\n", "answer",
      example());
  EXPECT_EQ(basis.status, "Optimal");
  EXPECT_EQ(basis.values, (Vector{{4, -0.25, 1}}));
}

TEST(Mip, RefusesWhatIsNoSolution) {
  const std::string glpk = "c x\ns mip 2 3 o 0\n";
  for (const std::string& text :
       {std::string(), std::string("hello\n"), std::string("Optimal - objective value 1\n 0 other 1 0\n"),
        std::string("Optimal - objective value 1\n 0 a nan 0\n"), std::string("Optimal - objective value 1\n 0 a\n"),
        glpk, glpk + "j 1 0\nj 2 0\ne o f\n", glpk + "j 1 0\nj 2 0\nj 4 0\ne o f\n",
        glpk + "j 1 0\nj 1 0\nj 3 0\ne o f\n", glpk + "j 1 0\nj 2 0\nj 3 x\ne o f\n",
        std::string("c x\ns mip 2 4 o 0\n"), std::string("c x\nj 1 0\n"), std::string("c x\ns other 2 3 o 0\n")})
    EXPECT_THROW(parse_mip_solution(text, "answer", example()), Error) << text;
}

}  // namespace
}  // namespace unrect
