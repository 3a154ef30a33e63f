// How well one record's expressions meet the phrases of the truth. Pure.
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
  // Its expression, of the same words or the same span, as a position in the prediction's list.
  std::optional<std::size_t> expression;
  std::int64_t truth_boxes = 0;
  std::int64_t predicted_boxes = 0;                                 // without those inside crowds
  std::array<std::int64_t, kIouThresholds.size()> matched_at = {};  // pairs of at least that IoU
  std::int64_t matched = 0;                                         // pairs that overlap at all
  double sum_iou = 0;                                               // over the pairs
  // The centre of the box with the highest score lies in a box of the truth; none where the truth
  // has no box.
  std::optional<bool> points_at_it;
  // None where there is nothing to compare: no span in the truth, another cleaned caption, or no
  // expression (which the recall tells already).
  std::optional<bool> span_agrees;

  // Over the truth's boxes, 0 for a miss; 1 where there is none to be found and none was.
  double mean_iou() const;
};

struct RecordScore {
  std::vector<PhraseScore> phrases;  // in the truth's order
  std::int64_t unjudged_boxes = 0;   // of expressions that the truth does not speak of
  std::int64_t spans = 0;            // of all expressions
  std::int64_t null_spans = 0;
  std::vector<std::string> false_spans;  // what does not stand where its span says
};

// An expression belongs to the phrase with its span (where the cleaned caption is the caption),
// else to the first phrase of the same words: letter case, articles, punctuation, white space and
// Unicode forms do not matter. Each expression belongs to one phrase at most.
RecordScore score_record(const TruthRecord& truth, const PredictedRecord& predicted);

}  // namespace alig
