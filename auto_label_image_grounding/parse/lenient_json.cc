#include "auto_label_image_grounding/parse/lenient_json.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/lenient_block.h"
#include "auto_label_image_grounding/parse/tags.h"

namespace alig::parse {
namespace {

// Feeds the library's strict parser into our builder.
class StrictHandler : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  // Beyond 2^63: a double, as the tolerant reader has it.
  bool number_unsigned(number_unsigned_t value) override {
    return value <= INT64_MAX ? put(static_cast<std::int64_t>(value))
                              : put(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override {
    builder.open_object();
    return !builder.is_too_deep();
  }
  bool key(string_t& name) override {
    builder.key(std::move(name));
    return true;
  }
  bool start_array(std::size_t) override {
    builder.open_array();
    return !builder.is_too_deep();
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  JsonBuilder builder;

 private:
  bool put(Json value) {
    builder.value(std::move(value));
    return true;
  }
  bool close() {
    builder.close();
    return true;
  }
};

std::optional<JsonBlock> read_strictly(std::string_view text, std::set<Repair>& repairs) {
  std::string_view trimmed = trim(text);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (trimmed.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    trimmed = trim(trimmed.substr(kByteOrderMark.size()));
  }
  if (trimmed.empty() || (trimmed[0] != '{' && trimmed[0] != '[')) return std::nullopt;
  StrictHandler handler;
  if (!Json::sax_parse(trimmed.begin(), trimmed.end(), &handler)) return std::nullopt;
  if (handler.builder.has_repeated_keys()) repairs.insert(Repair::kDuplicateKey);
  JsonBlock block;
  block.value = handler.builder.take();
  block.begin = static_cast<std::size_t>(trimmed.data() - text.data());
  block.end = block.begin + trimmed.size();
  return block;
}

struct WrapperTag {
  enum class Kind { kNone, kReasoningOpens, kReasoningCloses, kAnswerOpens, kAnswerCloses };
  Kind kind = Kind::kNone;
};

WrapperTag::Kind wrapper_kind(std::string_view name) {
  using Kind = WrapperTag::Kind;
  struct Row {
    std::string_view name;
    Kind kind;
  };
  static constexpr std::array<Row, 12> kRows = {{{"think", Kind::kReasoningOpens},
                                                 {"/think", Kind::kReasoningCloses},
                                                 {"thinking", Kind::kReasoningOpens},
                                                 {"/thinking", Kind::kReasoningCloses},
                                                 {"thought", Kind::kReasoningOpens},
                                                 {"/thought", Kind::kReasoningCloses},
                                                 {"reasoning", Kind::kReasoningOpens},
                                                 {"/reasoning", Kind::kReasoningCloses},
                                                 {"rethink", Kind::kReasoningOpens},
                                                 {"/rethink", Kind::kReasoningCloses},
                                                 {"answer", Kind::kAnswerOpens},
                                                 {"/answer", Kind::kAnswerCloses}}};
  const std::string lower = ascii_lower(trim(name));
  for (const Row& row : kRows) {
    if (row.name == lower) return row.kind;
  }
  return Kind::kNone;
}

// Positions of the wrappers that decide which part of a text is the answer.
class PartFinder {
 public:
  explicit PartFinder(std::string_view text) : text_(text) {}

  AnswerPart find() {
    for (std::size_t at = text_.find('<'); at != std::string_view::npos;) {
      const auto tag = tag_at(text_, at);
      if (tag) see(wrapper_kind(tag->name), at, at + tag->length);
      at = text_.find('<', at + (tag ? tag->length : 1));
    }
    AnswerPart part;
    part.cut_in_reasoning = in_reasoning_;
    if (reasoning_) part.repairs.insert(Repair::kReasoning);
    if (answer_) part.repairs.insert(Repair::kAnswerTag);
    part.text = text_.substr(begin_, end_ - begin_);
    return part;
  }

 private:
  using Kind = WrapperTag::Kind;

  void see(Kind kind, std::size_t begin, std::size_t end) {
    if (kind == Kind::kReasoningCloses) {
      // Whatever was read so far was reasoning, with or without its opening tag.
      reasoning_ = true;
      in_reasoning_ = answer_ = false;
      begin_ = end;
      end_ = text_.size();
    } else if (in_reasoning_) {
      return;
    } else if (kind == Kind::kReasoningOpens) {
      reasoning_ = in_reasoning_ = true;
      end_ = std::min(end_, begin);
    } else if (kind == Kind::kAnswerOpens) {
      answer_ = true;
      begin_ = end;
      end_ = text_.size();
    } else if (kind == Kind::kAnswerCloses) {
      end_ = std::min(end_, begin);
    }
  }

  std::string_view text_;
  std::size_t begin_ = 0;
  std::size_t end_ = text_.size();
  bool reasoning_ = false;
  bool in_reasoning_ = false;
  bool answer_ = false;
};

// What is outside the blocks: nothing, fences, or prose.
void note_surroundings(std::string_view outside, std::set<Repair>& repairs) {
  std::string_view rest = outside;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.substr(0, 3) == "```" || line.substr(0, 3) == "~~~") {
      repairs.insert(Repair::kCodeFence);
    } else if (line.find("```") != std::string_view::npos) {
      repairs.insert(Repair::kCodeFence);
      repairs.insert(Repair::kProse);
    } else if (line.find_first_not_of(",;\"") != std::string_view::npos) {
      repairs.insert(Repair::kProse);
    }
  }
}

}  // namespace

const char* name_of(Repair repair) {
  switch (repair) {
    case Repair::kCodeFence:
      return "code_fence";
    case Repair::kProse:
      return "prose";
    case Repair::kReasoning:
      return "reasoning";
    case Repair::kAnswerTag:
      return "answer_tag";
    case Repair::kSeveralBlocks:
      return "several_blocks";
    case Repair::kSingleQuotes:
      return "single_quotes";
    case Repair::kPythonLiteral:
      return "python_literal";
    case Repair::kTuple:
      return "tuple";
    case Repair::kTrailingComma:
      return "trailing_comma";
    case Repair::kMissingComma:
      return "missing_comma";
    case Repair::kMissingColon:
      return "missing_colon";
    case Repair::kMissingValue:
      return "missing_value";
    case Repair::kComment:
      return "comment";
    case Repair::kUnquotedKey:
      return "unquoted_key";
    case Repair::kUnquotedText:
      return "unquoted_text";
    case Repair::kUnescapedQuote:
      return "unescaped_quote";
    case Repair::kUnclosedString:
      return "unclosed_string";
    case Repair::kControlInString:
      return "control_in_string";
    case Repair::kBadEscape:
      return "bad_escape";
    case Repair::kInvalidUtf8:
      return "invalid_utf8";
    case Repair::kNumberFormat:
      return "number_format";
    case Repair::kNotFinite:
      return "not_finite";
    case Repair::kDuplicateKey:
      return "duplicate_key";
    case Repair::kEscapedJson:
      return "escaped_json";
    case Repair::kMismatchedBracket:
      return "mismatched_bracket";
    case Repair::kTooDeep:
      return "too_deep";
    case Repair::kJunk:
      return "junk";
    case Repair::kTruncated:
      return "truncated";
  }
  return "unknown";
}

AnswerPart find_answer_part(std::string_view text) { return PartFinder(text).find(); }

LenientJson read_lenient_json(std::string_view text) {
  LenientJson out;
  out.answer_end = text.size();
  if (auto block = read_strictly(text, out.repairs)) {
    out.blocks.push_back(std::move(*block));
    return out;
  }
  const AnswerPart part = find_answer_part(text);
  out.repairs = part.repairs;
  out.cut_in_reasoning = part.cut_in_reasoning;
  const auto offset = static_cast<std::size_t>(part.text.data() - text.data());
  out.answer_begin = offset;
  out.answer_end = offset + part.text.size();
  std::size_t outside = 0;
  for (std::size_t at = part.text.find_first_of("{["); at != std::string_view::npos;) {
    BlockOutcome outcome = read_block(part.text, at, out.repairs);
    if (outcome.block) {
      note_surroundings(part.text.substr(outside, at - outside), out.repairs);
      outside = outcome.block->end;
      outcome.block->begin += offset;
      outcome.block->end += offset;
      out.blocks.push_back(std::move(*outcome.block));
    }
    at = part.text.find_first_of("{[", outcome.resume);
  }
  note_surroundings(part.text.substr(outside), out.repairs);
  if (out.blocks.size() > 1) out.repairs.insert(Repair::kSeveralBlocks);
  return out;
}

}  // namespace alig::parse
