// What happened in a run: filled by its parts, written to summary.json, shown at the end.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/steps/label_counts.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

struct StepReport {
  std::int64_t from_checkpoint = 0;  // records that were done before
  std::int64_t failed = 0;
  std::int64_t requests = 0;         // sent, retries included
  std::int64_t retries = 0;          // requests sent again after a failure
  std::int64_t failed_attempts = 0;  // requests that brought no usable answer
  TokenUsage tokens;
};

struct RunReport {
  std::string status = "running";  // "succeeded", "failed", "interrupted"
  std::string message;             // why, where it did not succeed
  std::string backend;
  std::string model;
  std::string coordinates;  // the convention in use
  std::string coordinates_setting;
  std::string model_family;
  std::vector<std::string> steps;

  std::int64_t records = 0;  // valid input lines
  std::int64_t bad_lines = 0;
  std::int64_t done = 0;  // records finished without an error
  std::int64_t failed = 0;
  std::int64_t images = 0;
  std::int64_t expressions = 0;
  std::int64_t boxes = 0;
  std::array<StepReport, 2> step;  // by Step
  std::map<std::string, std::int64_t> failures_by_kind;

  std::int64_t size_mismatches = 0;    // records whose width/height differ from the file's
  std::int64_t changed_images = 0;   // records whose boxes were not of the image as it is
  std::int64_t replaced_images = 0;  // …, of another file of the same size in pixels; kept
  std::int64_t text_only = 0;          // records asked without their image
  std::int64_t other_model = 0;        // checkpoints made by another model
  std::int64_t stock_checkpoints = 0;  // taken over from the stock pipeline
  std::int64_t images_downscaled = 0;  // to fit the endpoint's limit for inline images
  int lowest_concurrency = 0;          // requests at once, when the endpoint was overloaded most
  LabelCounts labels;
  std::optional<ConventionDoubt> convention_doubt;
  std::vector<std::string> warnings;

  std::string started_at;  // UTC, ISO 8601
  double seconds = 0;

  std::int64_t requests() const { return step[0].requests + step[1].requests; }
  std::int64_t retries() const { return step[0].retries + step[1].retries; }
  TokenUsage tokens() const;
};

// What its counts say of the data, for people: a sentence each.
std::vector<std::string> warnings_of(const RunReport& report);

// summary.json; on one line, or with `indent` blanks for each level.
std::string to_json_text(const RunReport& report, int indent = -1);

}  // namespace alig
