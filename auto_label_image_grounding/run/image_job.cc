#include "auto_label_image_grounding/run/image_job.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/image_info.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "auto_label_image_grounding/steps/phrase_grounding.h"

namespace alig {
namespace {

FingerprintInput fingerprint_input(const RecordJob& record, const PromptTemplate& prompt) {
  return {record.sample.image_path, record.sample.caption, prompt.custom_sha256};
}

CheckpointHeader extraction_header(const RunContext& context, const RecordJob& record) {
  return {extraction_fingerprint(fingerprint_input(record, context.extraction_prompt)),
          record.extraction_model.empty() ? context.model : record.extraction_model,
          record.sample.image_path, record.sample.caption};
}

CheckpointHeader grounding_header(const RunContext& context, const RecordJob& record) {
  return {grounding_fingerprint(fingerprint_input(record, context.grounding_prompt), record.texts,
                                context.spec.vlm.coordinates),
          context.model, record.sample.image_path, record.sample.caption};
}

Status take_extraction_checkpoint(const RunContext& context, RecordJob& record, RunReport& report) {
  if (!context.resumes[static_cast<std::size_t>(Step::kExtraction)]) return {};
  const CheckpointHeader wanted = extraction_header(context, record);
  auto looked_up = context.store.find_extraction(record.name, wanted);
  if (!looked_up) return tl::unexpected(looked_up.error());
  auto& found = *looked_up;
  if (!found) return {};
  ExtractionCheckpoint& checkpoint = found->checkpoint;
  if (found->foreign) {
    ++report.stock_checkpoints;
    check_spans(checkpoint.result, report.labels);
    checkpoint.result.size.reset();  // the stock pipeline guesses sizes
  } else if (checkpoint.header.model != context.model) {
    ++report.other_model;
  }
  if (trim(record.sample.caption).empty()) ++report.labels.empty_captions;
  set_extraction(record, std::move(checkpoint.result), checkpoint.header.model);
  // A foreign checkpoint without a size waits for the image's header before it counts as done.
  if (!found->foreign) ++report.step[0].from_checkpoint;
  return {};
}

Status take_grounding_checkpoint(const RunContext& context, RecordJob& record) {
  if (!context.resumes[static_cast<std::size_t>(Step::kGrounding)]) return {};
  auto looked_up =
      context.store.find_grounding(record.name, grounding_header(context, record).fingerprint);
  if (!looked_up) return tl::unexpected(looked_up.error());
  auto& found = *looked_up;
  if (!found || found->result.instances.size() != record.texts.size()) return {};
  record.grounding = std::move(found->result);
  record.grounding_model = std::move(found->header.model);
  return {};
}

// Once it is known that the boxes are those of the image.
void count_reused_grounding(const RunContext& context, const RecordJob& record, RunReport& report) {
  if (!record.grounding) return;
  if (record.grounding_model != context.model) ++report.other_model;
  ++report.step[1].from_checkpoint;
}

// The step that a record fails in over its image: what step 0 found earlier is not lost.
Step failing_step(const RunContext& context, const RecordJob& record) {
  const bool extracted = record.extraction && record.extraction->size;
  return context.extracts() && !extracted ? Step::kExtraction : Step::kGrounding;
}

// Whether any record of the image needs the model, so that its image must be made ready.
bool needs_request(const RunContext& context, const RecordJob& record) {
  if (is_settled(context, record)) return false;
  if (context.extracts() && !record.extraction) return !trim(record.sample.caption).empty();
  return context.grounds() && !record.grounding && !record.texts.empty();
}

void note_size(const RecordJob& record, ImageSize upright, RunReport& report) {
  const auto& declared = record.sample.declared_size;
  if (declared && *declared != upright) ++report.size_mismatches;
}

struct OpenedImage {
  std::optional<SentImage> image;
  std::optional<ImageSize> upright;
  std::optional<Error> error;
};

OpenedImage open_image(const RunContext& context, const ImageJob& job,
                           const Result<ImageInfo>& info, RunReport& report) {
  OpenedImage out;
  const auto requests =
      std::any_of(job.records.begin(), job.records.end(),
                  [&](const RecordJob& record) { return needs_request(context, record); });
  std::optional<Error> error;
  if (!info) {
    error = info.error();
  } else {
    out.upright = ImageSize{info->width, info->height};
    if (!requests) return out;
    auto image = make_sent_image(job.image_path, *info, context.spec.vlm, context.coordinates);
    if (image) {
      report.images_downscaled += image->downscaled_for_limit ? 1 : 0;
      out.image = std::move(*image);
      return out;
    }
    error = image.error();
  }
  if (!context.guesses()) out.error = *error;
  return out;
}

// Of the same size in pixels, so that its boxes are kept: but are they those of this image?
bool is_of_another_file(const RecordJob& record, const ImageInfo& info) {
  return record.grounding && !record.grounding->text_only && record.grounding->image_bytes > 0 &&
         record.grounding->image_bytes != info.file_size;
}

// What checkpoints hold, against the image as it is now.
void check_reused(const RunContext& context, RecordJob& record, const Result<ImageInfo>& info,
                  bool usable, RunReport& report) {
  if (record.earlier_error) return;
  const ImageState image = image_state(record, info, usable);
  if (info) note_size(record, image.upright, report);
  const bool dropped = drop_stale(context, record, image);
  if (dropped && (usable || context.guesses())) ++report.changed_images;
  if (info && is_of_another_file(record, *info)) ++report.replaced_images;
  count_reused_grounding(context, record, report);
}

// Whether the image can be sent. Found out by trying only where a guess stands in for it.
bool is_usable(const RunContext& context, const ImageJob& job, const Result<ImageInfo>& info) {
  if (!info) return false;
  const bool guessed = std::any_of(
      job.records.begin(), job.records.end(),
      [](const RecordJob& record) { return record.grounding && record.grounding->text_only; });
  return !guessed || make_sent_image(job.image_path, *info, context.spec.vlm, context.coordinates);
}

// A caption with nothing in it names nothing: no request.
Status settle_empty_caption(const RunContext& context, RecordJob& record,
                            const ImageState& image, RunReport& report) {
  if (!context.extracts() || record.extraction || !trim(record.sample.caption).empty()) return {};
  ++report.labels.empty_captions;
  set_extraction(record, {});
  set_size(*record.extraction, image);
  if (auto status = save_extraction(context, record); !status) return status;
  return begin_grounding(context, record, image, report);
}

Status save_grounding(const RunContext& context, const RecordJob& record) {
  return context.store.save(
      Step::kGrounding, record.name,
      encode_checkpoint(grounding_header(context, record), record.texts, *record.grounding));
}

// No expressions, no boxes: no request.
Status settle_without_expressions(const RunContext& context, RecordJob& record,
                                  ImageSize upright) {
  const bool expressions_known = !context.extracts() || record.extraction;
  if (!context.grounds() || record.grounding || !expressions_known || !record.texts.empty()) {
    return {};
  }
  record.grounding = GroundingResult{{}, upright};
  return save_grounding(context, record);
}

// A checkpoint without a size (the stock pipeline's), or of an image that has changed since: see
// drop_stale().
Status save_size(const RunContext& context, RecordJob& record, const ImageState& image) {
  if (!context.extracts() || !record.extraction || record.extraction->size) return {};
  set_size(*record.extraction, image);
  return save_extraction(context, record);
}

Status settle_record(const RunContext& context, RecordJob& record, const ImageState& image,
                     RunReport& report) {
  if (!image.usable && needs_request(context, record)) ++report.text_only;
  if (auto status = settle_empty_caption(context, record, image, report); !status) return status;
  if (auto status = save_size(context, record, image); !status) return status;
  return settle_without_expressions(context, record, image.upright);
}

Status settle(const RunContext& context, ImageJob& job, RunReport& report) {
  const Result<ImageInfo> info =
      read_image_info(job.image_path, {context.spec.data.max_image_pixels});
  if (info) job.file_size = info->file_size;
  const bool usable = is_usable(context, job, info);
  for (RecordJob& record : job.records) check_reused(context, record, info, usable, report);
  const bool all_settled =
      std::all_of(job.records.begin(), job.records.end(),
                  [&](const RecordJob& record) { return is_settled(context, record); });
  if (all_settled) return {};
  OpenedImage opened = open_image(context, job, info, report);
  for (RecordJob& record : job.records) {
    if (is_settled(context, record)) continue;
    if (opened.error) {
      record.error = image_error(failing_step(context, record), *opened.error);
      continue;
    }
    const ImageState image = image_state(record, info, opened.image.has_value());
    auto status = settle_record(context, record, image, report);
    if (!status) return status;
  }
  // Without a header the sizes are the records' own: see split_by_size().
  if (!opened.error && !opened.image && opened.upright) {
    opened.image = text_only_image(opened.upright);
  }
  job.image = std::move(opened.image);
  return {};
}

// The records of an image that cannot be read may state different sizes: boxes are asked for, and
// read, in each record's own.
std::vector<std::shared_ptr<ImageJob>> split_by_size(const RunContext& context,
                                                     std::shared_ptr<ImageJob> job) {
  const bool all_settled =
      std::all_of(job->records.begin(), job->records.end(),
                  [&](const RecordJob& record) { return is_settled(context, record); });
  if (job->image || all_settled) return {std::move(job)};
  std::map<std::pair<int, int>, std::shared_ptr<ImageJob>> by_size;
  for (RecordJob& record : job->records) {
    const SentImage image = text_only_image(record.sample.declared_size);
    std::shared_ptr<ImageJob>& part = by_size[{image.upright.width, image.upright.height}];
    if (!part) {
      part = std::make_shared<ImageJob>();
      part->image_path = job->image_path;
      part->image = image;
    }
    part->records.push_back(std::move(record));
  }
  std::vector<std::shared_ptr<ImageJob>> parts;
  for (auto& [size, part] : by_size) parts.push_back(std::move(part));
  return parts;
}

bool has_all(const std::map<std::string, std::vector<Instance>>& found,
             const std::vector<std::string>& texts) {
  return std::all_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return found.contains(question_of(text)); });
}

}  // namespace

