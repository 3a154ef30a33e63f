#include "auto_label_image_grounding/run/record_job.h"

#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"

namespace alig {
namespace {

FingerprintInput fingerprint_input(const RecordJob& record, const PromptTemplate& prompt) {
  return {record.sample.image_path, record.sample.caption, prompt.custom_sha256};
}

CheckpointHeader extraction_header(const RunContext& context, const RecordJob& record) {
  const std::string& model = record.model[Step::kExtraction];
  return {extraction_fingerprint(fingerprint_input(record, context.plan.prompts.extraction)),
          model.empty() ? context.plan.backend->model() : model, record.sample.image_path,
          record.sample.caption};
}

CheckpointHeader grounding_header(const RunContext& context, const RecordJob& record) {
  return {grounding_fingerprint(fingerprint_input(record, context.plan.prompts.grounding),
                                record.texts, context.plan.spec.vlm.coordinates),
          context.plan.backend->model(), record.sample.image_path, record.sample.caption};
}

void set_extraction(RecordJob& record, ExtractionResult result, std::string model = {}) {
  record.model[Step::kExtraction] = std::move(model);
  record.texts.clear();
  for (const Expression& expression : result.expressions) record.texts.push_back(expression.text);
  record.extraction = std::move(result);
}

Status look_up_extraction(const RunContext& context, RecordJob& record, RunCounts& counts) {
  auto looked_up = context.store.find_extraction(record.name, extraction_header(context, record));
  if (!looked_up) return tl::unexpected(looked_up.error());
  auto& found = *looked_up;
  if (!found) return {};
  ExtractionCheckpoint& checkpoint = found->checkpoint;
  if (found->foreign) {
    ++counts.stock_checkpoints;
    check_spans(checkpoint.result, counts.labels);
    checkpoint.result.size.reset();  // the stock pipeline guesses sizes
  } else {
    ++counts.from_checkpoint[Step::kExtraction];
    if (checkpoint.header.model != context.plan.backend->model()) ++counts.other_model;
  }
  if (trim(record.sample.caption).empty()) ++counts.labels.empty_captions;
  set_extraction(record, std::move(checkpoint.result), std::move(checkpoint.header.model));
  return {};
}

void count_reused_grounding(const RunContext& context, const RecordJob& record, int sign,
                            RunCounts& counts) {
  counts.from_checkpoint[Step::kGrounding] += sign;
  const bool other = record.model[Step::kGrounding] != context.plan.backend->model();
  counts.other_model += other ? sign : 0;
}

Status look_up_grounding(const RunContext& context, RecordJob& record, RunCounts& counts) {
  auto looked_up =
      context.store.find_grounding(record.name, grounding_header(context, record).fingerprint);
  if (!looked_up) return tl::unexpected(looked_up.error());
  auto& found = *looked_up;
  if (!found || found->result.instances.size() != record.texts.size()) return {};
  record.grounding = std::move(found->result);
  record.model[Step::kGrounding] = std::move(found->header.model);
  count_reused_grounding(context, record, 1, counts);
  return {};
}

Status look_up(const RunContext& context, RecordJob& record, Step step, RunCounts& counts) {
  record.looked_up[step] = true;
  if (!context.resumes[step]) return {};
  switch (step) {
    case Step::kExtraction:
      return look_up_extraction(context, record, counts);
    case Step::kGrounding:
      return look_up_grounding(context, record, counts);
  }
  return {};
}

void drop_grounding(const RunContext& context, RecordJob& record, const ImageState& image,
                    RunCounts& counts) {
  count_reused_grounding(context, record, -1, counts);
  record.grounding.reset();
  if (image.usable || context.rules().guesses) ++counts.changed_images;
}

void set_size(ExtractionResult& extraction, const ImageState& image) {
  extraction.size = image.upright;
  extraction.size_declared = !image.readable;
}

void settle_step(RecordJob& record, Step step, const ImageState& image, RunCounts& counts) {
  switch (step) {
    case Step::kExtraction:
      ++counts.labels.empty_captions;
      set_extraction(record, {});
      set_size(*record.extraction, image);
      return;
    case Step::kGrounding:
      record.grounding = GroundingResult{{}, image.upright};
      return;
  }
}

Status read_line(const RunContext& context, const std::string& line, RecordJob& record) {
  if (context.rules().steps.contains(Step::kExtraction)) {
    auto sample = read_input_sample(line, context.plan.spec.data.image_root);
    if (!sample) return tl::unexpected(sample.error());
    record.sample = std::move(*sample);
    return {};
  }
  auto sample = read_extracted_sample(line);
  if (!sample) return tl::unexpected(sample.error());
  record.sample = std::move(sample->sample);
  record.texts = std::move(sample->texts);
  record.earlier_error = std::move(sample->error);
  return {};
}

}  // namespace

RecordFacts facts_of(const RecordJob& record, const RunContext& context) {
  RecordFacts out;
  out.failed = record.error || record.earlier_error;
  StepFacts& extraction = out.steps[Step::kExtraction];
  extraction.input_known = true;
  extraction.nothing_to_ask = trim(record.sample.caption).empty();
  extraction.looked_up = record.looked_up[Step::kExtraction];
  if (record.extraction) {
    extraction.has_result = true;
    extraction.size = record.extraction->size;
    extraction.without_image = record.extraction->size_declared;
  }
  StepFacts& grounding = out.steps[Step::kGrounding];
  grounding.input_known = record.extraction || !context.rules().steps.contains(Step::kExtraction);
  grounding.nothing_to_ask = grounding.input_known && record.texts.empty();
  grounding.looked_up = record.looked_up[Step::kGrounding];
  if (record.grounding) {
    grounding.has_result = true;
    grounding.size = record.grounding->size;
    grounding.without_image = record.grounding->text_only;
  }
  return out;
}

Result<RecordJob> load_record(const RunContext& context, std::size_t index, RunCounts& counts) {
  const Dataset& dataset = context.plan.dataset;
  auto line = dataset.line(index);
  if (!line) return tl::unexpected(line.error());
  RecordJob record;
  record.index = index;
  if (auto status = read_line(context, *line, record); !status) {
    // The dataset has read this line before.
    return fail(ErrorKind::kIo, "the input changed during the run: " + status.error().message);
  }
  record.name = dataset.name_of(index, record.sample);
  if (const auto id = dataset.unique_id(index, record.sample)) {
    record.sample.record.set_string("image_id", *id);
  }
  while (const auto step = next_look_up(facts_of(record, context), context.rules())) {
    if (auto status = look_up(context, record, *step, counts); !status) {
      return tl::unexpected(status.error());
    }
  }
  return record;
}

Result<Need> check_results(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts) {
  for (;;) {
    const Need need = next_need(facts_of(record, context), image, context.rules());
    if (need.action == Action::kLookUp) {
      if (auto status = look_up(context, record, need.step, counts); !status) {
        return tl::unexpected(status.error());
      }
    } else if (need.action == Action::kDrop) {
      drop_grounding(context, record, image, counts);
    } else {
      return need;
    }
  }
}

Result<Need> settle_record(const RunContext& context, RecordJob& record, const ImageState& image,
                           RunCounts& counts) {
  for (;;) {
    auto need = check_results(context, record, image, counts);
    if (!need || need->action == Action::kNone || need->action == Action::kAsk) return need;
    if (need->action == Action::kSettle) settle_step(record, need->step, image, counts);
    if (need->action == Action::kResize) set_size(*record.extraction, image);
    if (auto status = save_result(context, record, need->step); !status) {
      return tl::unexpected(status.error());
    }
  }
}

Status take_extraction(const RunContext& context, RecordJob& record, ExtractionResult result,
                       const ImageState& image, RunCounts& counts) {
  set_size(result, image);
  set_extraction(record, std::move(result));
  if (auto status = save_result(context, record, Step::kExtraction); !status) return status;
  auto settled = settle_record(context, record, image, counts);
  return settled ? Status() : tl::unexpected(settled.error());
}

Status save_result(const RunContext& context, const RecordJob& record, Step step) {
  const CheckpointStore& store = context.store;
  switch (step) {
    case Step::kExtraction:
      return store.save(step, record.name,
                        encode_checkpoint(extraction_header(context, record), *record.extraction));
    case Step::kGrounding:
      return store.save(
          step, record.name,
          encode_checkpoint(grounding_header(context, record), record.texts, *record.grounding));
  }
  return {};
}

}  // namespace alig
