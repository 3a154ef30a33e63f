// Boxes in a block of JSON.
#pragma once

#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// A list of numbers or of such lists: what it means is said by the text around it. A number may be
// spoilt ([1, 2, x, 4]): that box is unusable, and the lines around it are still lines.
bool is_bare_array(const JsonBlock& block);

// Everything that the block says. `understood` stays false where it says nothing about boxes.
GroundingDraft read_grounding_block(const JsonBlock& block);

// The boxes of a bare array, as one item with this label.
void read_bare_array(const JsonBlock& block, const std::string& label, GroundingDraft& draft);

}  // namespace alig::parse