bool is_settled(const RunContext& context, const RecordJob& record) {
  if (record.error || record.earlier_error) return true;
  const bool extracted = !context.extracts() || (record.extraction && record.extraction->size);
  return extracted && (!context.grounds() || record.grounding);
}

ImageState image_state(const RecordJob& record, const Result<ImageInfo>& info, bool usable) {
  if (info) return {{info->width, info->height}, true, usable};
  return {text_only_image(record.sample.declared_size).upright, false, false};
}

ImageState image_state(const ImageJob& job) {
  return {job.image->upright, job.file_size > 0, job.image->content.has_value()};
}

void set_size(ExtractionResult& extraction, const ImageState& image) {
  extraction.size = image.upright;
  extraction.size_declared = !image.readable;
}

bool drop_stale(const RunContext& context, RecordJob& record, const ImageState& image) {
  if (auto& extraction = record.extraction) {
    const bool other_size = extraction->size != image.upright;
    const bool stale =
        extraction->size_declared ? other_size || image.readable : other_size && image.readable;
    if (stale) extraction->size.reset();
  }
  if (!record.grounding) return false;
  const GroundingResult& grounding = *record.grounding;
  const bool other_size = grounding.size && *grounding.size != image.upright;
  const bool stale = grounding.text_only ? other_size || image.usable || !context.guesses()
                                         : other_size && image.readable;
  if (stale) record.grounding.reset();
  return stale;
}

