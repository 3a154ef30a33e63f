// The subcommand `evaluate`: annotations against known truth.
#pragma once

#include <cstddef>
#include <string>

namespace alig {

struct EvaluateOptions {
  std::string annotations, truth;
  std::size_t worst = 10;
  double min_iou = 0;
  bool json = false;
  bool strict = false;
};

// Prints the evaluation; the exit status.
int run_evaluate(const EvaluateOptions& options);

}  // namespace alig
