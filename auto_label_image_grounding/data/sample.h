// A valid input line, with the fields that the pipeline needs extracted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/record.h"

namespace alig {

struct Sample {
  Record record;           // as in the input
  std::string image_path;  // resolved against image_root
  std::string image_id;    // given, or the file name without directory and extension
  std::string caption;
  std::optional<ImageSize> declared_size;
};

// A line of the user's input. kData says which field is missing or of the wrong type.
Result<Sample> read_input_sample(std::string_view line, std::string_view image_root);

// A line of step 0's output as input of step 1: paths are used unchanged.
struct ExtractedSample {
  Sample sample;
  std::vector<std::string> texts;    // of its expressions, in order
  std::optional<RecordError> error;  // from step 0: there is nothing to ground
};
Result<ExtractedSample> read_extracted_sample(std::string_view line);
Result<ExtractedSample> read_extracted_record(const Record& record);

// Joins as Python's os.path.join: an absolute image_path is used as it is.
std::string resolve_image_path(std::string_view image_root, std::string_view image_path);

}  // namespace alig
