// A model's answer to "which referring expressions does this caption contain?". Pure.
//
// The prompt asks for {"cleaned_caption": "…", "expressions": [{"text": "…", "char_span": [s, e],
// "noun_chunk": "…"}]}; also read are bare lists of expressions or strings, other keys, objects
// keyed by expression, NDJSON, and everything that the tolerant JSON reader repairs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/status.h"

namespace alig::parse {

struct ExtractedExpression {
  std::string text;  // not empty; as the model wrote it
  // As the model counted: only a hint. Half-open, 0 <= first < second.
  std::optional<std::pair<std::int64_t, std::int64_t>> span_hint;
  std::string noun_chunk;  // may be empty
};

struct ExtractionAnswer {
  std::optional<std::string> cleaned_caption;
  std::vector<ExtractedExpression> expressions;
  bool truncated = false;  // the text ends inside the answer; complete expressions are here
  std::vector<std::string> repairs;  // sorted names of the repairs made
  int unusable_expressions = 0;      // elements without a text
};

// kData if the text contains no list of expressions: says what was found instead. An explicit empty
// list is an answer. Of several blocks the best match is taken, of equal ones the last.
Result<ExtractionAnswer> read_extraction_answer(std::string_view text);

}  // namespace alig::parse