void set_extraction(RecordJob& record, ExtractionResult result, std::string model) {
  record.extraction_model = std::move(model);
  record.texts.clear();
  for (const Expression& expression : result.expressions) record.texts.push_back(expression.text);
  record.extraction = std::move(result);
}

RecordError image_error(Step step, const Error& error) {
  return {name_of(step), "image", error.message, 0, 0};
}

Result<RecordJob> load_record(const RunContext& context, std::size_t index, RunReport& report) {
  auto line = context.dataset.line(index);
  if (!line) return tl::unexpected(line.error());
  RecordJob record;
  record.index = index;
  // The dataset has read this line before: only a file that was changed meanwhile can fail here.
  if (context.extracts()) {
    auto sample = read_input_sample(*line, context.spec.data.image_root);
    if (!sample)
      return fail(ErrorKind::kIo, "the input changed during the run: " + sample.error().message);
    record.sample = std::move(*sample);
  } else {
    auto sample = read_extracted_sample(*line);
    if (!sample)
      return fail(ErrorKind::kIo, "the input changed during the run: " + sample.error().message);
    record.sample = std::move(sample->sample);
    record.texts = std::move(sample->texts);
    record.earlier_error = std::move(sample->error);
  }
  record.name = context.dataset.name_of(index, record.sample);
  if (const auto id = context.dataset.unique_id(index, record.sample)) {
    record.sample.record.set_string("image_id", *id);
  }
  if (record.earlier_error) return record;
  Status taken;
  if (context.extracts()) taken = take_extraction_checkpoint(context, record, report);
  const bool expressions_known = !context.extracts() || record.extraction;
  if (taken && context.grounds() && expressions_known) {
    taken = take_grounding_checkpoint(context, record);
  }
  if (!taken) return tl::unexpected(taken.error());
  return record;
}

