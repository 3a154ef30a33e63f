// The prompts, and the JSON schemas of the answers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

// A template with {placeholders}; other braces are plain text, so that JSON examples need no
// escaping. A file given by the user replaces the built-in one.
struct PromptTemplate {
  std::string text;
  std::string custom_sha256;  // of the user's file; "" for the built-in template
};

// Placeholders: {caption} (required), as a JSON string.
PromptTemplate built_in_extraction_prompt();
// Placeholders: {expressions} (required), a JSON array of {"id", "text"}; {coordinates}, the
// paragraph about the convention; {width}, {height} of the image as sent.
PromptTemplate built_in_grounding_prompt();

// The {placeholders} of each template; the first one is required.
const std::vector<std::string_view>& extraction_placeholders();
const std::vector<std::string_view>& grounding_placeholders();

// A {word} of a template that is probably a misspelt placeholder or belongs to the other template,
// with what was meant, as text for a message; "" if there is none. It would be sent literally.
std::string misspelt_placeholder(std::string_view text,
                                 const std::vector<std::string_view>& placeholders);

// Reads a user's template. kNotFound/kIo for the file, kInvalidArgument if the first of
// `placeholders` is missing.
Result<PromptTemplate> load_prompt(const std::string& path,
                                   const std::vector<std::string_view>& placeholders);

std::string fill_extraction_prompt(const PromptTemplate& prompt, std::string_view caption);
// The expressions are numbered from 1 in their order.
std::string fill_grounding_prompt(const PromptTemplate& prompt,
                                  const std::vector<std::string>& expressions,
                                  const CoordinateConvention& convention, const ImageSize& sent);

// The smallest portable subset of JSON Schema (object, array, string, number, required): servers
// refuse more, and bounds are checked here anyway.
const nlohmann::ordered_json& extraction_schema();
const nlohmann::ordered_json& grounding_schema();

// More instances than this per expression are neither requested (see the prompt) nor kept.
inline constexpr std::size_t kMaxInstancesAsked = 10;

}  // namespace alig
