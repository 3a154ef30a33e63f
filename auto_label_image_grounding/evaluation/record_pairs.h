// Pairs the records of two files without holding either in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/jsonl.h"
#include "auto_label_image_grounding/evaluation/evaluation_record.h"

namespace alig {

// An annotation belongs to the truth with the same caption whose image_path is a suffix of its own,
// in whole path components: annotations hold the path as resolved against image_root.
bool is_same_record(const TruthRecord& truth, const PredictedRecord& predicted);

struct PairedRecord {
  TruthRecord truth;
  std::optional<PredictedRecord> predicted;
  std::uint32_t truth_line = 0;
  std::uint32_t predicted_line = 0;  // 0: none
};

struct PairCounts {
  std::int64_t extra = 0;  // predictions without truth
  bool in_order = true;    // predictions with a truth are in its order
};

// Calls `take` for every record of the truth, in its order. Files in the same order are read once,
// side by side; at the first difference the rest of the annotations is indexed (at most 80 bytes
// per record); of several matches, the one with the shortest path is taken. Errors name file and
// line: kNotFound, kIo, kData.
Result<PairCounts> pair_records(const std::filesystem::path& annotations,
                                const std::filesystem::path& truth,
                                const std::function<void(const PairedRecord&)>& take);

}  // namespace alig
