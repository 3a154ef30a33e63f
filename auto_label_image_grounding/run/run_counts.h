// What happened in a run, in numbers. Each part of the run counts separately; the sum is the run's.
#pragma once

#include <cstdint>
#include <tuple>

#include "auto_label_image_grounding/calls/call_counts.h"
#include "auto_label_image_grounding/data/add_fields.h"
#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/results/record_counts.h"
#include "auto_label_image_grounding/steps/label_counts.h"

namespace alig {

struct RunCounts {
  std::int64_t input_records = 0;  // valid input lines
  std::int64_t bad_lines = 0;
  std::int64_t images = 0;
  RecordCounts records;
  CallCounts calls;
  PerStep<std::int64_t> from_checkpoint;  // records done before
  std::int64_t size_mismatches = 0;       // records whose width/height differ from the file's
  std::int64_t changed_images = 0;        // records whose boxes were not of the image as it is
  std::int64_t replaced_images = 0;       // …, of another file of the same size in pixels; kept
  std::int64_t text_only = 0;             // records asked without their image
  std::int64_t other_model = 0;           // checkpoints made by another model
  std::int64_t stock_checkpoints = 0;     // taken over from the stock pipeline
  std::int64_t images_downscaled = 0;     // to fit the endpoint's limit for inline images
  LabelCounts labels;

  RunCounts& operator+=(const RunCounts& other) { return add_fields(*this, other); }
  template <typename Self>
  static auto fields_of(Self& self) {
    auto& [input_records, bad_lines, images, records, calls, from_checkpoint, size_mismatches,
           changed_images, replaced_images, text_only, other_model, stock_checkpoints,
           images_downscaled, labels] = self;
    return std::tie(input_records, bad_lines, images, records, calls, from_checkpoint,
                    size_mismatches, changed_images, replaced_images, text_only, other_model,
                    stock_checkpoints, images_downscaled, labels);
  }
};

}  // namespace alig