Result<std::vector<std::shared_ptr<ImageJob>>> load_jobs(const RunContext& context,
                                                         std::size_t group, RunReport& report) {
  std::map<std::string, std::shared_ptr<ImageJob>> by_path;
  for (const std::uint32_t index : context.dataset.group(group)) {
    auto record = load_record(context, index, report);
    if (!record) return tl::unexpected(record.error());
    std::shared_ptr<ImageJob>& job = by_path[plain_path(record->sample.image_path)];
    if (!job) {
      job = std::make_shared<ImageJob>();
      job->image_path = record->sample.image_path;
    }
    job->records.push_back(std::move(*record));
  }
  std::vector<std::shared_ptr<ImageJob>> jobs;
  for (auto& [path, job] : by_path) {
    if (auto status = settle(context, *job, report); !status) return tl::unexpected(status.error());
    for (auto& part : split_by_size(context, std::move(job))) jobs.push_back(std::move(part));
  }
  return jobs;
}

Result<SentImage> remake_image(const RunContext& context, const ImageJob& job,
                               const std::set<std::string>& refused) {
  const std::string& path = job.image_path;
  Result<ImageInfo> info = read_image_info(path, {context.spec.data.max_image_pixels});
  if (!info) return tl::unexpected(info.error());
  return make_sent_image(path, *info, context.spec.vlm, context.coordinates, refused);
}

Status begin_grounding(const RunContext& context, RecordJob& record, const ImageState& image,
                       RunReport& report) {
  if (!context.grounds()) return {};
  if (auto status = take_grounding_checkpoint(context, record); !status) return status;
  if (drop_stale(context, record, image)) ++report.changed_images;
  count_reused_grounding(context, record, report);
  return settle_without_expressions(context, record, image.upright);
}

std::vector<std::size_t> take_answers(ImageJob& job) {
  std::vector<std::size_t> complete;
  for (std::size_t i = 0; i < job.records.size(); ++i) {
    RecordJob& record = job.records[i];
    if (record.reported || record.grounding || record.error) continue;
    const auto failed =
        std::find_if(record.texts.begin(), record.texts.end(),
                     [&](const auto& text) { return job.failed.contains(question_of(text)); });
    if (failed != record.texts.end()) {
      record.error = job.failed.at(question_of(*failed));
    } else if (has_all(job.found, record.texts)) {
      record.grounding = GroundingResult{{}, job.image->upright, job.file_size};
      record.grounding->text_only = !job.image->content;
      for (const std::string& text : record.texts) {
        record.grounding->instances.push_back(job.found.at(question_of(text)));
      }
      complete.push_back(i);
    }
  }
  return complete;
}

Status save_extraction(const RunContext& context, const RecordJob& record) {
  return context.store.save(
      Step::kExtraction, record.name,
      encode_checkpoint(extraction_header(context, record), *record.extraction));
}

Status save_groundings(const RunContext& context, const ImageJob& job,
                       const std::vector<std::size_t>& records) {
  for (const std::size_t i : records) {
    if (auto status = save_grounding(context, job.records[i]); !status) return status;
  }
  return {};
}

void add_counts(RunReport& total, const RunReport& part) {
  for (std::size_t i = 0; i < total.step.size(); ++i) {
    total.step[i].from_checkpoint += part.step[i].from_checkpoint;
  }
  total.size_mismatches += part.size_mismatches;
  total.changed_images += part.changed_images;
  total.replaced_images += part.replaced_images;
  total.text_only += part.text_only;
  total.other_model += part.other_model;
  total.stock_checkpoints += part.stock_checkpoints;
  total.images_downscaled += part.images_downscaled;
  total.labels += part.labels;
}

}  // namespace alig
