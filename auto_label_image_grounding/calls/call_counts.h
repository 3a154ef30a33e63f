#pragma once

#include <cstdint>
#include <tuple>

#include "auto_label_image_grounding/data/add_fields.h"
#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

// Requests made for one step.
struct StepCallCounts {
  std::int64_t requests = 0;         // sent, retries included
  std::int64_t retries = 0;          // requests sent again after a failure
  std::int64_t failed_attempts = 0;  // requests without a usable answer
  TokenUsage tokens;

  StepCallCounts& operator+=(const StepCallCounts& other) { return add_fields(*this, other); }
  template <typename Self>
  static auto fields_of(Self& self) {
    auto& [requests, retries, failed_attempts, tokens] = self;
    return std::tie(requests, retries, failed_attempts, tokens);
  }
};

struct CallCounts {
  PerStep<StepCallCounts> steps;
  std::int64_t answers_truncated = 0;  // cut off by the token limit

  CallCounts& operator+=(const CallCounts& other) { return add_fields(*this, other); }
  template <typename Self>
  static auto fields_of(Self& self) {
    auto& [steps, answers_truncated] = self;
    return std::tie(steps, answers_truncated);
  }
  // The sum over all steps.
  StepCallCounts total() const {
    StepCallCounts sum;
    for (const Step step : StepSet::all()) sum += steps[step];
    return sum;
  }
};

}  // namespace alig
