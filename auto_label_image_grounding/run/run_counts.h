// What happened in a run, in numbers. Values: each part of the run counts for itself, and the sum
// is the run's.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>

#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/steps/label_counts.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

struct StepCounts {
  std::int64_t from_checkpoint = 0;  // records that were done before
  std::int64_t failed = 0;           // records
  std::int64_t requests = 0;         // sent, retries included
  std::int64_t retries = 0;          // requests sent again after a failure
  std::int64_t failed_attempts = 0;  // requests that brought no usable answer
  TokenUsage tokens;

  StepCounts& operator+=(const StepCounts& other);
};

struct RunCounts {
  std::int64_t records = 0;  // valid input lines
  std::int64_t bad_lines = 0;
  std::int64_t done = 0;  // records finished without an error
  std::int64_t failed = 0;
  std::int64_t images = 0;
  std::int64_t expressions = 0;
  std::int64_t boxes = 0;
  PerStep<StepCounts> steps;
  std::map<std::string, std::int64_t> failures_by_kind;

  std::int64_t size_mismatches = 0;    // records whose width/height differ from the file's
  std::int64_t changed_images = 0;     // records whose boxes were not of the image as it is
  std::int64_t replaced_images = 0;    // …, of another file of the same size in pixels; kept
  std::int64_t text_only = 0;          // records asked without their image
  std::int64_t other_model = 0;        // checkpoints made by another model
  std::int64_t stock_checkpoints = 0;  // taken over from the stock pipeline
  std::int64_t images_downscaled = 0;  // to fit the endpoint's limit for inline images
  LabelCounts labels;

  RunCounts& operator+=(const RunCounts& other);
  std::int64_t requests() const;
  std::int64_t retries() const;
  TokenUsage tokens() const;
};

// References to all fields, for whoever treats them alike. The compiler refuses it where one is
// missing.
template <typename Counts>
auto fields_of(Counts& counts) requires std::same_as<std::remove_const_t<Counts>, StepCounts> {
  auto& [from_checkpoint, failed, requests, retries, failed_attempts, tokens] = counts;
  return std::tie(from_checkpoint, failed, requests, retries, failed_attempts, tokens);
}
template <typename Counts>
auto fields_of(Counts& counts) requires std::same_as<std::remove_const_t<Counts>, RunCounts> {
  auto& [records, bad_lines, done, failed, images, expressions, boxes, steps, failures_by_kind,
         size_mismatches, changed_images, replaced_images, text_only, other_model,
         stock_checkpoints, images_downscaled, labels] = counts;
  return std::tie(records, bad_lines, done, failed, images, expressions, boxes, steps,
                  failures_by_kind, size_mismatches, changed_images, replaced_images, text_only,
                  other_model, stock_checkpoints, images_downscaled, labels);
}

}  // namespace alig
