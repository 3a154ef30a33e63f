#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "auto_label_image_grounding/data/add_fields.h"
#include "auto_label_image_grounding/data/step.h"

namespace alig {

// Outcomes of the records of a run.
struct RecordCounts {
  std::int64_t done = 0;  // without an error
  std::int64_t failed = 0;
  PerStep<std::int64_t> failed_in;
  std::map<std::string, std::int64_t> failures_by_kind;  // including bad lines
  std::int64_t expressions = 0;
  std::int64_t boxes = 0;

  RecordCounts& operator+=(const RecordCounts& other) { return add_fields(*this, other); }
  template <typename Self>
  static auto fields_of(Self& self) {
    auto& [done, failed, failed_in, failures_by_kind, expressions, boxes] = self;
    return std::tie(done, failed, failed_in, failures_by_kind, expressions, boxes);
  }
};

}  // namespace alig
