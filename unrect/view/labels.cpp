#include "unrect/view/internal/labels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace unrect {
namespace {

bool crosses(const Leader& a, const Leader& b) {
  const auto side = [](const Leader& l, double x, double y) {
    return (l.x1 - l.x0) * (y - l.y0) - (l.y1 - l.y0) * (x - l.x0) > 0;
  };
  return side(a, b.x0, b.y0) != side(a, b.x1, b.y1) && side(b, a.x0, a.y0) != side(b, a.x1, a.y1);
}

// The box reaches over the segment's extent, and over both sides of its line.
bool crosses(const Leader& a, const LabelBox& b) {
  const LabelBox extent{(a.x0 + a.x1) / 2, (a.y0 + a.y1) / 2, std::abs(a.x1 - a.x0) + 1, std::abs(a.y1 - a.y0) + 1};
  const double across = (a.x1 - a.x0) * (b.y - a.y0) - (a.y1 - a.y0) * (b.x - a.x0);
  return overlap(extent, b) &&
         2 * std::abs(across) < std::abs(a.x1 - a.x0) * b.height + std::abs(a.y1 - a.y0) * b.width;
}

bool within(const LabelBox& box, const LabelBox& frame) {
  return 2 * std::abs(box.x - frame.x) + box.width <= frame.width &&
         2 * std::abs(box.y - frame.y) + box.height <= frame.height;
}

}  // namespace

bool overlap(const LabelBox& a, const LabelBox& b) {
  return 2 * std::abs(a.x - b.x) < a.width + b.width && 2 * std::abs(a.y - b.y) < a.height + b.height;
}

Leader leader_to(const LabelBox& label, const LabelBox& placed) {
  return {label.x, label.y, std::clamp(label.x, placed.x - placed.width / 2, placed.x + placed.width / 2),
          std::clamp(label.y, placed.y - placed.height / 2, placed.y + placed.height / 2)};
}

std::vector<LabelBox> place_labels(const std::vector<LabelBox>& labels, const LabelBox& frame) {
  constexpr int kDirections = 32, kRounds = 3;
  constexpr double kNearest = 5, kStep = 4;                      // pixels
  constexpr double kInward = 40, kOnPoint = 12, kCrossing = 40;  // what else costs as much as pixels of distance
  double middle_x = 0, middle_y = 0;
  for (const LabelBox& label : labels) {
    middle_x += label.x / static_cast<double>(labels.size());
    middle_y += label.y / static_cast<double>(labels.size());
  }
  const double farthest = std::hypot(frame.width, frame.height);
  std::vector<LabelBox> placed;
  std::vector<Leader> leaders;
  const auto place = [&](std::size_t self) {
    const LabelBox& label = labels[self];
    const double outward = std::atan2(label.y - middle_y, label.x - middle_x);
    LabelBox best = label;
    double best_cost = std::numeric_limits<double>::infinity();
    for (int ring = 0; kNearest + kStep * ring < std::min(farthest, best_cost); ++ring) {
      const double gap = kNearest + kStep * ring;
      for (int i = 0; i < kDirections; ++i) {
        const double turn = 2 * std::numbers::pi * i / kDirections;
        const double dx = std::cos(outward + turn), dy = std::sin(outward + turn);
        const double reach = gap + (std::abs(dx) * label.width + std::abs(dy) * label.height) / 2;
        const LabelBox box{label.x + dx * reach, label.y + dy * reach, label.width, label.height};
        if (ring == 0 && i == 0) best = box;
        double cost = gap + kInward * (1 - std::cos(turn));
        if (cost >= best_cost || !within(box, frame)) continue;
        const Leader leader = leader_to(label, box);
        bool free = true;
        for (std::size_t k = 0; k < labels.size() && free && cost < best_cost; ++k) {
          if (k == self) continue;
          // On another's point it would seem to name that one.
          if (overlap(box, {labels[k].x, labels[k].y, 4, 4})) cost += kOnPoint;
          if (k >= placed.size()) continue;
          free = !overlap(placed[k], box);
          if (crosses(leader, placed[k]) || crosses(leaders[k], box) || crosses(leader, leaders[k])) cost += kCrossing;
        }
        if (free && cost < best_cost) {
          best_cost = cost;
          best = box;
        }
      }
    }
    return best;
  };
  for (int round = 0; round < kRounds; ++round) {  // after the first, each moves to where the others leave it best
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const LabelBox box = place(i);
      if (round == 0) {
        placed.push_back(box);
        leaders.push_back(leader_to(labels[i], box));
      } else {
        placed[i] = box;
        leaders[i] = leader_to(labels[i], box);
      }
    }
  }
  return placed;
}

}  // namespace unrect
