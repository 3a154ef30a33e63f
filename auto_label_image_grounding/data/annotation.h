// The pipeline's results for a record. Plain values; no behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/bounding_box.h"
#include "auto_label_image_grounding/data/char_span.h"
#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/image/image_size.h"

namespace alig {

struct Instance {
  BoundingBox bbox;
  double score = 0;  // in [0,1]
};

struct Expression {
  std::string text;
  std::optional<CharSpan> char_span;  // absent: the text is not in the cleaned caption
  std::string noun_chunk;
};

// Why a record has no result for a step.
struct RecordError {
  Step step = Step::kExtraction;
  std::string kind;  // e.g. "image", "refused", "rate_limited": counted in summary.json
  std::string message;
  int http_status = 0;  // of the last answer; 0 = none
  int attempts = 0;     // requests sent for it
};

struct ExtractionResult {  // step 0
  std::string cleaned_caption;
  std::vector<Expression> expressions;
  std::optional<ImageSize> size;
  bool size_declared = false;  // `size` is the record's own, not from the image header
};

struct GroundingResult {                         // step 1
  std::vector<std::vector<Instance>> instances;  // one list per expression, in their order
  std::optional<ImageSize> size;
  std::uint64_t image_bytes = 0;  // size of the image file that was used; 0: unknown
  bool text_only = false;         // guessed without the image, which could not be read
};

}  // namespace alig
