// Regions taken down as rows of a partition.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/partition/internal/wall_forms.hpp"
#include "unrect/partition/partition.hpp"

namespace unrect {

/// Takes down regions as they go by.
class RegionRecorder {
 public:
  /// The refinement must outlive the recorder. @throws Error kUnsupported for vertices in more than kFewDimensions, and
  /// for keys where a layer is a maximum.
  RegionRecorder(const Refinement& refinement, const Columns& columns);
  /// Another one of the same kind, that has seen nothing.
  RegionRecorder(const RegionRecorder& other) : RegionRecorder(*other.refinement_, other.columns_) {}
  RegionRecorder& operator=(const RegionRecorder&) = delete;

  void visit(RegionView& region);
  /// What was visited since the last call.
  Partition take();

 private:
  Partition empty() const;

  const Refinement* refinement_;
  std::optional<FacetKeys> keys_;
  std::unique_ptr<WallForms> forms_;  // for keys without incidence
  std::vector<Index> first_unit_;     // of each stage
  Index dimension_, outputs_, units_;
  bool wide_;
  Columns columns_;
  Partition partition_;
};

}  // namespace unrect
