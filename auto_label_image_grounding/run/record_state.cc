#include "auto_label_image_grounding/run/record_state.h"

namespace alig {
namespace {

// Whether the result that the step's own was made from is gone.
bool has_lost_input(const RecordFacts& record, Step step, const RecordRules& rules) {
  const auto& needed = traits_of(step).needs;
  return needed && rules.steps.contains(*needed) && !record.steps[*needed].has_result;
}

// Whether a result is not of the image as it is now.
bool is_stale(Step step, const StepFacts& facts, const ImageState& image,
              const RecordRules& rules) {
  const bool describes_image = traits_of(step).describes_image;
  if (!facts.has_result) return false;
  // The stock pipeline guesses sizes: none is taken from it. Boxes without a size are from an older
  // version, which recorded none.
  if (!facts.size) return !describes_image;
  const bool other_size = *facts.size != image.upright;
  if (!facts.without_image) return other_size && image.readable;
  const bool image_is_back = describes_image ? image.usable : image.readable;
  const bool unwanted = describes_image && !rules.guesses;
  return other_size || image_is_back || unwanted;
}

}  // namespace

std::optional<Step> next_look_up(const RecordFacts& record, const RecordRules& rules) {
  if (record.failed) return std::nullopt;
  for (const Step step : rules.steps) {
    const StepFacts& facts = record.steps[step];
    if (facts.input_known && !facts.looked_up) return step;
  }
  return std::nullopt;
}

Need next_need(const RecordFacts& record, const ImageState& image, const RecordRules& rules) {
  if (record.failed) return {};
  if (const auto step = next_look_up(record, rules)) return {Action::kLookUp, *step};
  for (const Step step : rules.steps) {
    const StepFacts& facts = record.steps[step];
    const bool stale = is_stale(step, facts, image, rules) && traits_of(step).describes_image;
    if (stale || (facts.has_result && has_lost_input(record, step, rules))) {
      return {Action::kDrop, step};
    }
  }
  for (const Step step : rules.steps) {
    const StepFacts& facts = record.steps[step];
    if (!facts.has_result) return {facts.nothing_to_ask ? Action::kSettle : Action::kAsk, step};
    if (is_stale(step, facts, image, rules)) return {Action::kResize, step};
  }
  return {};
}

StepSet requests_ahead(const RecordFacts& record, const RecordRules& rules) {
  StepSet out;
  StepSet empty;  // their results will be, or are known to be
  if (record.failed) return out;
  for (const Step step : rules.steps) {
    const auto& needed = traits_of(step).needs;
    const StepFacts& facts = record.steps[step];
    const bool nothing_to_ask = facts.nothing_to_ask || (needed && empty.contains(*needed));
    if (needed && out.contains(*needed)) {
      out.insert(step);
    } else if (!facts.has_result) {
      (nothing_to_ask ? empty : out).insert(step);
    }
  }
  return out;
}

bool has_all_results(const RecordFacts& record, const RecordRules& rules) {
  for (const Step step : rules.steps) {
    if (!record.steps[step].has_result) return false;
  }
  return true;
}

bool is_finished(const RecordFacts& record, const RecordRules& rules) {
  return record.failed || has_all_results(record, rules);
}

}  // namespace alig
