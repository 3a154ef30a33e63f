// Matches predicted boxes to the boxes of the truth.
#pragma once

#include <cstddef>
#include <vector>

#include "auto_label_image_grounding/evaluation/evaluation_record.h"

namespace alig {

struct BoxPair {
  std::size_t truth = 0, predicted = 0;  // positions in their lists
  double iou = 0;                        // above 0
};

// One to one, the pair with the highest IoU first (like COCO's evaluation, but by overlap instead
// of score: the scores of a labelling run are not a ranking). Of equal pairs the first in list
// order. O(n*m log(n*m)).
std::vector<BoxPair> match_boxes(const std::vector<EvaluationBox>& truth,
                                 const std::vector<EvaluationBox>& predicted);

// Boxes that lie inside a crowd (half of their area or more) are neither right nor wrong.
bool is_in_crowd(const EvaluationBox& box, const std::vector<EvaluationBox>& crowds);

}  // namespace alig
