// Step 1: a model's answer becomes boxes of the requested expressions. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/steps/label_counts.h"
#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

struct GroundingFrame {
  CoordinateConvention convention;
  ImageSize sent;     // the image that the model saw
  ImageSize upright;  // the space of the resulting boxes
};

struct GroundingRules {
  double merge_iou = 0.95;        // 0: never merge
  std::size_t max_instances = 0;  // 0: no limit
};

struct MatchedAnswer {
  // For each expression, the indices of its items in the answer.
  std::vector<std::vector<std::size_t>> items;
  std::int64_t unmatched_items = 0;
};
// Which item of an answer belongs to which expression (`texts` are distinct and were numbered from
// 1 in the prompt). Ignores letter case, quotes, articles, white space, Unicode form and order. An
// item is assigned to at most one expression, and to none if it is ambiguous. Numbers count only if
// all of the answer's can be those of the prompt.
MatchedAnswer match_items(const std::vector<std::string>& texts,
                          const std::vector<parse::GroundingItem>& items);

// One list of instances per text, ordered by descending score, cleaned and counted: corners
// ordered, clamped to the image, rounded to nearest, boxes without area dropped, scores brought to
// [0,1] (0.9 if none is given), near-duplicates merged. kData if the answer has boxes but none of
// its items matches a text, or none of them can be used.
Result<std::vector<std::vector<Instance>>> apply_grounding(const std::vector<std::string>& texts,
                                                           const parse::GroundingAnswer& answer,
                                                           const GroundingFrame& frame,
                                                           const GroundingRules& rules,
                                                           LabelCounts& counts);

}  // namespace alig
