// The work on one record: its results, in memory and in its checkpoints. record_state.h decides
// what is to be done, step_work.h knows how for each step; it is done here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"
#include "auto_label_image_grounding/results/output_writer.h"
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
  std::vector<std::string> texts;  // of its expressions, once known
  std::optional<ExtractionResult> extraction;
  std::optional<GroundingResult> grounding;
  PerStep<std::string> model;  // of the result's checkpoint; "" if this run asked
  PerStep<bool> looked_up;     // in the checkpoints
  std::optional<RecordError> error;
  std::optional<RecordError> earlier_error;  // step 1 alone: that of its line
  Stage stage = Stage::kOpen;
};

RecordFacts facts_of(const RecordJob& record, const RunContext& context);

// Reads the record and its checkpoints. kIo ends the run.
Result<RecordJob> load_record(const RunContext& context, std::size_t index, RunCounts& counts);

// Drops results that the checkpoints hold for another image, and counts the rest: to be called once
// the image is known. Returns what the record needs then: never kLookUp or kDrop.
Result<Need> check_results(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts);

// Processes the record as far as possible without the model, and saves that. Returns what it needs
// then: kAsk or kNone. kIo ends the run. Pool thread.
Result<Need> settle_record(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts);

// Takes the model's answer to step 0 and continues from there. Pool thread.
Status take_extraction(const RunContext& context, RecordJob& record, ExtractionResult result,
                       const ImageState& image, RunCounts& counts);

// Writes the step's checkpoint. Pool thread.
Status save_result(const RunContext& context, const RecordJob& record, Step step);

// For the writer. `line`: of the input, from 1. Moves the contents; facts_of() stays the same.
FinishedRecord to_finished(RecordJob& record, std::uint32_t line);

}  // namespace alig
