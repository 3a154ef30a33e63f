#include "auto_label_image_grounding/evaluation/box_matching.h"

#include <algorithm>

#include "auto_label_image_grounding/data/bounding_box.h"

namespace alig {

std::vector<BoxPair> match_boxes(const std::vector<EvaluationBox>& truth,
                                 const std::vector<EvaluationBox>& predicted) {
  std::vector<BoxPair> candidates;
  for (std::size_t t = 0; t < truth.size(); ++t) {
    for (std::size_t p = 0; p < predicted.size(); ++p) {
      const double iou = intersection_over_union(truth[t], predicted[p]);
      if (iou > 0) candidates.push_back({t, p, iou});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const BoxPair& a, const BoxPair& b) { return a.iou > b.iou; });
  std::vector<BoxPair> pairs;
  std::vector<bool> truth_taken(truth.size()), predicted_taken(predicted.size());
  for (const BoxPair& pair : candidates) {
    if (truth_taken[pair.truth] || predicted_taken[pair.predicted]) continue;
    truth_taken[pair.truth] = predicted_taken[pair.predicted] = true;
    pairs.push_back(pair);
  }
  return pairs;
}

bool is_in_crowd(const EvaluationBox& box, const std::vector<EvaluationBox>& crowds) {
  constexpr double kMostly = 0.5;
  const double area = (box[2] - box[0]) * (box[3] - box[1]);
  return std::any_of(crowds.begin(), crowds.end(), [&](const EvaluationBox& crowd) {
    const double wide = std::min(box[2], crowd[2]) - std::max(box[0], crowd[0]);
    const double high = std::min(box[3], crowd[3]) - std::max(box[1], crowd[1]);
    return area > 0 && wide > 0 && high > 0 && wide * high >= kMostly * area;
  });
}

}  // namespace alig
