// The subcommand `evaluate`: annotations against known truth.
#pragma once

#include <cstddef>
#include <string>

#include <CLI/CLI.hpp>

namespace alig {

struct EvaluateOptions {
  std::string annotations, truth;
  std::size_t worst = 10;
  double min_iou = 0;
  bool json = false;
  bool strict = false;
};

// `options` is filled while the command line is parsed, and must outlive `app`.
CLI::App* add_evaluate_command(CLI::App& app, EvaluateOptions& options);

// Prints the evaluation; the exit status.
int run_evaluate(const EvaluateOptions& options);

}  // namespace alig
