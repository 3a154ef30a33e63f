#pragma once

#include <cstdint>
#include <optional>

#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/steps/convention_check.h"

namespace alig {

// Looks whether the boxes of a run fit the coordinate convention in use. A wrong one spoils every
// label, so that a long run says it as soon as it shows, not at its end alone.
class ConventionWatch {
 public:
  ConventionWatch(const CoordinateConvention& convention, Warnings& warnings)
      : convention_(convention), warnings_(warnings) {}

  // While the run goes on: says a doubt once, in the log.
  void look_at(const ConventionEvidence& evidence);
  // At its end: the doubt, if any, which is among the warnings then.
  std::optional<ConventionDoubt> judge(const ConventionEvidence& evidence);

 private:
  CoordinateConvention convention_;
  Warnings& warnings_;
  std::int64_t next_look_ = 100;  // boxes
  bool doubted_ = false;
};

}  // namespace alig
