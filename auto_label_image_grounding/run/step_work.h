// What each step does with a record: one row per step. What is common to all steps is in
// record_job.h.
#pragma once

#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/run/record_job.h"
#include "auto_label_image_grounding/run/record_state.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/run/run_plan.h"

namespace alig {

struct StepWork {
  Step step;
  // Sets nothing_to_ask, and what is known about the result.
  void (*describe)(const RecordJob& record, StepFacts& facts);
  // Takes the result from the record's checkpoint, if there is one that fits. kIo.
  Status (*look_up)(const RunContext& context, RecordJob& record, RunCounts& counts);
  void (*drop)(RecordJob& record);
  // Sets the size in the result. Never called if the result describes the image: see StepTraits.
  void (*resize)(RecordJob& record, const ImageState& image);
  // Sets the result of a record for which there is nothing to ask.
  void (*settle)(RecordJob& record, const ImageState& image, RunCounts& counts);
  // The text of the result's checkpoint.
  std::string (*encode)(const RunContext& context, const RecordJob& record);
};

const StepWork& work_of(Step step);

void set_extraction(RecordJob& record, ExtractionResult result, const ImageState& image);

}  // namespace alig
