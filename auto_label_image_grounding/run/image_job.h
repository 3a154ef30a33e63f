// The work on one image: all its records, from their lines to their finished labels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/run/checkpoint_store.h"
#include "auto_label_image_grounding/run/dataset.h"
#include "auto_label_image_grounding/run/sent_image.h"
#include "auto_label_image_grounding/run/run_report.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {

struct RecordJob {
  std::size_t index = 0;  // in the dataset
  Sample sample;
  SampleName name;
  std::optional<ExtractionResult> extraction;
  std::string extraction_model;    // that of its checkpoint; "" where this run asked
  std::vector<std::string> texts;  // of its expressions, once they are known
  std::optional<GroundingResult> grounding;
  std::string grounding_model;  // that of its checkpoint
  std::optional<RecordError> error;
  std::optional<RecordError> earlier_error;  // step 1 alone: that of its line
  bool saving = false;                       // its step-1 checkpoint is being written
  bool reported = false;                     // handed to the writer
};

struct ImageJob {
  std::string image_path;
  std::vector<RecordJob> records;  // ascending
  std::optional<SentImage> image;  // absent where no request is needed
  std::uint64_t file_size = 0;     // of the image, in bytes; 0 where it cannot be read
  std::size_t pending = 0;         // calls whose result is still to come
  // Step 1, by question_of() the expression's text.
  std::map<std::string, std::vector<Instance>> found;
  std::map<std::string, RecordError> failed;
};

// What never changes during a run and may be read from any thread.
struct RunContext {
  const Spec& spec;
  const CheckpointStore& store;
  const Dataset& dataset;
  CoordinateChoice coordinates;
  PromptTemplate extraction_prompt;
  PromptTemplate grounding_prompt;
  std::string model;
  // By Step: false where no checkpoint can be there, so that none is looked for.
  std::array<bool, 2> resumes = {true, true};

  bool extracts() const { return spec.workflow.extract; }
  bool grounds() const { return spec.workflow.ground; }
  // Whether the model is asked without an image that cannot be read.
  bool guesses() const { return spec.data.on_missing_image == OnMissingImage::kTextOnly; }
};

// Reads the records of a group, takes what checkpoints hold, and makes the image ready where a
// request is needed. More than one job where different paths share a hash. Runs on a pool thread;
// `report` is the caller's own and is added to the run's afterwards. kIo ends the run.
Result<std::vector<std::shared_ptr<ImageJob>>> load_jobs(const RunContext& context,
                                                         std::size_t group, RunReport& report);

// The job's image again, in a format that is not in `refused` (MIME types). Pool thread.
Result<SentImage> remake_image(const RunContext& context, const ImageJob& job,
                               const std::set<std::string>& refused);

// One record with what its checkpoints hold; nothing else is done for it.
Result<RecordJob> load_record(const RunContext& context, std::size_t index, RunReport& report);

// Whether nothing is left to do for a record, so that the state of its image does not matter.
bool is_settled(const RunContext& context, const RecordJob& record);

// An image as it is now.
struct ImageState {
  ImageSize upright;    // of its header, else the record's own
  bool readable = false;  // its header is
  bool usable = false;    // it can be sent
};
ImageState image_state(const RecordJob& record, const Result<ImageInfo>& info, bool usable);
// Of a job whose image is made ready.
ImageState image_state(const ImageJob& job);
void set_size(ExtractionResult& extraction, const ImageState& image);

// Drops what a checkpoint holds of another image: boxes for another size (it was replaced under
// its path), boxes that were guessed without it (unless it still cannot be sent, and
// data.on_missing_image still asks for guesses), and a size that is not the image's. True where
// boxes went.
bool drop_stale(const RunContext& context, RecordJob& record, const ImageState& image);

// `record.texts` follow the extraction. `model`: whose it is, "" for this run's.
void set_extraction(RecordJob& record, ExtractionResult result, std::string model = {});

// A record's failure over its image.
RecordError image_error(Step step, const Error& error);

// For a record whose expressions have just become known, where step 1 is to be done: takes its
// step-1 checkpoint, or settles a record that has no expression. Pool thread.
Status begin_grounding(const RunContext& context, RecordJob& record, const ImageState& image,
                       RunReport& report);

// Gives their step-1 result, or their error, to the records whose last missing expression has been
// answered. Returns those that now have a result and are to be saved, as indices into
// `job.records`.
std::vector<std::size_t> take_answers(ImageJob& job);

// Writes the checkpoints of what was just found out. Pool thread.
Status save_extraction(const RunContext& context, const RecordJob& record);
Status save_groundings(const RunContext& context, const ImageJob& job,
                       const std::vector<std::size_t>& records);

// Adds what a pool thread has counted.
void add_counts(RunReport& total, const RunReport& part);

}  // namespace alig
