// Whether too many records of a run have failed (workflow.max_failure_ratio), and what to do about
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/calls/run_end.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/run/run_plan.h"

namespace alig {

// `bad` of `all` records and bad lines.
bool are_too_many(std::int64_t bad, std::int64_t all, const WorkflowSpec& workflow);

// For a run with records that have not been asked about yet: whether it has failed already, as the
// rest of them cannot change that. `last`: the message of a failure.
std::optional<RunEnd> judge_early(const RunPlan& plan, const RecordCounts& records,
                                  const std::string& last);

// For a completed run.
struct FailureVerdict {
  std::string warning;  // some failures, but not too many; "" if none
  std::optional<RunEnd> too_many;
};
FailureVerdict judge_failures(const RunPlan& plan, const RunCounts& counts);

}  // namespace alig
