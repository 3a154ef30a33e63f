#include "auto_label_image_grounding/steps/expression_extraction.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/steps/spans.h"

namespace alig {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

bool ends_noun_phrase(const std::string& word) {
  static const std::set<std::string> kWords = {
      "of",       "in",      "on",      "at",       "with",    "without", "by",      "from",
      "to",       "near",    "under",   "over",     "behind",  "beside",  "next",    "above",
      "below",    "between", "inside",  "around",   "against", "along",   "across",  "through",
      "for",      "into",    "onto",    "that",     "which",   "who",     "whose",   "where",
      "wearing",  "holding", "sitting", "standing", "riding",  "walking", "running", "lying",
      "carrying", "and",     "while"};
  return kWords.contains(word);
}

bool begins_noun_phrase(const std::string& word) {
  static const std::set<std::string> kWords = {"a",   "an",    "the", "this", "that", "his",  "her",
                                               "its", "their", "one", "some", "two",  "three"};
  return kWords.contains(word);
}

bool contains_text(std::string_view text, std::string_view part) {
  return !part.empty() &&
         fold_for_comparison(text).find(fold_for_comparison(part)) != std::string::npos;
}

std::string noun_chunk_of(const parse::ExtractedExpression& extracted, std::string_view text) {
  const std::string_view given = trim(extracted.noun_chunk);
  return contains_text(text, given) ? std::string(given) : head_noun(text);
}

// Whether the text was listed already, up to letter case, as spans are found.
bool is_listed(const std::vector<Expression>& expressions, std::string_view text) {
  const auto lower = [](std::string_view t) { return lower_code_points(to_code_points(t)); };
  return std::any_of(expressions.begin(), expressions.end(),
                     [&](const Expression& known) { return lower(known.text) == lower(text); });
}

}  // namespace

std::string head_noun(std::string_view expression) {
  std::string_view head;
  bool after_comma = false;
  for (std::string_view word : words_of(expression)) {
    const std::string lower = ascii_lower(word);
    if (!head.empty() && ends_noun_phrase(lower)) break;
    // "a dog, a cat" is two phrases, "a big, brown dog" one.
    if (after_comma && begins_noun_phrase(lower)) break;
    after_comma = word.back() == ',';
    const bool last = word.back() == ';';
    while (!word.empty() && std::string_view(",;.:!?\"').").find(word.back()) != word.npos) {
      word.remove_suffix(1);
    }
    if (!word.empty()) head = word;
    if (last) break;
  }
  return std::string(head.empty() ? expression : head);
}

ExtractionResult apply_extraction(std::string_view caption, const parse::ExtractionAnswer& answer,
                                  LabelCounts& counts) {
  ExtractionResult result;
  result.cleaned_caption = trim(answer.cleaned_caption.value_or(""));
  if (result.cleaned_caption.empty()) {
    result.cleaned_caption = trim(caption);
    ++counts.captions_kept;
  }
  counts.unusable_expressions += answer.unusable_expressions;
  SpanFinder finder(result.cleaned_caption);
  for (const parse::ExtractedExpression& extracted : answer.expressions) {
    const std::string_view text = trim(extracted.text);
    if (text.empty()) {
      ++counts.unusable_expressions;
      continue;
    }
    const auto span = finder.take(text, extracted.span_hint);
    if (!span && is_listed(result.expressions, text)) {
      ++counts.duplicate_expressions;
      continue;
    }
    if (!span) ++counts.null_spans;
    result.expressions.push_back({std::string(text), span, noun_chunk_of(extracted, text)});
  }
  return result;
}

void check_spans(ExtractionResult& result, LabelCounts& counts) {
  SpanFinder finder(result.cleaned_caption);
  for (Expression& expression : result.expressions) {
    std::optional<std::pair<std::int64_t, std::int64_t>> hint;
    if (const auto& span = expression.char_span) hint = {span->begin, span->end};
    expression.char_span = finder.take(expression.text, hint);
    if (!expression.char_span) ++counts.null_spans;
    if (expression.noun_chunk.empty()) expression.noun_chunk = head_noun(expression.text);
  }
}

}  // namespace alig
