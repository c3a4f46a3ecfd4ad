#include "unrect/bounds/internal/tournament.hpp"

#include <map>
#include <utility>

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// A sum of units of earlier stages, each once: (stage, unit) and a coefficient of 1 or −1.
using Form = std::map<std::pair<int, Index>, double>;

Form difference(const Form& a, const Form& b) {
  Form out = a;
  for (const auto& [unit, coefficient] : b) {
    if ((out[unit] -= coefficient) == 0) out.erase(unit);
  }
  return out;
}

// A stage whose numbers are these forms.
Stage stage_of(const std::vector<Form>& forms, const Stages& before) {
  Stage stage;
  stage.size = static_cast<Index>(forms.size());
  stage.biases.push_back(Vector::Zero(stage.size));
  std::map<int, std::vector<std::vector<std::pair<Index, double>>>> columns;  // by source: of each unit
  for (Index i = 0; i < stage.size; ++i) {
    for (const auto& [unit, coefficient] : forms[at(i)]) {
      auto& own = columns[unit.first];
      own.resize(at(before[unit.first].units()));
      own[at(unit.second)].emplace_back(i, coefficient);
    }
  }
  for (const auto& [source, own] : columns) {
    Link link;
    link.source = source;
    link.start.push_back(0);
    for (const auto& column : own) {
      for (const auto& [row, coefficient] : column) {
        link.row.push_back(row);
        link.weight.push_back(coefficient);
      }
      link.start.push_back(static_cast<Index>(link.row.size()));
    }
    stage.links.push_back(std::move(link));
  }
  return stage;
}

}  // namespace

Stages without_maxima(const Stages& stages) {
  Stages out;
  const auto rectifier = std::make_shared<const Op>(relu());
  std::vector<int> number;  // of each old stage: where its units are now
  for (int s = 0; s < stages.size(); ++s) {
    Stage& stage = out.stages.emplace_back(stages[s]);
    for (Link& link : stage.links) link.source = number[at(link.source)];
    const auto maxima = stage.activation;  // keeps it alive
    if (stage.maximum() == nullptr) {
      number.push_back(out.size() - 1);
      continue;
    }
    const Maximum& m = std::get<Maximum>(*maxima);
    stage.activation = nullptr;
    stage.layer = -1;
    std::vector<std::vector<Form>> left(at(m.units()));  // who is still in, of each unit
    for (Index unit = 0; unit < m.units(); ++unit) {
      for (Index slot = 0; slot < m.width; ++slot) {
        const Index i = m.index[at(unit * m.width + slot)];
        if (i >= 0) left[at(unit)].push_back({{{out.size() - 1, i}, 1.0}});
      }
    }
    for (;;) {
      std::vector<Form> games;
      for (std::vector<Form>& players : left) {
        for (std::size_t k = 0; k + 1 < players.size(); k += 2) games.push_back(difference(players[k + 1], players[k]));
      }
      if (games.empty()) break;
      Stage round = stage_of(games, out);
      round.activation = rectifier;
      round.layer = 0;
      out.stages.push_back(std::move(round));
      Index game = 0;
      for (std::vector<Form>& players : left) {
        std::vector<Form> winners;
        for (std::size_t k = 0; k < players.size(); k += 2) {
          winners.push_back(std::move(players[k]));
          if (k + 1 < players.size()) winners.back()[{out.size() - 1, game++}] = 1;
        }
        players = std::move(winners);
      }
    }
    std::vector<Form> winners;
    for (std::vector<Form>& players : left) winners.push_back(std::move(players.front()));
    Stage last = stage_of(winners, out);
    out.stages.push_back(std::move(last));
    number.push_back(out.size() - 1);
  }
  return out;
}

}  // namespace unrect
