#include "auto_label_image_grounding/run/record_job.h"

#include <utility>

#include "auto_label_image_grounding/run/step_work.h"

namespace alig {
namespace {

Status look_up(const RunContext& context, RecordJob& record, Step step, RunCounts& counts) {
  record.looked_up[step] = true;
  return context.resumes[step] ? work_of(step).look_up(context, record, counts) : Status();
}

void drop(const RunContext& context, RecordJob& record, Step step, const ImageState& image,
          RunCounts& counts) {
  --counts.from_checkpoint[step];
  counts.other_model -= record.model[step] != context.plan.backend().model() ? 1 : 0;
  work_of(step).drop(record);
  if (image.usable || context.rules().guesses) ++counts.changed_images;
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
  for (const Step step : StepSet::all()) {
    StepFacts& facts = out.steps[step];
    const auto& needed = traits_of(step).needs;
    facts.input_known =
        !needed || out.steps[*needed].has_result || !context.rules().steps.contains(*needed);
    facts.looked_up = record.looked_up[step];
    work_of(step).describe(record, facts);
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
      drop(context, record, need.step, image, counts);
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
    const StepWork& work = work_of(need->step);
    if (need->action == Action::kSettle) work.settle(record, image, counts);
    if (need->action == Action::kResize) work.resize(record, image);
    if (auto status = save_result(context, record, need->step); !status) {
      return tl::unexpected(status.error());
    }
  }
}

Status take_extraction(const RunContext& context, RecordJob& record, ExtractionResult result,
                       const ImageState& image, RunCounts& counts) {
  set_extraction(record, std::move(result), image);
  if (auto status = save_result(context, record, Step::kExtraction); !status) return status;
  auto settled = settle_record(context, record, image, counts);
  return settled ? Status() : tl::unexpected(settled.error());
}

Status save_result(const RunContext& context, const RecordJob& record, Step step) {
  return context.store.save(step, record.name, work_of(step).encode(context, record));
}

FinishedRecord to_finished(RecordJob& record, std::uint32_t line) {
  FinishedRecord out;
  out.line = line;
  out.sample_id = checkpoint_name(record.name);
  out.sample = std::move(record.sample);
  if (record.extraction) out.extraction = std::move(*record.extraction);
  if (record.grounding) out.grounding = std::move(*record.grounding);
  out.error = std::move(record.error);
  out.earlier_error = record.earlier_error;
  return out;
}

}  // namespace alig
