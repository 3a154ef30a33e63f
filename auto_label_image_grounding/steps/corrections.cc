#include "auto_label_image_grounding/steps/corrections.h"

#include <charconv>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "auto_label_image_grounding/steps/spans.h"

namespace alig {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "expr_";

std::string id_of(std::int64_t number) { return fmt::format("{}{:05}", kPrefix, number); }

// The number of an id that is written as ours are.
std::optional<std::size_t> number_of(const std::string& id) {
  constexpr std::size_t kLargest = std::size_t{1} << 28;  // 32 MB of bits
  if (id.rfind(kPrefix, 0) != 0) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = id.data() + id.size();
  const auto read = std::from_chars(id.data() + kPrefix.size(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < 0) return std::nullopt;
  const auto out = static_cast<std::size_t>(number);
  return out < kLargest && id_of(number) == id ? std::optional(out) : std::nullopt;
}

std::string text_in(const Record& record, const char* key) {
  const json value = record.value(key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<CharSpan> span_in(const Record& expression) {
  const json span = expression.value("char_span");
  if (!span.is_array() || span.size() != 2) return std::nullopt;
  if (!span[0].is_number_integer() || !span[1].is_number_integer()) return std::nullopt;
  return CharSpan{span[0].get<std::int64_t>(), span[1].get<std::int64_t>()};
}

class SpanCheck {
 public:
  explicit SpanCheck(std::string_view caption)
      : lower_(lower_code_points(to_code_points(caption))), finder_(caption) {}

  // True spans keep their places: to be called with every expression before make_true().
  void reserve(const Record& expression) {
    const std::optional<CharSpan> given = span_in(expression);
    const std::string text = text_in(expression, "text");
    if (given && is_true(*given, text)) finder_.reserve(text, *given);
  }

  void make_true(Record& expression, LabelCounts& counts) {
    const std::string* raw = expression.raw("char_span");
    if (raw != nullptr && *raw == "null") return;
    const std::optional<CharSpan> given = span_in(expression);
    const std::string text = text_in(expression, "text");
    if (given && is_true(*given, text)) return;
    std::optional<std::pair<std::int64_t, std::int64_t>> hint;
    if (given) hint = {given->begin, given->end};
    const auto found = finder_.take(text, hint);
    ++(found ? counts.spans_corrected : counts.null_spans);
    expression.set("char_span", found ? fmt::format("[{}, {}]", found->begin, found->end) : "null");
  }

 private:
  bool is_true(const CharSpan& span, std::string_view text) const {
    const auto wanted = lower_code_points(to_code_points(text));
    const auto size = static_cast<std::int64_t>(lower_.size());
    if (span.begin < 0 || span.end > size || span.begin >= span.end) return false;
    return std::vector<char32_t>(lower_.begin() + span.begin, lower_.begin() + span.end) == wanted;
  }

  std::vector<char32_t> lower_;
  SpanFinder finder_;
};

}  // namespace

std::string ExpressionIds::claim(const std::string& wanted) {
  if (!wanted.empty() && take(wanted)) return wanted;
  std::string id = id_of(next_++);
  while (!take(id)) id = id_of(next_++);
  return id;
}

bool ExpressionIds::take(const std::string& id) {
  const auto number = number_of(id);
  if (!number) return others_.insert(std::hash<std::string>{}(id)).second;
  if (*number >= taken_.size()) taken_.resize(*number + 1);
  if (taken_[*number]) return false;
  taken_[*number] = true;
  return true;
}

void check_corrections(Record& extracted, ExpressionIds& ids, LabelCounts& counts) {
  const std::string* given = extracted.raw("expressions");
  if (given == nullptr) return;
  const std::vector<std::string> given_expressions = split_raw_array(*given);
  if (!extracted.value("cleaned_caption").is_string()) {
    extracted.set_string("cleaned_caption", trim(text_in(extracted, "caption")));
    ++counts.captions_kept;
  }
  SpanCheck spans(text_in(extracted, "cleaned_caption"));
  std::vector<Record> expressions;
  for (const std::string& raw : given_expressions) {
    expressions.push_back(Record::parse(raw).value_or(Record()));
    spans.reserve(expressions.back());
  }
  std::vector<std::string> corrected;
  for (Record& expression : expressions) {
    spans.make_true(expression, counts);
    if (text_in(expression, "noun_chunk").empty()) {
      expression.set_string("noun_chunk", head_noun(text_in(expression, "text")));
    }
    const std::string wanted = text_in(expression, "expression_id");
    const std::string id = ids.claim(wanted);
    if (id != wanted) expression.set_string("expression_id", id);
    corrected.push_back(expression.dump());
  }
  extracted.set("expressions", fmt::format("[{}]", fmt::join(corrected, ", ")));
}

}  // namespace alig
