#include "auto_label_image_grounding/run/step_work.h"

#include <array>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"

namespace alig {
namespace {

FingerprintInput fingerprint_input(const RecordJob& record, const PromptTemplate& prompt) {
  return {record.sample.image_path, record.sample.caption, prompt.custom_sha256};
}

// ---- step 0: extraction ----

CheckpointHeader extraction_header(const RunContext& context, const RecordJob& record) {
  const std::string& model = record.model[Step::kExtraction];
  return {extraction_fingerprint(fingerprint_input(record, context.plan.prompts.extraction)),
          model.empty() ? context.plan.backend().model() : model, record.sample.image_path,
          record.sample.caption};
}

void describe_extraction(const RecordJob& record, StepFacts& facts) {
  facts.nothing_to_ask = trim(record.sample.caption).empty();
  if (!record.extraction) return;
  facts.has_result = true;
  facts.size = record.extraction->size;
  facts.without_image = record.extraction->size_declared;
}

void take_result(RecordJob& record, ExtractionResult result) {
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
    if (checkpoint.header.model != context.plan.backend().model()) ++counts.other_model;
  }
  if (trim(record.sample.caption).empty()) ++counts.labels.empty_captions;
  record.model[Step::kExtraction] = std::move(checkpoint.header.model);
  take_result(record, std::move(checkpoint.result));
  return {};
}

void drop_extraction(RecordJob& record) {
  record.extraction.reset();
  record.texts.clear();
}

void resize_extraction(RecordJob& record, const ImageState& image) {
  record.extraction->size = image.upright;
  record.extraction->size_declared = !image.readable;
}

void settle_extraction(RecordJob& record, const ImageState& image, RunCounts& counts) {
  ++counts.labels.empty_captions;
  set_extraction(record, {}, image);
}

std::string encode_extraction(const RunContext& context, const RecordJob& record) {
  return encode_checkpoint(extraction_header(context, record), *record.extraction);
}

// ---- step 1: grounding ----

CheckpointHeader grounding_header(const RunContext& context, const RecordJob& record) {
  return {grounding_fingerprint(fingerprint_input(record, context.plan.prompts.grounding),
                                record.texts, context.plan.spec.vlm.coordinates),
          context.plan.backend().model(), record.sample.image_path, record.sample.caption};
}

void describe_grounding(const RecordJob& record, StepFacts& facts) {
  facts.nothing_to_ask = facts.input_known && record.texts.empty();
  if (!record.grounding) return;
  facts.has_result = true;
  facts.size = record.grounding->size;
  facts.without_image = record.grounding->text_only;
}

Status look_up_grounding(const RunContext& context, RecordJob& record, RunCounts& counts) {
  auto looked_up =
      context.store.find_grounding(record.name, grounding_header(context, record).fingerprint);
  if (!looked_up) return tl::unexpected(looked_up.error());
  auto& found = *looked_up;
  if (!found || found->result.instances.size() != record.texts.size()) return {};
  ++counts.from_checkpoint[Step::kGrounding];
  if (found->header.model != context.plan.backend().model()) ++counts.other_model;
  record.model[Step::kGrounding] = std::move(found->header.model);
  record.grounding = std::move(found->result);
  return {};
}

void drop_grounding(RecordJob& record) { record.grounding.reset(); }

void resize_grounding(RecordJob& record, const ImageState& image) {
  record.grounding->size = image.upright;
}

void settle_grounding(RecordJob& record, const ImageState& image, RunCounts& /*counts*/) {
  record.grounding = GroundingResult{{}, image.upright};
}

std::string encode_grounding(const RunContext& context, const RecordJob& record) {
  return encode_checkpoint(grounding_header(context, record), record.texts, *record.grounding);
}

constexpr std::array<StepWork, kStepCount> kWork = {{
    {Step::kExtraction, describe_extraction, look_up_extraction, drop_extraction, resize_extraction,
     settle_extraction, encode_extraction},
    {Step::kGrounding, describe_grounding, look_up_grounding, drop_grounding, resize_grounding,
     settle_grounding, encode_grounding},
}};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kStepCount; ++i) {
    if (index_of(kWork[i].step) != i) return false;
  }
  return true;
}
static_assert(is_in_order());

}  // namespace

const StepWork& work_of(Step step) { return kWork[index_of(step)]; }

void set_extraction(RecordJob& record, ExtractionResult result, const ImageState& image) {
  record.model[Step::kExtraction].clear();
  take_result(record, std::move(result));
  resize_extraction(record, image);
}

}  // namespace alig
