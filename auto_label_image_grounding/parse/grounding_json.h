// Boxes in a block of JSON.
#pragma once

#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// Whether it is a list of numbers or of such lists: its meaning depends on the surrounding text. A
// number may be broken ([1, 2, x, 4]): that box is unusable, but the lines around it still count.
bool is_bare_array(const JsonBlock& block);

// Everything that the block says. `understood` stays false if it says nothing about boxes.
GroundingDraft read_grounding_block(const JsonBlock& block);

// The boxes of a bare array, as one item with this label.
void read_bare_array(const JsonBlock& block, const std::string& label, GroundingDraft& draft);

}  // namespace alig::parse
