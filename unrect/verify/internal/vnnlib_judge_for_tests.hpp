// A property once more, by other means.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// Judges asserts one point at a time as the text says, without any normal form.
class TextJudge {
 public:
  explicit TextJudge(const std::string& text) {
    std::istringstream lines(text);
    std::string spaced;
    for (std::string line; std::getline(lines, line);) {
      for (const char c : line.substr(0, line.find(';')) + "\n") {
        spaced += c == '(' || c == ')' ? fmt::format(" {} ", c) : std::string(1, c);
      }
    }
    std::istringstream words(spaced);
    for (std::string word; words >> word;) asserts_.push_back(parse(word, words));
  }

  bool is_unsafe(const Vector& x, const Vector& y) const {
    return std::all_of(asserts_.begin(), asserts_.end(),
                       [&](const Node& node) { return node.args[0].word != "assert" || truth(node.args[1], x, y); });
  }

 private:
  struct Node {
    std::string word;
    double number = 0;
    std::vector<Node> args;  // of a list: the operator, too
  };

  static Node parse(const std::string& word, std::istream& words) {
    Node node{word, std::strtod(word.c_str(), nullptr), {}};
    if (word == "(") {
      for (std::string next; words >> next && next != ")";) node.args.push_back(parse(next, words));
    }
    return node;
  }

  static bool truth(const Node& node, const Vector& x, const Vector& y) {
    const auto is_true = [&](const Node& arg) { return truth(arg, x, y); };
    const std::string& op = node.args[0].word;
    if (op == "and") return std::all_of(node.args.begin() + 1, node.args.end(), is_true);
    if (op == "or") return std::any_of(node.args.begin() + 1, node.args.end(), is_true);
    const double left = value(node.args[1], x, y), right = value(node.args[2], x, y);
    return op == "<=" ? left <= right : left >= right;
  }

  static double value(const Node& node, const Vector& x, const Vector& y) {
    if (node.word[0] == 'X') return x[std::stol(node.word.substr(2))];
    if (node.word[0] == 'Y') return y[std::stol(node.word.substr(2))];
    if (node.word != "(") return node.number;
    const std::string& op = node.args[0].word;
    double result = value(node.args[1], x, y);
    if (op == "-" && node.args.size() == 2) return -result;
    for (std::size_t i = 2; i < node.args.size(); ++i) {
      const double arg = value(node.args[i], x, y);
      result = op == "+" ? result + arg : op == "-" ? result - arg : result * arg;
    }
    return result;
  }

  std::vector<Node> asserts_;
};

}  // namespace unrect
