#pragma once

#include <cstdint>
#include <optional>

#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/steps/convention_check.h"

namespace alig {

// Checks whether the boxes of a run fit the coordinate convention in use. A wrong one spoils every
// label, so a long run reports it as soon as it shows, not only at the end.
class ConventionWatch {
 public:
  ConventionWatch(const CoordinateConvention& convention, Warnings& warnings)
      : convention_(convention), warnings_(warnings) {}

  // During the run: logs a doubt, once.
  void look_at(const ConventionEvidence& evidence);
  // At its end: the doubt, if any, which is then also among the warnings.
  std::optional<ConventionDoubt> judge(const ConventionEvidence& evidence);

 private:
  CoordinateConvention convention_;
  Warnings& warnings_;
  std::int64_t next_look_ = 100;  // boxes
  bool doubted_ = false;
};

}  // namespace alig
