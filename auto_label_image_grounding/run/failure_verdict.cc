#include "auto_label_image_grounding/run/failure_verdict.h"

#include <vector>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/results/published_files.h"

namespace alig {
namespace {

// Step 1 alone does not try again what failed in step 0; and where step 0's output was edited, a
// run of step 0 would refuse to replace it.
std::string advice_on(const RunPlan& plan, const RunCounts& counts) {
  const bool of_step_0 = counts.records.failed_in[Step::kExtraction] > 0 || counts.bad_lines > 0;
  if (plan.rules().steps.contains(Step::kExtraction) || !of_step_0) {
    return "run again to try them again";
  }
  const auto edited = edited_since_published(plan.dir, Step::kExtraction);
  if (edited && !*edited) {
    return fmt::format("run again with {}=[\"0\",\"1\"] to try those of step 0 again", key::kSteps);
  }
  return fmt::format(
      "{} was edited and is not replaced: label what failed in step 0 from a separate input in "
      "another results_dir, without {} (see Corrections by hand in docs/resume.md)",
      plan.dir.step_annotations(Step::kExtraction).string(), key::kImageRoot);
}

std::string list_of(const std::map<std::string, std::int64_t>& failures_by_kind) {
  std::vector<std::string> parts;
  for (const auto& [kind, count] : failures_by_kind) {
    parts.push_back(fmt::format("{} {}", count, kind));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

bool are_too_many(std::int64_t bad, std::int64_t all, const WorkflowSpec& workflow) {
  return static_cast<double>(bad) > workflow.max_failure_ratio * static_cast<double>(all);
}

std::optional<RunEnd> judge_early(const RunPlan& plan, const RecordCounts& records,
                                  const std::string& last) {
  const auto bad_lines =
      static_cast<std::int64_t>(plan.dataset.bad_lines().size() + plan.earlier.bad_lines());
  const std::int64_t bad = records.failed + bad_lines;
  const std::int64_t all = static_cast<std::int64_t>(plan.dataset.size()) + bad_lines;
  const WorkflowSpec& workflow = plan.spec.workflow;
  if (records.failed == 0 || !are_too_many(bad, all, workflow)) return std::nullopt;
  return RunEnd{
      RunEnd::Reason::kTooManyFailures,
      fmt::format("{} of {} have failed already ({}), more than {} ({}) allows; the last: {}. "
                  "Finished samples are kept: remove the cause, and run again",
                  bad, count_of(all, "record"), list_of(records.failures_by_kind),
                  key::kMaxFailureRatio, workflow.max_failure_ratio, last)};
}

FailureVerdict judge_failures(const RunPlan& plan, const RunCounts& counts) {
  const std::int64_t failed = counts.records.failed + counts.bad_lines;
  const std::int64_t all = counts.input_records + counts.bad_lines;
  if (failed == 0) return {};
  const std::string text =
      fmt::format("{} of {} failed ({}): see {}", failed, count_of(all, "record"),
                  list_of(counts.records.failures_by_kind), plan.dir.failures().string());
  const std::string advice = advice_on(plan, counts);
  const WorkflowSpec& workflow = plan.spec.workflow;
  if (!are_too_many(failed, all, workflow)) return {text + "; " + advice, std::nullopt};
  return {"", RunEnd{RunEnd::Reason::kTooManyFailures,
                     fmt::format("{}; that is more than {} ({}) allows. Finished samples are kept: "
                                 "remove the cause, and {}",
                                 text, key::kMaxFailureRatio, workflow.max_failure_ratio, advice)}};
}

}  // namespace alig
