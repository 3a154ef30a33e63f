#include "auto_label_image_grounding/run/convention_watch.h"

namespace alig {

void ConventionWatch::look_at(const ConventionEvidence& evidence) {
  if (doubted_ || evidence.boxes < next_look_) return;
  next_look_ = 4 * evidence.boxes;
  const auto doubt = doubt_convention(evidence, convention_);
  if (!doubt) return;
  doubted_ = true;
  warnings_.logger().warning("so far {}", describe(*doubt, convention_));
}

std::optional<ConventionDoubt> ConventionWatch::judge(const ConventionEvidence& evidence) {
  auto doubt = doubt_convention(evidence, convention_);
  if (doubt) warnings_.add(describe(*doubt, convention_));
  return doubt;
}

}  // namespace alig
