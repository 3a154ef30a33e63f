#include "auto_label_image_grounding/run/image_job.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/image_info.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"

namespace alig {
namespace {

FingerprintInput fingerprint_input(const RecordJob& record, const PromptTemplate& prompt) {
  return {record.sample.image_path, record.sample.caption, prompt.custom_sha256};
}

CheckpointHeader extraction_header(const RunContext& context, const RecordJob& record) {
  return {extraction_fingerprint(fingerprint_input(record, context.extraction_prompt)),
          context.model, record.sample.image_path, record.sample.caption};
}

CheckpointHeader grounding_header(const RunContext& context, const RecordJob& record) {
  return {grounding_fingerprint(fingerprint_input(record, context.grounding_prompt), record.texts,
                                context.spec.vlm.coordinates),
          context.model, record.sample.image_path, record.sample.caption};
}

void take_extraction_checkpoint(const RunContext& context, RecordJob& record, RunReport& report) {
  const CheckpointHeader wanted = extraction_header(context, record);
  auto found = context.store.find_extraction(record.name, wanted);
  if (!found) return;
  ExtractionCheckpoint& checkpoint = found->checkpoint;
  if (found->foreign) {
    ++report.stock_checkpoints;
    check_spans(checkpoint.result, report.labels);
    checkpoint.result.size.reset();  // the stock pipeline guesses sizes
  } else if (checkpoint.header.model != context.model) {
    ++report.other_model;
  }
  set_extraction(record, std::move(checkpoint.result));
  // A foreign checkpoint without a size waits for the picture's header before it counts as done.
  if (!found->foreign) ++report.step[0].from_checkpoint;
}

void take_grounding_checkpoint(const RunContext& context, RecordJob& record, RunReport& report) {
  auto found =
      context.store.find_grounding(record.name, grounding_header(context, record).fingerprint);
  if (!found || found->result.instances.size() != record.texts.size()) return;
  if (found->header.model != context.model) ++report.other_model;
  ++report.step[1].from_checkpoint;
  record.grounding = std::move(found->result);
}

bool is_settled(const RunContext& context, const RecordJob& record) {
  if (record.error || record.failed_earlier) return true;
  const bool extracted = !context.extracts() || (record.extraction && record.extraction->size);
  return extracted && (!context.grounds() || record.grounding);
}

RecordError image_error(const RunContext& context, const Error& error) {
  return image_error(context.extracts() ? Step::kExtraction : Step::kGrounding, error);
}

// Whether any record of the image needs the model, so that its picture must be made ready.
bool needs_request(const RunContext& context, const RecordJob& record) {
  if (is_settled(context, record)) return false;
  if (context.extracts() && !record.extraction) return !trim(record.sample.caption).empty();
  return context.grounds() && !record.texts.empty();
}

void note_size(RecordJob& record, PictureSize upright, RunReport& report) {
  const auto& declared = record.sample.declared_size;
  if (declared && *declared != upright) ++report.size_mismatches;
  if (record.extraction) record.extraction->size = upright;
}

struct OpenedPicture {
  std::optional<Picture> picture;
  std::optional<PictureSize> upright;
  std::optional<RecordError> error;
};

OpenedPicture open_picture(const RunContext& context, const ImageJob& job, RunReport& report) {
  OpenedPicture out;
  const std::string& path = job.records.front().sample.image_path;
  const auto requests =
      std::any_of(job.records.begin(), job.records.end(),
                  [&](const RecordJob& record) { return needs_request(context, record); });
  Result<ImageInfo> info = read_image_info(path, {context.spec.data.max_image_pixels});
  std::optional<Error> error;
  if (!info) {
    error = info.error();
  } else {
    out.upright = PictureSize{info->width, info->height};
    if (!requests) return out;
    auto picture = make_picture(path, *info, context.spec.vlm, context.coordinates);
    if (picture) {
      report.images_downscaled += picture->downscaled_for_limit ? 1 : 0;
      out.picture = std::move(*picture);
      return out;
    }
    error = picture.error();
  }
  if (context.spec.data.on_missing_image == OnMissingImage::kFail) {
    out.error = image_error(context, *error);
  }
  return out;
}

// A caption with nothing in it names nothing: no request.
Status settle_empty_caption(const RunContext& context, RecordJob& record, PictureSize upright,
                            RunReport& report) {
  if (!context.extracts() || record.extraction || !trim(record.sample.caption).empty()) return {};
  ++report.labels.empty_captions;
  set_extraction(record, {});
  record.extraction->size = upright;
  return save_extraction(context, record);
}

Status settle(const RunContext& context, ImageJob& job, RunReport& report) {
  const bool all_settled =
      std::all_of(job.records.begin(), job.records.end(),
                  [&](const RecordJob& record) { return is_settled(context, record); });
  if (all_settled) return {};
  OpenedPicture opened = open_picture(context, job, report);
  for (RecordJob& record : job.records) {
    if (is_settled(context, record)) continue;
    if (opened.error) {
      record.error = opened.error;
      continue;
    }
    if (!opened.upright) ++report.text_only;
    const PictureSize upright =
        opened.upright.value_or(text_only_picture(record.sample.declared_size).upright);
    note_size(record, upright, report);
    if (auto status = settle_empty_caption(context, record, upright, report); !status)
      return status;
    if (context.extracts() && record.extraction) {
      if (auto status = save_extraction(context, record); !status) return status;
    }
  }
  if (!opened.error && !opened.picture) {
    opened.picture = text_only_picture(opened.upright ? opened.upright
                                                      : job.records.front().sample.declared_size);
  }
  job.picture = std::move(opened.picture);
  return {};
}

}  // namespace

void set_extraction(RecordJob& record, ExtractionResult result) {
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
    record.failed_earlier = sample->failed;
  }
  record.name = context.dataset.name_of(index, record.sample);
  if (record.failed_earlier) return record;
  if (context.extracts()) take_extraction_checkpoint(context, record, report);
  const bool expressions_known = !context.extracts() || record.extraction;
  if (context.grounds() && expressions_known) take_grounding_checkpoint(context, record, report);
  return record;
}

