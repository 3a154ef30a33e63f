#include "auto_label_image_grounding/vlm/prompts.h"

#include <algorithm>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/record.h"

namespace alig {
namespace {

constexpr const char* kExtractionPrompt =
    R"(You prepare training data for visual grounding. You see an image and its caption.

Caption: {caption}

1. Clean the caption: mend spelling, spacing and punctuation, and remove what does not describe the image (file names, links, hash tags, advertising). Keep its language, its words and their order. Do not add anything.
2. List the referring expressions of the cleaned caption: every phrase that names something visible in this image that could be outlined by a box (people, animals, things, parts of them). Copy each phrase exactly as it stands in the cleaned caption, with the words that tell it from others ("the man in a red hat", not "man"). Leave out what is not visible, abstract notions, and words for the picture itself. The same thing named twice by different phrases is listed twice.
3. For each expression give "char_span", the positions [start, end) of its characters in the cleaned caption, counted from 0, and "noun_chunk", its head noun.

Answer with JSON alone, in this form:
{"cleaned_caption": "A man in a red hat walks his dog.", "expressions": [{"text": "A man in a red hat", "char_span": [0, 18], "noun_chunk": "man"}, {"text": "his dog", "char_span": [25, 32], "noun_chunk": "dog"}]}
If nothing in the caption is visible, answer with an empty list of expressions.
)";

constexpr const char* kGroundingPrompt =
    R"(Find in this image what each of the following expressions refers to.

Expressions: {expressions}

For every expression, in the given order, list all instances that it refers to, each with a tight bounding box and a score from 0 to 1 that says how sure you are. A singular expression usually has one instance, a plural one several; give 10 at most. If something is not visible in the image, give an empty list for it: never guess a box.

{coordinates}

Answer with JSON alone, in this form, with the id and the text of each expression:
{"groundings": [{"id": 1, "text": "the expression", "instances": [{"bbox": [n, n, n, n], "score": 0.9}]}]}
)";

using Json = nlohmann::ordered_json;

// OpenAI's strict mode demands all properties as required, and additionalProperties: false.
constexpr std::string_view kExtractionSchema = R"({
  "type": "object",
  "properties": {
    "cleaned_caption": {"type": "string"},
    "expressions": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "text": {"type": "string"},
          "char_span": {"type": "array", "items": {"type": "integer"}},
          "noun_chunk": {"type": "string"}
        },
        "required": ["text", "char_span", "noun_chunk"],
        "additionalProperties": false
      }
    }
  },
  "required": ["cleaned_caption", "expressions"],
  "additionalProperties": false
})";

constexpr std::string_view kGroundingSchema = R"({
  "type": "object",
  "properties": {
    "groundings": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "id": {"type": "integer"},
          "text": {"type": "string"},
          "instances": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "bbox": {"type": "array", "items": {"type": "number"}},
                "score": {"type": "number"}
              },
              "required": ["bbox", "score"],
              "additionalProperties": false
            }
          }
        },
        "required": ["id", "text", "instances"],
        "additionalProperties": false
      }
    }
  },
  "required": ["groundings"],
  "additionalProperties": false
})";

// One pass, so that a placeholder inside a caption is not filled again.
std::string fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t brace = std::min(text.find('{', 1), text.size());
    const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) {
      return text.starts_with(entry.first);
    });
    if (found == values.end()) {
      out += text.substr(0, brace);
      text.remove_prefix(brace);
    } else {
      out += found->second;
      text.remove_prefix(found->first.size());
    }
  }
  return out;
}

}  // namespace

PromptTemplate built_in_extraction_prompt() { return {kExtractionPrompt, ""}; }
PromptTemplate built_in_grounding_prompt() { return {kGroundingPrompt, ""}; }

const std::vector<std::string_view>& extraction_placeholders() {
  static const std::vector<std::string_view> kAll = {"{caption}"};
  return kAll;
}

const std::vector<std::string_view>& grounding_placeholders() {
  static const std::vector<std::string_view> kAll = {"{expressions}", "{coordinates}", "{width}",
                                                     "{height}"};
  return kAll;
}

std::string misspelt_placeholder(std::string_view text,
                                 const std::vector<std::string_view>& placeholders) {
  const auto is_one_of = [](std::string_view word, const std::vector<std::string_view>& list) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  constexpr std::size_t kNear = 3;  // edits; a template may hold {words} of its own
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  for (std::size_t at = text.find('{'); at != text.npos; at = text.find('{', at + 1)) {
    const std::size_t end = text.find_first_not_of(kLetters, at + 1);
    if (end == text.npos || text[end] != '}' || end == at + 1) continue;
    const std::string_view word = text.substr(at, end + 1 - at);
    if (is_one_of(word, placeholders)) continue;
    const std::string meant = closest_word(word, placeholders, kNear);
    const bool foreign =
        is_one_of(word, extraction_placeholders()) || is_one_of(word, grounding_placeholders());
    if (meant.empty() && !foreign) continue;
    return fmt::format("{} is none of {}{}", word, fmt::join(placeholders, ", "),
                       meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant));
  }
  return "";
}

Result<PromptTemplate> load_prompt(const std::string& path,
                                   const std::vector<std::string_view>& placeholders) {
  auto text = read_file(path);
  if (!text) return fail_at("prompt template", text.error());
  if (text->find(placeholders.front()) == std::string::npos) {
    const std::string misspelt = misspelt_placeholder(*text, placeholders);
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("prompt template {} lacks the placeholder {}{}", path,
                            placeholders.front(), misspelt.empty() ? "" : ": " + misspelt));
  }
  std::string digest = sha256_hex(*text);
  return PromptTemplate{std::move(*text), std::move(digest)};
}

std::string fill_extraction_prompt(const PromptTemplate& prompt, std::string_view caption) {
  return fill(prompt.text, {{"{caption}", json_string(caption)}});
}

std::string fill_grounding_prompt(const PromptTemplate& prompt,
                                  const std::vector<std::string>& expressions,
                                  const CoordinateConvention& convention, const ImageSize& sent) {
  std::string list = "[";
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    list += fmt::format("{}{{\"id\": {}, \"text\": {}}}", i == 0 ? "" : ", ", i + 1,
                        json_string(expressions[i]));
  }
  list += "]";
  return fill(prompt.text, {{"{expressions}", list},
                            {"{coordinates}", describe(convention, sent)},
                            {"{width}", fmt::format("{}", sent.width)},
                            {"{height}", fmt::format("{}", sent.height)}});
}

const Json& extraction_schema() {
  static const Json kSchema = parse_ordered_json(kExtractionSchema);
  return kSchema;
}

const Json& grounding_schema() {
  static const Json kSchema = parse_ordered_json(kGroundingSchema);
  return kSchema;
}

}  // namespace alig
