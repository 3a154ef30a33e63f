// What an evaluation needs of a line of annotations, and of a line of truth.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"

namespace alig {

// x1, y1, x2, y2 in pixels of the upright image. Truth need not be whole pixels.
using EvaluationBox = std::array<double, 4>;

struct TruthPhrase {
  std::string phrase;
  std::vector<EvaluationBox> boxes;   // empty: the phrase is not visible
  std::vector<EvaluationBox> crowds;  // regions with uncounted instances
  std::optional<CharSpan> span;       // in the caption, code points
};

struct TruthRecord {
  std::string image_path;
  std::string caption;
  std::optional<std::vector<TruthPhrase>> phrases;  // absent: nothing is known (gt: null)
};

struct PredictedExpression {
  std::string text;
  std::optional<CharSpan> span;  // in the cleaned caption
  std::vector<EvaluationBox> boxes;
  std::vector<double> scores;  // one per box
};

struct PredictedRecord {
  std::string image_path;
  std::string caption;
  std::string cleaned_caption;
  std::vector<PredictedExpression> expressions;
  std::optional<std::string> failure;  // the message of its `error`, if it has one
};

// {"image_path", "caption", "gt": null | [{"phrase", "boxes": [[x1,y1,x2,y2], …], "span": [b, e],
// "crowd_boxes": […]}, …]}; span and crowd_boxes may be absent or null, gt may only be null: a
// misspelt key must not pass for "nothing is known". Boxes refer to the upright image, like the
// annotations': width and height of the truth, which may be those of the stored pixels before EXIF
// rotation, are not read. kData, naming the key; also for a box with swapped corners, which is
// usually [x, y, width, height], and for a span outside the caption.
Result<TruthRecord> read_truth_record(std::string_view line);

// A line of annotations.jsonl. kData, naming the key.
Result<PredictedRecord> read_predicted_record(std::string_view line);

}  // namespace alig
