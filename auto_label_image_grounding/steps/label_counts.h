// What the steps corrected, dropped or could not use: all of it is reported in summary.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "auto_label_image_grounding/steps/convention_check.h"

namespace alig {

struct LabelCounts {
  std::int64_t null_spans = 0;             // expressions not found in their caption
  std::int64_t spans_corrected = 0;        // of an edited step-0 line
  std::int64_t duplicate_expressions = 0;  // listed more often than they occur; dropped
  std::int64_t unusable_expressions = 0;   // elements of an answer without a text
  std::int64_t captions_kept = 0;          // no cleaned caption in the answer: the given one stays
  std::int64_t empty_captions = 0;         // no request needed
  std::int64_t boxes_reordered = 0;        // swapped corners
  std::int64_t boxes_clamped = 0;
  std::int64_t boxes_dropped = 0;               // no area, not finite, or no box at all
  std::int64_t boxes_merged = 0;                // duplicates and near-duplicates of one expression
  std::int64_t boxes_beyond_limit = 0;          // more instances than the prompt allows
  std::int64_t scores_normalised = 0;           // given as percentages, or out of range
  std::int64_t answers_unmatched = 0;           // items that match no requested expression
  std::int64_t expressions_unanswered = 0;      // asked for, but not in the answer
  std::int64_t calls_split = 0;                 // asked again in two halves
  std::int64_t answers_repaired = 0;            // readable only after repairs
  std::map<std::string, std::int64_t> repairs;  // by kind
  ConventionEvidence convention;                // of all boxes, as the model gave them

  LabelCounts& operator+=(const LabelCounts& other);
  // Name and value of each plain counter, in the order above.
  std::map<std::string, std::int64_t> named() const;
};

}  // namespace alig
