// The work on one record: its results, in memory and in its checkpoints. What is to be done is
// decided in record_state.h; here it is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"
#include "auto_label_image_grounding/run/record_state.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/run/run_plan.h"

namespace alig {

struct RecordJob {
  enum class Stage : std::uint8_t {
    kOpen,
    kSaving,      // the checkpoint of its last result is being written
    kHandedOver,  // to the writer
  };
  std::size_t index = 0;  // in the dataset
  Sample sample;
  SampleName name;
  std::vector<std::string> texts;  // of its expressions, once they are known
  std::optional<ExtractionResult> extraction;
  std::optional<GroundingResult> grounding;
  PerStep<std::string> model;  // of the result's checkpoint; "" where this run asked
  PerStep<bool> looked_up;     // in the checkpoints
  std::optional<RecordError> error;
  std::optional<RecordError> earlier_error;  // step 1 alone: that of its line
  Stage stage = Stage::kOpen;
};

RecordFacts facts_of(const RecordJob& record, const RunContext& context);

// Reads the record, and what its checkpoints hold of it. kIo ends the run.
Result<RecordJob> load_record(const RunContext& context, std::size_t index, RunCounts& counts);

// Drops what the checkpoints hold of another image, and counts what is left of them: to be called
// once the image is known. Returns what the record needs then: never kLookUp or kDrop.
Result<Need> check_results(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts);

// Brings the record as far as it gets without the model, and saves that. Returns what it needs
// then: kAsk or kNone. kIo ends the run. Pool thread.
Result<Need> settle_record(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts);

// The model's answer to step 0, and the way from there. Pool thread.
Status take_extraction(const RunContext& context, RecordJob& record, ExtractionResult result,
                       const ImageState& image, RunCounts& counts);

// Writes the step's checkpoint. Pool thread.
Status save_result(const RunContext& context, const RecordJob& record, Step step);

}  // namespace alig