Result<std::vector<std::shared_ptr<ImageJob>>> load_jobs(const RunContext& context,
                                                         std::size_t group, RunReport& report) {
  std::map<std::string, std::shared_ptr<ImageJob>> by_path;
  for (const std::uint32_t index : context.dataset.group(group)) {
    auto record = load_record(context, index, report);
    if (!record) return tl::unexpected(record.error());
    std::shared_ptr<ImageJob>& job = by_path[record->sample.image_path];
    if (!job) job = std::make_shared<ImageJob>();
    job->records.push_back(std::move(*record));
  }
  std::vector<std::shared_ptr<ImageJob>> jobs;
  for (auto& [path, job] : by_path) {
    if (auto status = settle(context, *job, report); !status) return tl::unexpected(status.error());
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<Picture> remake_picture(const RunContext& context, const ImageJob& job,
                               const std::set<std::string>& refused) {
  const std::string& path = job.records.front().sample.image_path;
  Result<ImageInfo> info = read_image_info(path, {context.spec.data.max_image_pixels});
  if (!info) return tl::unexpected(info.error());
  return make_picture(path, *info, context.spec.vlm, context.coordinates, refused);
}

Result<bool> needs_grounding(const RunContext& context, RecordJob& record, PictureSize upright,
                             RunReport& report) {
  if (record.error || record.failed_earlier || record.grounding) return false;
  take_grounding_checkpoint(context, record, report);
  if (record.grounding) return false;
  if (!record.texts.empty()) return true;
  record.grounding = GroundingResult{{}, upright};
  if (auto status = save_grounding(context, record); !status) return tl::unexpected(status.error());
  return false;
}

Status save_extraction(const RunContext& context, const RecordJob& record) {
  return context.store.save(
      Step::kExtraction, record.name,
      encode_checkpoint(extraction_header(context, record), *record.extraction));
}

Status save_grounding(const RunContext& context, const RecordJob& record) {
  return context.store.save(
      Step::kGrounding, record.name,
      encode_checkpoint(grounding_header(context, record), record.texts, *record.grounding));
}

void add_counts(RunReport& total, const RunReport& part) {
  for (std::size_t i = 0; i < total.step.size(); ++i) {
    total.step[i].from_checkpoint += part.step[i].from_checkpoint;
  }
  total.size_mismatches += part.size_mismatches;
  total.text_only += part.text_only;
  total.other_model += part.other_model;
  total.stock_checkpoints += part.stock_checkpoints;
  total.images_downscaled += part.images_downscaled;
  total.labels += part.labels;
}

}  // namespace alig
