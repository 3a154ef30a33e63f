// How far annotations are from a truth that is known exactly.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace demo {

struct Score {
  int records = 0, failed_records = 0;  // failed: the annotation carries an `error`
  int phrases = 0, missed_phrases = 0;  // missed: no expression of the same words
  int boxes = 0, found_boxes = 0;       // of the truth; found: IoU of 0.5 and more
  int false_boxes = 0;                  // of the annotations, without such a partner
  double sum_iou = 0;                   // over the truth's boxes; 0 for a miss
  int spans = 0, true_spans = 0;        // spans given; those that hold the expression's words
  std::vector<std::string> problems;    // false spans, missing records, wrong order

  double mean_iou() const { return boxes > 0 ? sum_iou / boxes : 0; }
  double recall() const { return boxes > 0 ? static_cast<double>(found_boxes) / boxes : 0; }
};

// Compares line by line. Throws std::runtime_error, naming file and line, for what is not JSONL of
// the expected form.
Score score_annotations(const std::filesystem::path& annotations,
                        const std::filesystem::path& truth);

std::string to_json(const Score& score);
std::string to_text(const Score& score);

}  // namespace demo
