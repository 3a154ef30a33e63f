// The work on one image: all its records, from their lines to their finished labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/calls/call.h"
#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/image/image_info.h"
#include "auto_label_image_grounding/run/record_job.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/run/run_plan.h"
#include "auto_label_image_grounding/run/sent_image.h"

namespace alig {

struct ImageJob {
  std::string image_path;
  std::vector<RecordJob> records;  // ascending
  std::optional<SentImage> image;  // absent if no request is needed
  std::uint64_t file_size = 0;     // of the image, in bytes; 0 if it cannot be read
  std::size_t pending = 0;         // calls without a result yet
  std::string refused_as;          // ImageWishes::refused_as
  std::shared_ptr<CallHome> home = std::make_shared<CallHome>();
  // Step 1, by grouping_key() of the expression's text.
  std::map<std::string, std::vector<Instance>> found;
  std::map<std::string, RecordError> failed;
};

// The records of a group, as read, and the image that they share; its header is `info`. A group has
// several if different paths share a hash.
struct LoadedImage {
  std::string image_path;
  std::vector<RecordJob> records;
  Result<ImageInfo> info;
};
// Also reads the records' checkpoints. kIo ends the run.
Result<std::vector<LoadedImage>> load_group(const RunContext& context, std::size_t group,
                                            RunCounts& counts);

// State of a record's image whose header is `info`. `usable`: whether it can be sent.
ImageState image_state(const RecordJob& record, const Result<ImageInfo>& info, bool usable);
// State for a job whose image is ready.
ImageState image_state(const ImageJob& job);

// load_group(), then settles what needs no request, and prepares the image if one is needed. Also
// returns several jobs if the records of an unreadable image state different sizes. Pool thread.
// kIo ends the run.
Result<std::vector<std::shared_ptr<ImageJob>>> load_jobs(const RunContext& context,
                                                         std::size_t group, RunCounts& counts);

// Prepares the job's image again. Pool thread.
Result<SentImage> remake_image(const RunContext& context, const ImageJob& job,
                               const ImageWishes& wishes);

// The error of a record whose image failed.
RecordError image_error(Step step, const Error& error);

// Sets the step-1 result, or error, of the records whose last missing expression has been answered.
// Returns those that now have a result to be saved, as indices into `job.records`.
std::vector<std::size_t> take_answers(const RunContext& context, ImageJob& job);

// Writes the step-1 checkpoints of these records. Pool thread.
Status save_groundings(const RunContext& context, const ImageJob& job,
                       const std::vector<std::size_t>& records);

}  // namespace alig
