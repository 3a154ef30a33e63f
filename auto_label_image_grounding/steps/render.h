// Annotation lines: the fields of the input, then the results of the steps, with ids numbered in
// order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/data/sample.h"

namespace alig {

// Continues over all lines of a file.
struct IdCounter {
  std::int64_t next_expression = 0;
  std::int64_t next_box = 0;
};

// Step 0's line. With `error`, the record is kept, without expressions.
Record render_extraction(const Sample& sample, const ExtractionResult& result,
                         const std::optional<RecordError>& error, IdCounter& ids);

// Step 1's line from step 0's: expressions keep their ids (each has one), unknown fields and order;
// each gets its instances. With `error`, all instances are empty. A record that failed in step 0
// passes through.
Record render_grounding(Record extracted, const GroundingResult& result,
                        const std::optional<RecordError>& error, IdCounter& ids);

}  // namespace alig
