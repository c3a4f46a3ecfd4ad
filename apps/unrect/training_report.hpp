// What trainings are told by: their logs as JSON, as arrays and as pictures.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "picture_files.hpp"
#include "unrect/train/train.hpp"

namespace unrect::cli {

/// What one method made of the task.
struct Run {
  TrainOptions options;
  TrainResult result;
  int epochs() const { return result.log.empty() ? 0 : result.log.back().epoch; }
  Score train, test;
  std::vector<DeadUnits> dead;
};

std::string_view status_text(TrainResult::Status status);

/// An array of the log's lines.
nlohmann::ordered_json json_of(const std::vector<EpochLog>& log);

/// Its columns, .npz.
void write_log(const std::filesystem::path& path, const std::vector<EpochLog>& log);

/// FILE: losses over time; FILE-residuals: how far from optimal and from feasible.
void draw_plots(const PictureName& plot, const std::vector<Run>& runs);

}  // namespace unrect::cli
