#include "auto_label_image_grounding/steps/corrections.h"

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/char_span.h"
#include "auto_label_image_grounding/data/expression_id.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "auto_label_image_grounding/steps/spans.h"

namespace alig {
namespace {

using nlohmann::json;

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
    const std::string text = expression.text("text");
    if (given && is_true_span(*given, lower_, text)) finder_.reserve(text, *given);
  }

  void make_true(Record& expression, LabelCounts& counts) {
    const std::string* raw = expression.raw("char_span");
    if (raw != nullptr && *raw == "null") return;
    const std::optional<CharSpan> given = span_in(expression);
    const std::string text = expression.text("text");
    if (given && is_true_span(*given, lower_, text)) return;
    std::optional<std::pair<std::int64_t, std::int64_t>> hint;
    if (given) hint = {given->begin, given->end};
    const auto found = finder_.take(text, hint);
    ++(found ? counts.spans_corrected : counts.null_spans);
    expression.set("char_span", found ? fmt::format("[{}, {}]", found->begin, found->end) : "null");
  }

 private:
  std::vector<char32_t> lower_;
  SpanFinder finder_;
};

}  // namespace

std::string ExpressionIds::claim(const std::string& wanted) {
  if (!wanted.empty() && take(wanted)) return wanted;
  std::string id = expression_id(next_++);
  while (!take(id)) id = expression_id(next_++);
  return id;
}

bool ExpressionIds::take(const std::string& id) {
  const auto number = expression_number(id);
  if (!number) return others_.insert(std::hash<std::string>{}(id)).second;
  const auto index = static_cast<std::size_t>(*number);
  if (index >= taken_.size()) taken_.resize(index + 1);
  if (taken_[index]) return false;
  taken_[index] = true;
  return true;
}

void check_corrections(Record& extracted, ExpressionIds& ids, LabelCounts& counts) {
  const std::string* given = extracted.raw("expressions");
  if (given == nullptr) return;
  const std::vector<std::string> given_expressions = split_raw_array(*given);
  if (!extracted.value("cleaned_caption").is_string()) {
    extracted.set_string("cleaned_caption", trim(extracted.text("caption")));
    ++counts.captions_kept;
  }
  SpanCheck spans(extracted.text("cleaned_caption"));
  std::vector<Record> expressions;
  for (const std::string& raw : given_expressions) {
    expressions.push_back(Record::parse(raw).value_or(Record()));
    spans.reserve(expressions.back());
  }
  std::vector<std::string> corrected;
  for (Record& expression : expressions) {
    spans.make_true(expression, counts);
    if (expression.text("noun_chunk").empty()) {
      expression.set_string("noun_chunk", head_noun(expression.text("text")));
    }
    const std::string wanted = expression.text("expression_id");
    const std::string id = ids.claim(wanted);
    if (id != wanted) expression.set_string("expression_id", id);
    corrected.push_back(expression.dump());
  }
  extracted.set("expressions", fmt::format("[{}]", fmt::join(corrected, ", ")));
}

}  // namespace alig
