#include "auto_label_image_grounding/parse/grounding_answer.h"

#include <iterator>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/grounding_json.h"
#include "auto_label_image_grounding/parse/grounding_text.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {
namespace {

constexpr const char* kSuperseded = "superseded_block";
constexpr const char* kBoxTokens = "box_tokens";
constexpr const char* kTextLines = "text_lines";
constexpr const char* kDecline = "decline";
constexpr std::size_t kQuotedBytes = 120;

// A block that answers as a whole, and not a line of several: a list, or an object that wraps one.
bool is_whole_answer(const JsonBlock& block, const GroundingDraft& draft) {
  return block.value.is_array() || draft.items.size() > 1 || block.value.contains("groundings");
}

// What a block speaks of.
std::set<std::string> subjects_of(const GroundingDraft& draft) {
  std::set<std::string> out;
  for (const GroundingItem& item : draft.items) {
    const std::string label = fold_for_comparison(trim(item.label));
    if (!label.empty()) {
      out.insert("text " + label);
    } else if (item.id) {
      out.insert(fmt::format("id {}", *item.id));
    }
  }
  return out;
}

struct ReadBlock {
  GroundingDraft draft;
  std::set<std::string> subjects;  // of whole answers alone
  bool superseded = false;
};

// Where a later whole answer speaks of what an earlier one spoke of, the model corrected itself:
// the earlier one is withdrawn.
void withdraw_superseded(std::vector<ReadBlock>& blocks) {
  std::set<std::string> later;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    ReadBlock& block = blocks[i];
    for (const std::string& subject : block.subjects) {
      block.superseded = block.superseded || later.count(subject) > 0;
    }
    if (!block.superseded) later.insert(block.subjects.begin(), block.subjects.end());
  }
}

void append(GroundingDraft&& from, GroundingDraft& to) {
  to.items.insert(to.items.end(), std::make_move_iterator(from.items.begin()),
                  std::make_move_iterator(from.items.end()));
  to.unusable += from.unusable;
  to.understood = to.understood || from.understood;
  to.truncated = to.truncated || from.truncated;
  to.repairs.merge(from.repairs);
}

// One after another with nothing in between: parts of one answer.
bool continues(std::string_view answer, const JsonBlock& previous, const JsonBlock& block) {
  return trim(answer.substr(previous.end, block.begin - previous.end)).empty();
}

// What the JSON blocks say that are more than bare arrays.
GroundingDraft read_json_blocks(std::string_view answer, const std::vector<JsonBlock>& blocks) {
  std::vector<ReadBlock> read;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (is_bare_array(blocks[i])) continue;
    ReadBlock entry{read_grounding_block(blocks[i]), {}, false};
    const bool part = (i > 0 && continues(answer, blocks[i - 1], blocks[i])) ||
                      (i + 1 < blocks.size() && continues(answer, blocks[i], blocks[i + 1]));
    if (!part && is_whole_answer(blocks[i], entry.draft)) entry.subjects = subjects_of(entry.draft);
    read.push_back(std::move(entry));
  }
  withdraw_superseded(read);
  GroundingDraft out;
  for (ReadBlock& entry : read) {
    if (entry.superseded) {
      out.repairs.insert(kSuperseded);
    } else {
      append(std::move(entry.draft), out);
    }
  }
  return out;
}

bool has_bare_arrays(const std::vector<JsonBlock>& blocks) {
  for (const JsonBlock& block : blocks) {
    if (is_bare_array(block)) return true;
  }
  return false;
}

// The shapes in the order in which they are believed: JSON that names what it says, box tokens,
// arrays with words around them, a decline.
GroundingDraft read_any_shape(std::string_view answer, const LenientJson& json) {
  GroundingDraft out = read_json_blocks(answer, json.blocks);
  if (out.understood) return out;
  const bool truncated = out.truncated;
  if (has_box_tokens(answer)) {
    out = read_box_tokens(answer);
    out.repairs.insert(kBoxTokens);
  } else if (has_bare_arrays(json.blocks)) {
    out = read_labelled_lines(answer, json.blocks);
    if (json.repairs.count(Repair::kProse) > 0) out.repairs.insert(kTextLines);
  } else if (is_decline(answer)) {
    out.understood = true;
    out.repairs.insert(kDecline);
  }
  out.truncated = out.truncated || truncated;
  return out;
}

// What the JSON reader repaired; if no JSON was used, only what was stripped around the answer.
void add_repairs(const LenientJson& json, GroundingDraft& draft) {
  const bool no_json = draft.repairs.count(kBoxTokens) > 0 || draft.repairs.count(kDecline) > 0;
  for (const Repair repair : json.repairs) {
    const bool around = repair == Repair::kReasoning || repair == Repair::kAnswerTag ||
                        repair == Repair::kCodeFence;
    if (around || !no_json) draft.repairs.insert(name_of(repair));
  }
}

Error nothing_found(std::string_view text, const LenientJson& json) {
  const std::string_view trimmed = trim(text);
  if (json.cut_in_reasoning) {
    return {ErrorKind::kData, "the answer ends inside its reasoning, before it says anything"};
  }
  if (trimmed.empty()) return {ErrorKind::kData, "the answer is empty"};
  const char* what = json.blocks.empty() ? "the answer holds no boxes and no JSON"
                                         : "the answer's JSON says nothing about boxes";
  return {ErrorKind::kData,
          fmt::format("{}: \"{}\"", what, shorten(scrub_utf8(trimmed), kQuotedBytes))};
}

}  // namespace

Result<GroundingAnswer> read_grounding_answer(std::string_view text) {
  LenientJson json = read_lenient_json(text);
  const std::string_view answer =
      text.substr(json.answer_begin, json.answer_end - json.answer_begin);
  for (JsonBlock& block : json.blocks) {
    block.begin -= json.answer_begin;
    block.end -= json.answer_begin;
  }
  GroundingDraft draft = read_any_shape(answer, json);
  const bool cut_block = !json.blocks.empty() && json.blocks.back().truncated;
  if (!draft.understood && !draft.truncated && !cut_block) {
    return tl::unexpected<Error>(nothing_found(answer, json));
  }
  GroundingAnswer out;
  out.items = std::move(draft.items);
  out.truncated = draft.truncated || cut_block || json.cut_in_reasoning;
  out.unusable_boxes = draft.unusable;
  add_repairs(json, draft);
  out.repairs.assign(draft.repairs.begin(), draft.repairs.end());
  return out;
}

}  // namespace alig::parse
