// A tolerant reader of the JSON in model answers. Pure, never throws, linear in the text's length,
// no recursion.
//
// Reads: code fences (any language, unclosed), surrounding prose, reasoning and <answer> wrappers,
// several blocks, NDJSON, single quotes, Python literals and tuples, trailing and missing commas,
// comments, unquoted keys and words, unescaped quotes and line ends in strings, NaN and Infinity
// (null), repeated keys, JSON escaped into a string, and truncated tails. Of those only complete
// elements are kept: a number, word or string cut by the end of the text is left out, because "34"
// could have been "345".
#pragma once

#include <cstddef>
#include <set>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/parse/json_builder.h"

namespace alig::parse {

// What had to be repaired. name_of() returns the names used in summaries.
enum class Repair {
  kCodeFence,
  kProse,
  kReasoning,
  kAnswerTag,
  kSeveralBlocks,
  kSingleQuotes,
  kPythonLiteral,
  kTuple,
  kTrailingComma,
  kMissingComma,
  kMissingColon,
  kMissingValue,
  kComment,
  kUnquotedKey,
  kUnquotedText,
  kUnescapedQuote,
  kUnclosedString,
  kControlInString,
  kBadEscape,
  kInvalidUtf8,
  kNumberFormat,
  kNotFinite,
  kDuplicateKey,
  kEscapedJson,
  kMismatchedBracket,
  kTooDeep,
  kJunk,
  kTruncated,
};
const char* name_of(Repair repair);

struct JsonBlock {
  // An array or an object. A missing value ({"a":,}) is discarded (is_discarded()): a null would
  // mean that the model stated one. A repeated key appears as often as it was given, in order
  // (iterate; lookup by name finds the first).
  Json value;
  std::size_t begin = 0, end = 0;  // bytes in the text that was read
  bool truncated = false;
  // How many containers the cut left open, from `value` down along the last elements; 0 if nothing
  // was cut. They hold their complete elements, but nothing that should have followed.
  std::size_t open_containers = 0;
};

struct LenientJson {
  std::vector<JsonBlock> blocks;  // in the order of the text
  std::set<Repair> repairs;
  std::size_t answer_begin = 0, answer_end = 0;  // bytes: the part that was read, see AnswerPart
  bool cut_in_reasoning = false;                 // the text ends inside <think>: there is no answer
};

// Strict JSON goes to the library's own parser and needs no repairs.
LenientJson read_lenient_json(std::string_view text);

// The part of a text that holds the answer: what follows the last </think>, and of that the content
// of the last <answer>. If the text ends inside <think>, what precedes it.
struct AnswerPart {
  std::string_view text;
  std::set<Repair> repairs;
  bool cut_in_reasoning = false;
};
AnswerPart find_answer_part(std::string_view text);

}  // namespace alig::parse
