// The report of a run: filled in by its parts, written to summary.json, shown at the end.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/steps/convention_check.h"

namespace alig {

struct EndpointReport {
  std::string base_url;  // without a user name and a password
  std::int64_t requests = 0;
  std::int64_t failed_attempts = 0;
  int outages = 0;
  std::map<std::string, std::string> sent_otherwise;  // see endpoint_memory.h
};

struct RunReport {
  std::string status = "running";  // "succeeded", "failed", "interrupted"
  std::string message;             // why, if it did not succeed
  std::string backend;
  std::string model;
  std::string coordinates;  // the convention in use
  std::string coordinates_setting;
  std::string model_family;
  StepSet steps;

  RunCounts counts;
  std::vector<EndpointReport> endpoints;
  int lowest_concurrency = 0;  // lowest limit of concurrent requests, due to overload
  std::optional<ConventionDoubt> convention_doubt;
  std::vector<std::string> warnings;

  std::string started_at;  // UTC, ISO 8601
  double seconds = 0;
};

// Warnings about the data, derived from the counts: one sentence each.
std::vector<std::string> warnings_of(const RunReport& report);

// summary.json; on one line, or indented by `indent` spaces per level.
std::string to_json_text(const RunReport& report, int indent = -1);

}  // namespace alig
