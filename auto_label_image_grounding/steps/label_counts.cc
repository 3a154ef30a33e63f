#include "auto_label_image_grounding/steps/label_counts.h"

#include <array>
#include <utility>

namespace alig {
namespace {

using Member = std::int64_t LabelCounts::*;

constexpr std::array<std::pair<const char*, Member>, 16> kCounters = {{
    {"null_spans", &LabelCounts::null_spans},
    {"spans_corrected", &LabelCounts::spans_corrected},
    {"duplicate_expressions", &LabelCounts::duplicate_expressions},
    {"unusable_expressions", &LabelCounts::unusable_expressions},
    {"captions_kept", &LabelCounts::captions_kept},
    {"empty_captions", &LabelCounts::empty_captions},
    {"boxes_reordered", &LabelCounts::boxes_reordered},
    {"boxes_clamped", &LabelCounts::boxes_clamped},
    {"boxes_dropped", &LabelCounts::boxes_dropped},
    {"boxes_merged", &LabelCounts::boxes_merged},
    {"boxes_beyond_limit", &LabelCounts::boxes_beyond_limit},
    {"scores_normalised", &LabelCounts::scores_normalised},
    {"answers_unmatched", &LabelCounts::answers_unmatched},
    {"expressions_unanswered", &LabelCounts::expressions_unanswered},
    {"calls_split", &LabelCounts::calls_split},
    {"answers_repaired", &LabelCounts::answers_repaired},
}};

// A counter that is missing above would never be added.
static_assert(sizeof(LabelCounts) == kCounters.size() * sizeof(std::int64_t) +
                                         sizeof(LabelCounts::repairs) +
                                         sizeof(LabelCounts::convention));

}  // namespace

LabelCounts& LabelCounts::operator+=(const LabelCounts& other) {
  for (const auto& [name, member] : kCounters) this->*member += other.*member;
  for (const auto& [kind, count] : other.repairs) repairs[kind] += count;
  convention += other.convention;
  return *this;
}

std::map<std::string, std::int64_t> LabelCounts::named() const {
  std::map<std::string, std::int64_t> out;
  for (const auto& [name, member] : kCounters) out[name] = this->*member;
  return out;
}

}  // namespace alig
