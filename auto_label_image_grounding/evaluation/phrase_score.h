// How well one record's expressions match the phrases of the truth. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/evaluation/evaluation_record.h"

namespace alig {

inline constexpr std::array<double, 3> kIouThresholds = {0.5, 0.75, 0.9};

struct PhraseScore {
  std::string phrase;
  // Its expression (same words or same span), as an index into the prediction's list.
  std::optional<std::size_t> expression;
  std::int64_t truth_boxes = 0;
  std::int64_t predicted_boxes = 0;                                 // without those inside crowds
  std::array<std::int64_t, kIouThresholds.size()> matched_at = {};  // pairs of at least that IoU
  std::int64_t matched = 0;                                         // pairs that overlap at all
  double sum_iou = 0;                                               // over the pairs
  // The centre of the box with the highest score lies in a box of the truth; none if the truth has
  // no box.
  std::optional<bool> points_at_it;
  // None if there is nothing to compare: no span in the truth, another cleaned caption, or no
  // expression (which the recall already counts).
  std::optional<bool> span_agrees;

  // Over the truth's boxes, 0 for a miss; 1 if there are none and none was predicted.
  double mean_iou() const;
};

struct RecordScore {
  std::vector<PhraseScore> phrases;  // in the truth's order
  std::int64_t unjudged_boxes = 0;   // of expressions not in the truth
  std::int64_t spans = 0;            // of all expressions
  std::int64_t null_spans = 0;
  std::vector<std::string> false_spans;  // texts that are not at their span
};

// An expression belongs to the phrase with its span (if the cleaned caption equals the caption),
// else to the first phrase with the same words: letter case, articles, punctuation, white space and
// Unicode form do not matter. Each expression belongs to one phrase at most.
RecordScore score_record(const TruthRecord& truth, const PredictedRecord& predicted);

}  // namespace alig
