#include "evaluate_command.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

#include "auto_label_image_grounding/evaluation/evaluate.h"
#include "auto_label_image_grounding/evaluation/evaluation_report.h"

namespace alig {
int run_evaluate(const EvaluateOptions& options) {
  const auto evaluation = evaluate(options.annotations, options.truth, options.worst);
  if (!evaluation) {
    std::fputs(fmt::format("error: {}\n", evaluation.error().message).c_str(), stderr);
    return EXIT_FAILURE;
  }
  const std::string text =
      options.json ? to_json_text(*evaluation, 2) + "\n" : to_text(*evaluation);
  std::fputs(text.c_str(), stdout);
  // Negated so that a NaN threshold fails.
  const bool too_low = !(evaluation->mean_iou() >= options.min_iou);
  const bool broken = options.strict && evaluation->has_problems();
  return too_low || broken ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace alig
