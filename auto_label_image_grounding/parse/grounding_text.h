// Boxes in text that is not JSON as a whole: lines "phrase: [1, 2, 3, 4]" and special tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// The label before `at` on its line, starting at `from` or later: "- **the dog**: " -> "the dog".
// Empty if there is none, and for words that only announce a box ("here is the bbox:").
std::string label_before(std::string_view text, std::size_t from, std::size_t at);

// Bare arrays among `blocks`, with the labels around them.
GroundingDraft read_labelled_lines(std::string_view text, const std::vector<JsonBlock>& blocks);

// Whether the text contains a token with which some model marks a box.
bool has_box_tokens(std::string_view text);

GroundingDraft read_box_tokens(std::string_view text);

// Whether the whole text says that nothing was found, and nothing else.
bool is_decline(std::string_view text);

}  // namespace alig::parse
