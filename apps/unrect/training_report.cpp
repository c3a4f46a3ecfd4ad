#include "training_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "unrect/base/array.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

std::string_view status_text(TrainResult::Status status) {
  switch (status) {
    case TrainResult::Status::kDone:
      return "done";
    case TrainResult::Status::kStoppedEarly:
      return "stopped early";
    case TrainResult::Status::kDiverged:
      return "diverged";
    case TrainResult::Status::kUnconverged:
      return "not converged";
    default:
      return "cancelled";
  }
}

nlohmann::ordered_json json_of(const std::vector<EpochLog>& log) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (const EpochLog& line : log) {
    lines.push_back({{"epoch", line.epoch},
                     {"train_loss", line.train_loss},
                     {"validation_loss", line.validation_loss},
                     {"gradient_norm", line.gradient_norm},
                     {"infeasibility", line.infeasibility},
                     {"rate", line.rate},
                     {"seconds", line.seconds}});
  }
  return lines;
}

namespace {

struct Curve {
  double EpochLog::*field;
  std::string_view name;
  bool dashed;
};

// Columns of the logs over time, a colour a method; on a logarithmic axis, so zeros are left out.
void draw_logs(const PictureName& name, const std::vector<Run>& runs, const std::string& title,
               const std::string& label, const std::vector<Curve>& curves) {
  FigureOptions look;
  look.title = title;
  look.x.label = "seconds";
  look.y.label = label;
  look.y.log = true;
  Figure figure(look);
  bool empty = true;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    for (const Curve& curve : curves) {
      Matrix points(static_cast<Index>(runs[r].result.log.size()), 2);
      Index count = 0;
      for (const EpochLog& line : runs[r].result.log) {
        if (line.*curve.field > 0) points.row(count++) << line.seconds, line.*curve.field;
      }
      if (count < 2) continue;
      LineStyle style;
      style.color = categorical(r);
      style.dashed = curve.dashed;
      style.name = fmt::format("{}, {}", name_of(runs[r].options.method), curve.name);
      figure.polyline(points.topRows(count), style);
      empty = false;
    }
  }
  if (!empty) name.save(figure);
}

}  // namespace

void draw_plots(const PictureName& plot, const std::vector<Run>& runs) {
  draw_logs(plot, runs, "Loss while training", "mean loss a sample",
            {{&EpochLog::train_loss, "training", false}, {&EpochLog::validation_loss, "held out", true}});
  draw_logs(plot.with("-residuals"), runs, "Residuals while training", "residual",
            {{&EpochLog::gradient_norm, "gradient of the true loss", false},
             {&EpochLog::infeasibility, "infeasibility max |c|", true}});
}

void write_log(const std::filesystem::path& path, const std::vector<EpochLog>& log) {
  const auto column = [&](double EpochLog::*field) {
    Vector values(static_cast<Index>(log.size()));
    for (std::size_t i = 0; i < log.size(); ++i) values[static_cast<Index>(i)] = log[i].*field;
    return Array::from(values);
  };
  write_npz(path, {{"train_loss", column(&EpochLog::train_loss)},
                   {"validation_loss", column(&EpochLog::validation_loss)},
                   {"gradient_norm", column(&EpochLog::gradient_norm)},
                   {"infeasibility", column(&EpochLog::infeasibility)},
                   {"rate", column(&EpochLog::rate)},
                   {"seconds", column(&EpochLog::seconds)}});
}

}  // namespace unrect::cli
